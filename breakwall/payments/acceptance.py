"""Taking orders in: each idempotency key once, whoever brings it and however often."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.dialects import postgresql, sqlite

from breakwall.payments.orders import Order, StoredOrder
from breakwall.payments.queries import orders_by_key
from breakwall.payments.schema import orders


@dataclass(frozen=True, slots=True)
class Accepted:
    """What became of a batch, by idempotency key: the ids of new orders, and orders that were known."""

    new: dict[str, str]
    known: dict[str, StoredOrder]


def new_row(order: Order) -> dict[str, Any]:
    """The columns that an order brings, with an id of its own."""
    return {
        "id": uuid.uuid4().hex,
        "idempotency_key": order.idempotency_key,
        "user_id": order.user_id,
        "amount": order.amount,
        "currency": order.currency,
        "charge_key": order.idempotency_key,
    }


def insert_unless_known(
    connection: Connection, rows: Sequence[dict[str, Any]], shared: dict[str, Any]
) -> dict[str, str]:
    """Insert the orders whose key is new; returns their ids by key. ``shared``: columns alike in all rows.

    Apart, because a statement that holds its rows is compiled anew each time, at ten times the cost.
    """
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    statement = (
        dialect.insert(orders)
        .on_conflict_do_nothing(index_elements=[orders.c.idempotency_key])
        .returning(orders.c.idempotency_key, orders.c.id)
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
