"""`breakwall orders show` and `orders list`."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Annotated

import typer

from breakwall.cli.orders.find import IdOption, KeyOption, NameArgument, naming
from breakwall.payments.orders import OrderStatus
from breakwall.terminal.options import Format, OutputOption

if TYPE_CHECKING:
    from breakwall.payments.orders import StoredOrder


def show(
    name: NameArgument,
    by_id: IdOption = False,
    by_key: KeyOption = False,
    everything: Annotated[
        bool, typer.Option("--all", help="Every attempt, intervention and incident, and no text cut short.")
    ] = False,
    output: OutputOption = Format.TEXT,
) -> None:
    """Show one order, what was tried, and what people did.

    As much as one screen holds: the newest attempts, interventions and incidents. --all shows the rest, and so
    does JSON.

    Exits with 3 when there is none, and with 4 when the name is one order's id and another one's key: then
    --id or --key decides.
    """
    by = naming(by_id=by_id, by_key=by_key)

    from breakwall.cli.orders.documents import order_with_history
    from breakwall.payments.ledger.audit import list_incidents, list_interventions
    from breakwall.payments.ledger.queries import get_order, list_attempts
    from breakwall.settings import load_settings
    from breakwall.terminal.output import write_json
    from breakwall.wiring import open_database

    with closing(open_database(load_settings())) as database:
        order = get_order(database, name, by)
        attempts = list_attempts(database, order.id)
        interventions = list_interventions(database, order.id)
        incidents = list_incidents(database, order.id)
    if output is Format.JSON:
        write_json(order_with_history(order, attempts, interventions, incidents))
    else:
        from breakwall.cli.orders.detail import write_story

        write_story(order_fields(order), order, attempts, interventions, incidents, everything=everything)


def list_orders(
    status: Annotated[OrderStatus | None, typer.Option(help="Only orders in this state.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, metavar="N", help="How many at most.")] = 50,
    output: OutputOption = Format.TEXT,
) -> None:
    """List the newest orders, newest first."""
    from breakwall.cli.orders.documents import order_document
    from breakwall.payments.ledger import queries
    from breakwall.settings import load_settings
    from breakwall.terminal.output import write_json
    from breakwall.wiring import open_database

    with closing(open_database(load_settings())) as database:
        found = queries.list_orders(database, status=status, limit=limit + 1)
    if output is Format.JSON:
        write_json([order_document(order) for order in found[:limit]])
    else:
        _write_list(found[:limit])
    if len(found) > limit:
        typer.echo(f"There are more than these {limit}; --limit shows more of them.", err=True)


def write_order(order: StoredOrder) -> None:
    """Write one order's fields for people."""
    from breakwall.terminal.output import write_fields

    write_fields(order_fields(order))


def order_fields(order: StoredOrder) -> dict[str, str]:
    """One order's fields for people, as Rich markup."""
    from breakwall.currencies import show_money
    from breakwall.terminal.output import plain
    from breakwall.terminal.words import moment, state

    cancelling = ", to be cancelled" if order.cancel_requested and order.status != "cancelled" else ""
    fields = {
        "order": order.id,
        "key": plain(order.idempotency_key),
        "sent as": plain(order.charge_key),
        "amount": f"{show_money(order.amount, order.currency)} from {plain(order.user_id)}",
        "status": state(order.status.value) + cancelling,
        "charge": plain(order.charge_id or "-"),
        "retries": f"{order.retry_count} by the worker; put off {order.deferral_count} times",
        "next attempt": moment(order.next_attempt_at),
        "last error": plain(order.last_error or "-"),
        "accepted": moment(order.created_at),
        "settled": moment(order.settled_at),
    }
    if order.suspected_at is not None:
        fields["suspected"] = f"since {moment(order.suspected_at)}: looked up before anything is sent"
    return fields


def _write_list(found: list[StoredOrder]) -> None:
    from breakwall.currencies import show_money
    from breakwall.terminal.output import plain, write_table
    from breakwall.terminal.words import moment, state

    if not found:
        typer.echo("There is no such order.", err=True)
        return
    rows = [
        (
            order.id,
            plain(order.idempotency_key),
            show_money(order.amount, order.currency),
            state(order.status.value),
            str(order.retry_count),
            moment(order.created_at),
        )
        for order in found
    ]
    heads = ("order", "key", "amount", "status", "retries", "accepted")
    write_table(heads, rows, right=("amount", "retries"))
