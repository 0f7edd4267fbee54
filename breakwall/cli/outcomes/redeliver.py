"""`breakwall outcomes redeliver`."""

from __future__ import annotations

from typing import Annotated

import typer

from breakwall.cli.orders_database import orders_database
from breakwall.cli.outcomes.destination_names import DestinationOption
from breakwall.terminal.options import Format, OutputOption, refuse_where, require
from breakwall.terminal.output import write_result
from breakwall.terminal.words import count


def redeliver(
    events: Annotated[list[str] | None, typer.Argument(metavar="[EVENT]...", help="The events' ids.")] = None,
    order: Annotated[
        str | None, typer.Option("--order", metavar="ID|KEY", help="All events of this order.")
    ] = None,
    all_failed: Annotated[bool, typer.Option("--all-failed", help="All that were given up.")] = False,
    destination: DestinationOption = None,
    output: OutputOption = Format.TEXT,
) -> None:
    """Deliver events to the shop now, with all of their tries: those that were given up, that wait for their next
    try, or that were delivered already. Each keeps its id, by which the shop knows it again.

    The workers deliver them. While the destination's circuit is open, they wait for it. An open incident stays until
    a person closes it: `breakwall orders incidents --close`.

    Exits with 3 and changes nothing if there is no such event or order.
    """
    from breakwall.payments.ledger.queries import get_order
    from breakwall.payments.outcomes import operator

    named = bool(events) or order is not None
    refuse_where((named and all_failed, "--all-failed", "cannot be combined with events or --order"))
    refuse_where((bool(events) and order is not None, "--order", "cannot be combined with events"))
    require((named or all_failed, "--all-failed", "or name events, or --order ORDER"))
    with orders_database() as (database, _):
        number = operator.redeliver(
            database,
            event_ids=events or (),
            order_id=None if order is None else get_order(database, order).id,
            all_failed=all_failed,
            destination=destination and destination.value,
        )
    verb = "is" if number == 1 else "are"
    write_result(
        output, {"redelivered": number}, f"{count(number, 'delivery', 'deliveries')} {verb} due now."
    )
