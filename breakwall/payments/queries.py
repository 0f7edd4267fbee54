"""Reading orders, for the callers, the command line and the monitor. Nothing here changes anything."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, exists, or_, select

from breakwall.payments.database import Database
from breakwall.payments.gateways.base import Outcome
from breakwall.payments.keys import order_id_within
from breakwall.payments.orders import OrderStatus, StoredAttempt, StoredOrder
from breakwall.payments.schema import attempts, orders

_ORDER_COLUMNS = [orders.c[name] for name in StoredOrder.__dataclass_fields__]
_ATTEMPT_COLUMNS = [attempts.c[name] for name in StoredAttempt.__dataclass_fields__]


class OrderNotFoundError(LookupError):
    """No order has this id or idempotency key."""


def get_order(database: Database, name: str) -> StoredOrder:
    """Find an order by its id, by its caller's key, or by a key that it travels under.

    Raises:
        OrderNotFoundError: there is none.
    """
    # A text that no driver can encode is no order's name.
    found = database.read(lambda connection: _find(connection, name)) if name.isprintable() else None
    if found is None:
        raise OrderNotFoundError(f"no order has the id or the idempotency key {name!r}")
    return found


def list_orders(
    database: Database, *, status: OrderStatus | None = None, limit: int = 50
) -> list[StoredOrder]:
    """The newest orders, newest first, optionally those in one state."""
    newest = select(*_ORDER_COLUMNS).order_by(orders.c.created_at.desc(), orders.c.id).limit(limit)
    # The index leads with the state. A walk along it for each of them beats sorting all orders there are.
    states = OrderStatus if status is None else [status]

    def work(connection: Connection) -> list[StoredOrder]:
        walks = [connection.execute(newest.where(orders.c.status == state)) for state in states]
        found = sorted((_order(row) for walk in walks for row in walk), key=lambda order: order.id)
        return sorted(found, key=lambda order: order.created_at, reverse=True)[:limit]

    return database.read(work)


def list_attempts(database: Database, order_id: str) -> list[StoredAttempt]:
    """An order's attempts, first to last."""
    wanted = select(*_ATTEMPT_COLUMNS).where(attempts.c.order_id == order_id).order_by(attempts.c.number)
    return database.read(lambda connection: [_attempt(row) for row in connection.execute(wanted)])


def orders_by_key(connection: Connection, keys: Sequence[str]) -> dict[str, StoredOrder]:
    """The orders that have one of these idempotency keys, by key, within a running transaction."""
    wanted = select(*_ORDER_COLUMNS).where(orders.c.idempotency_key.in_(keys))
    return {row.idempotency_key: _order(row) for row in connection.execute(wanted)}


def stored_order(connection: Connection, which: ColumnElement[bool]) -> StoredOrder:
    """The one order that ``which`` selects, within a running transaction."""
    return _order(connection.execute(select(*_ORDER_COLUMNS).where(which)).one())


def _find(connection: Connection, name: str) -> StoredOrder | None:
    for condition in (orders.c.id == name, orders.c.idempotency_key == name, travels_as(name)):
        row = connection.execute(select(*_ORDER_COLUMNS).where(condition)).one_or_none()
        if row is not None:
            return _order(row)
    return None


def travels_as(key: str) -> ColumnElement[bool]:
    """The condition that an order was sent, or is to be, under a key that was made for it."""
    sent = exists().where(attempts.c.order_id == orders.c.id, attempts.c.gateway_key == key)
    return and_(orders.c.id == (order_id_within(key) or ""), or_(orders.c.charge_key == key, sent))


def _order(row: Row[Any]) -> StoredOrder:
    values = dict(row._mapping)
    return StoredOrder(**{**values, "status": OrderStatus(row.status)})


def _attempt(row: Row[Any]) -> StoredAttempt:
    values = dict(row._mapping)
    return StoredAttempt(**{**values, "outcome": row.outcome and Outcome(row.outcome)})
