"""`breakwall breaker transitions`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from breakwall.cli.orders_database import orders_database
from breakwall.json_documents import transition_document
from breakwall.terminal.options import Format, OutputOption
from breakwall.terminal.output import write_list, write_note
from breakwall.terminal.words import count, moment, state

if TYPE_CHECKING:
    from breakwall.monitor.history.transitions import CircuitTransition

HEADS = ("time", "before", "after", "cause")

_CAUSES = {
    "failures": "too many failures",
    "pause_asked": "the payment service asked for a pause",
    "interval_over": "the open interval was over, or a person ended it: a probe was sent",
    "probe_failed": "the probe failed",
    "probes_succeeded": "the probes succeeded",
    "reset": "a program reset it",
}


def transitions(
    limit: Annotated[
        int, typer.Option("--limit", "-n", min=1, max=10_000, metavar="N", help="How many.")
    ] = 50,
    output: OutputOption = Format.TEXT,
) -> None:
    """List how the circuit changed its state, newest first: when, and why.

    A running worker or API looks each second and writes them into the orders database, where they are kept for as long
    as the backlog's history. What people did to the circuit is in `breakwall audit --action breaker`.
    """
    from breakwall.monitor.history.circuit_history import newest_transitions

    with orders_database() as (database, _):
        found = database.read(lambda connection: newest_transitions(connection, limit=limit + 1))
    if output is Format.TEXT and not found:
        write_note("No transition was written down.")
    write_list(output, found, limit, transition_document, HEADS, _row, wrapped=HEADS[-1:])


def _row(one: CircuitTransition) -> tuple[str, ...]:
    return moment(one.at), state(one.before.value), state(one.after.value), _cause(one)


def _cause(one: CircuitTransition) -> str:
    return _CAUSES[one.cause.value] if one.failures is None else count(one.failures, "failure")
