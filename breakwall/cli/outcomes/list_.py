"""`breakwall outcomes list`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from breakwall.cli.orders_database import orders_database
from breakwall.cli.outcomes.destination_names import DestinationOption
from breakwall.json_documents import delivery_document
from breakwall.terminal.options import Format, OutputOption
from breakwall.terminal.output import plain, write_list, write_note
from breakwall.terminal.words import moment

if TYPE_CHECKING:
    from breakwall.payments.outcomes.holds import DestinationHold
    from breakwall.payments.outcomes.operator import StoredDelivery

HEADS = ("event", "key", "type", "destination", "state", "tries", "next try", "last error")


class Shown(StrEnum):
    """Which deliveries are listed."""

    UNDELIVERED = "undelivered"
    FAILED = "failed"
    DELIVERED = "delivered"
    ALL = "all"


def list_outcomes(
    status: Annotated[
        Shown, typer.Option(help="undelivered: those that wait and those that were given up.")
    ] = Shown.UNDELIVERED,
    order: Annotated[str | None, typer.Option("--order", metavar="ID|KEY", help="Only this order's.")] = None,
    destination: DestinationOption = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, metavar="N", help="How many at most.")] = 50,
    output: OutputOption = Format.TEXT,
) -> None:
    """List what the shop is told of its orders, newest first: by default what it was not told yet.

    A state is new (no worker has taken it yet), waiting (it is tried, now or later), delivered, or failed: given up
    after the last try, with an incident, or by `breakwall outcomes forget`, without one. While a destination's circuit
    is open, or after it has answered 410 Gone, nothing is sent to it: then a line says so, and the next try is not
    before the circuit's.
    """
    from breakwall.payments.ledger.queries import get_order
    from breakwall.payments.outcomes import operator
    from breakwall.wiring import waiting_outcomes

    every = operator.DeliveryState
    states = {
        Shown.UNDELIVERED: (every.NEW, every.WAITING, every.FAILED),
        Shown.FAILED: (every.FAILED,),
        Shown.DELIVERED: (every.DELIVERED,),
        Shown.ALL: tuple(every),
    }[status]
    with orders_database() as (database, settings):
        order_id = None if order is None else get_order(database, order).id
        name = None if destination is None else destination.value
        found = database.read(
            lambda connection: operator.list_deliveries(
                connection, limit=limit + 1, states=states, order_id=order_id, destination=name
            )
        )
        _, held = waiting_outcomes(settings, database)
    if output is Format.TEXT and not found:
        typer.echo("No delivery matches.", err=True)
        return
    document, row = partial(_document, held=held), partial(_row, held=held)
    write_list(output, found, limit, document, HEADS, row, right=("tries",), wrapped=HEADS[-1:])
    if output is Format.TEXT:
        write_holds(held[name] for name in held if name in {one.destination for one in found if one.due_at})


def write_holds(held: Iterable[DestinationHold]) -> None:
    """Write to stderr what keeps destinations from getting anything."""
    for hold in held:
        write_note(f"Nothing is delivered now: {hold}.")


def _document(one: StoredDelivery, held: Mapping[str, DestinationHold]) -> dict[str, Any]:
    hold = held.get(one.destination or "") if one.due_at else None
    return {**delivery_document(one), "held": None if hold is None else hold_document(hold)}


def hold_document(hold: DestinationHold) -> dict[str, Any]:
    return {"by": hold.by.value, "until": None if hold.until is None else hold.until.isoformat()}


def _next_try(one: StoredDelivery, hold: DestinationHold | None) -> str:
    if one.due_at is None:
        return "-"
    if hold is None:
        return moment(one.due_at)
    if hold.by == "gone":
        return "not before enable"
    return moment(max(one.due_at, hold.until or one.due_at))


def _row(one: StoredDelivery, held: Mapping[str, DestinationHold]) -> tuple[str, ...]:
    return (
        one.event_id,
        plain(one.idempotency_key or "-"),
        one.type,
        one.destination or "-",
        f"[bold red]{one.state}[/]" if one.state == "failed" else one.state,
        str(one.tries),
        _next_try(one, held.get(one.destination or "")),
        plain(one.last_error or "-"),
    )
