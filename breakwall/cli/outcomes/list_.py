"""`breakwall outcomes list`."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from breakwall.cli.orders_database import orders_database
from breakwall.cli.outcomes.destination_names import DestinationOption
from breakwall.json_documents import delivery_document
from breakwall.terminal.options import Format, OutputOption
from breakwall.terminal.output import plain, write_list
from breakwall.terminal.words import moment

if TYPE_CHECKING:
    from breakwall.payments.outcomes.operator import StoredDelivery

HEADS = ("event", "order", "type", "destination", "state", "tries", "next try", "last error")


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
    after the last try, with an incident.
    """
    from breakwall.payments.ledger.queries import get_order
    from breakwall.payments.outcomes import operator

    every = operator.DeliveryState
    states = {
        Shown.UNDELIVERED: (every.NEW, every.WAITING, every.FAILED),
        Shown.FAILED: (every.FAILED,),
        Shown.DELIVERED: (every.DELIVERED,),
        Shown.ALL: tuple(every),
    }[status]
    with orders_database() as (database, _):
        order_id = None if order is None else get_order(database, order).id
        name = None if destination is None else destination.value
        found = database.read(
            lambda connection: operator.list_deliveries(
                connection, limit=limit + 1, states=states, order_id=order_id, destination=name
            )
        )
    if output is Format.TEXT and not found:
        typer.echo("No delivery matches.", err=True)
        return
    write_list(output, found, limit, delivery_document, HEADS, _row, right=("tries",))


def _row(one: StoredDelivery) -> tuple[str, ...]:
    return (
        one.event_id,
        one.order_id,
        one.type,
        one.destination or "-",
        f"[bold red]{one.state}[/]" if one.state == "failed" else one.state,
        str(one.tries),
        moment(one.due_at) if one.due_at else "-",
        plain(one.last_error or "-"),
    )
