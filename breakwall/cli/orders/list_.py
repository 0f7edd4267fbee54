"""`breakwall orders list`."""

from typing import Annotated

import typer

from breakwall.cli.orders_database import orders_database
from breakwall.currencies import show_money
from breakwall.json_documents import order_document
from breakwall.payments.orders import OrderStatus, StoredOrder
from breakwall.terminal.options import Format, OutputOption
from breakwall.terminal.output import plain, write_list
from breakwall.terminal.words import moment, state

HEADS = ("order", "key", "amount", "status", "retries", "accepted")


def list_orders(
    status: Annotated[OrderStatus | None, typer.Option(help="Only orders with this status.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, metavar="N", help="How many at most.")] = 50,
    output: OutputOption = Format.TEXT,
) -> None:
    """List the newest orders, newest first."""
    from breakwall.payments.ledger import queries

    with orders_database() as (database, _):
        found = queries.list_orders(database, status=status, limit=limit + 1)
    if output is Format.TEXT and not found:
        typer.echo("No order matches.", err=True)
        return
    write_list(output, found, limit, order_document, HEADS, _row, right=("amount", "retries"))


def _row(order: StoredOrder) -> tuple[str, ...]:
    return (
        order.id,
        plain(order.idempotency_key),
        show_money(order.amount, order.currency),
        state(order.status.value),
        str(order.retry_count),
        moment(order.created_at),
    )
