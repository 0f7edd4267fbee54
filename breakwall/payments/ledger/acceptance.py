"""Taking orders in: each idempotency key once, whoever brings it and however often.

A key is known by its order, or by what is left of that once it was pruned. An order is inserted first, and then the
pruned ones are looked at, in a statement of its own: whoever prunes the key meanwhile is waited for by the insert, and
what they have written is seen after it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, delete, insert, literal, select
from sqlalchemy.dialects import postgresql, sqlite

from breakwall.payments.db.clock import Clock
from breakwall.payments.db.database import DatabaseUnavailableError
from breakwall.payments.db.schema import attempts, orders
from breakwall.payments.keys import derive_charge_key, derive_order_id
from breakwall.payments.ledger.claims import Attempt, Claim
from breakwall.payments.ledger.pruned import PrunedOrder, pruned_by_key, was_not_pruned
from breakwall.payments.ledger.queries import orders_by_key
from breakwall.payments.orders import Order, StoredOrder


@dataclass(frozen=True, slots=True)
class Accepted:
    """What became of a batch, by idempotency key: the ids of new orders, and orders that were known."""

    new: dict[str, str]
    known: dict[str, StoredOrder | PrunedOrder]


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


def insert_first_attempt(
    connection: Connection, clock: Clock, claim: Claim, idempotency_key: str
) -> Attempt | None:
    """Write the first attempt of an order that was just inserted. None: its key is a pruned order's.

    One statement for both, so that this costs a `place` nothing.
    """
    row = {
        "order_id": claim.order_id,
        "number": 1,
        "source": "producer",
        "fence": claim.fence,
        "gateway_key": claim.request.idempotency_key,
    }
    values = [literal(value, attempts.c[name].type).label(name) for name, value in row.items()]
    new = select(*values, clock.after(0).label("started_at")).where(
        was_not_pruned(connection, idempotency_key)
    )
    written = insert(attempts).from_select([*row, "started_at"], new).returning(attempts.c.number)
    return None if connection.scalar(written) is None else Attempt(claim, 1)


def take_back_pruned(connection: Connection, new: dict[str, str]) -> None:
    """Of orders that were just inserted, ids by key, take those out again whose keys are pruned orders'."""
    pruned = [new.pop(key) for key in pruned_by_key(connection, list(new))]
    if pruned:
        connection.execute(delete(orders).where(orders.c.id.in_(pruned)))


def known_orders(connection: Connection, batch: Sequence[Order]) -> dict[str, StoredOrder | PrunedOrder]:
    """The orders of a batch whose keys are known, by key.

    Raises:
        DatabaseUnavailableError: a key was pruned, and is being forgotten in this moment.
        IdempotencyConflictError: a key belongs to another order.
    """
    found = known_by_key(connection, [order.idempotency_key for order in batch])
    for order in batch:
        known = found.get(order.idempotency_key)
        if known is None:
            raise DatabaseUnavailableError(_BEING_FORGOTTEN)
        known.check_same_as(order)
    return found


_BEING_FORGOTTEN = (
    "an idempotency key is being forgotten in this moment; nothing was accepted. Doing the same again, with the same "
    "key, is safe"
)


def known_by_key(connection: Connection, keys: Sequence[str]) -> dict[str, StoredOrder | PrunedOrder]:
    """The orders that have one of these keys, or had it when they were pruned."""
    # In this sequence: one that is pruned in between is found by the second look.
    stored = orders_by_key(connection, keys)
    return {**pruned_by_key(connection, [key for key in keys if key not in stored]), **stored}
