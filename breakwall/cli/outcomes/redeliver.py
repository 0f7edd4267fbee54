"""`breakwall outcomes redeliver`."""

from __future__ import annotations

from typing import Annotated

import typer

from breakwall.cli.orders_database import orders_database
from breakwall.cli.outcomes.destination_names import DestinationOption
from breakwall.cli.outcomes.list_ import hold_document, write_holds
from breakwall.terminal.authors import ActorOption, ReasonOption, author
from breakwall.terminal.options import Format, OutputOption, refuse_where, require
from breakwall.terminal.output import write_note, write_result
from breakwall.terminal.words import count
from breakwall.texts import visible


def redeliver(
    events: Annotated[list[str] | None, typer.Argument(metavar="[EVENT]...", help="The events' ids.")] = None,
    order: Annotated[
        str | None, typer.Option("--order", metavar="ID|KEY", help="All events of this order.")
    ] = None,
    all_failed: Annotated[bool, typer.Option("--all-failed", help="All that were given up.")] = False,
    destination: DestinationOption = None,
    reason: ReasonOption = None,
    actor: ActorOption = None,
    output: OutputOption = Format.TEXT,
) -> None:
    """Deliver events to the shop now, with all of their tries: those that were given up, that wait for their next
    try, or that were delivered already. Each keeps its id, by which the shop knows it again.

    The workers deliver them. While the destination's circuit is open, or after it has answered 410 Gone, they wait: the
    command says so. What was for a forgotten destination is left out. An open incident stays until a person closes
    it: `breakwall orders incidents --close`.

    Exits with 3 and changes nothing if there is no such event or order.
    """
    from breakwall.payments.ledger.queries import get_order
    from breakwall.payments.operator.action_log import OperatorAction, recorded
    from breakwall.payments.outcomes import operator
    from breakwall.wiring import waiting_outcomes

    named = bool(events) or order is not None
    refuse_where((named and all_failed, "--all-failed", "cannot be combined with events or --order"))
    refuse_where((bool(events) and order is not None, "--order", "cannot be combined with events"))
    require((named or all_failed, "an event", "name one or more, or use --order ORDER or --all-failed"))
    who = author(actor, reason)
    with orders_database() as (database, settings):
        order_id = None if order is None else get_order(database, order).id
        name = None if destination is None else destination.value
        with recorded(database, who, OperatorAction.OUTCOMES_REDELIVER, name, _wanted(events, order_id)):
            done = operator.redeliver(
                database, event_ids=events or (), order_id=order_id, all_failed=all_failed, destination=name
            )
        _, held = waiting_outcomes(settings, database)
    holds = {name: hold for name, hold in held.items() if name in done.due}
    document = {
        "redelivered": done.number,
        "left_out": done.left_out,
        "held": {name: hold_document(hold) for name, hold in holds.items()},
    }
    write_result(output, document, _sentence(done.number, "is", "are", "due now"))
    if output is Format.JSON:
        return
    for name, number in done.left_out.items():
        left_out = _sentence(number, "was", "were", f"left out: the {name} is forgotten")
        write_note(f"{left_out} A worker that starts with its setting makes it known again.")
    write_holds(holds.values())


def _wanted(events: list[str] | None, order_id: str | None) -> str:
    """What was asked for, in a few words: for the audit trail."""
    if order_id is not None:
        return f"order {order_id}"
    if not events:
        return "all that failed"
    return visible(events[0])[:100] if len(events) == 1 else count(len(events), "event")


def _sentence(number: int, one: str, several: str, end: str) -> str:
    return f"{count(number, 'delivery', 'deliveries')} {one if number == 1 else several} {end}."
