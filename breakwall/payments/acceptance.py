"""Taking orders in: each idempotency key once, whoever brings it and however often."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.dialects import postgresql, sqlite

from breakwall.payments.keys import derive_charge_key, derive_order_id
from breakwall.payments.orders import Order, StoredOrder
from breakwall.payments.queries import orders_by_key
from breakwall.payments.schema import orders


@dataclass(frozen=True, slots=True)
class Accepted:
    """What became of a batch, by idempotency key: the ids of new orders, and orders that were known."""

    new: dict[str, str]
    known: dict[str, StoredOrder]


def new_row(order: Order, site: str, *, as_it_is: bool) -> dict[str, Any]:
    """The columns that an order brings, with its id and the key that it travels under.

    Args:
        as_it_is: the caller's own key travels.
    """
    key = order.idempotency_key
    order_id = derive_order_id(site, key)
    return {
        "id": order_id,
        "idempotency_key": key,
        "user_id": order.user_id,
        "amount": order.amount,
        "currency": order.currency,
        "charge_key": key if as_it_is else derive_charge_key(order_id),
    }


def insert_unless_known(
    connection: Connection, rows: Sequence[dict[str, Any]], shared: dict[str, Any]
) -> dict[str, str]:
    """Insert the orders whose key is new; returns their ids by key. ``shared``: columns alike in all rows.

    Apart, because a statement that holds its rows is compiled anew each time, at ten times the cost.
    """
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    statement = (
        # Of any column: where the key is known, so is the id that is derived from it.
        dialect.insert(orders).on_conflict_do_nothing().returning(orders.c.idempotency_key, orders.c.id)
    )
    return {row.idempotency_key: row.id for row in connection.execute(statement.values(shared), rows)}


def known_orders(connection: Connection, batch: Sequence[Order]) -> dict[str, StoredOrder]:
    """The stored orders of a batch whose keys are all known, by key.

    Raises:
        IdempotencyConflictError: a key belongs to another order.
    """
    found = orders_by_key(connection, [order.idempotency_key for order in batch])
    for order in batch:
        found[order.idempotency_key].check_same_as(order)
    return found
