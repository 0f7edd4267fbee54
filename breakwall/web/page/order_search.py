"""Finds orders for the page's list: newest first, page after page, by their state and currency."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, and_, or_, select

from breakwall.payments.db.database import Database
from breakwall.payments.db.schema import orders
from breakwall.payments.orders import OrderStatus
from breakwall.web.page.cursor import Cursor

PAGE = 50  # Orders on one page.

_COLUMNS = [
    orders.c[name]
    for name in (
        "id",
        "idempotency_key",
        "user_id",
        "amount",
        "currency",
        "status",
        "retry_count",
        "deferral_count",
        "next_attempt_at",
        "created_at",
        "last_error",
    )
]


@dataclass(frozen=True, slots=True)
class FoundOrder:
    """An order as a row of the list. Times are aware, in UTC."""

    id: str
    idempotency_key: str
    user_id: str
    amount: int
    currency: str
    status: OrderStatus
    retry_count: int
    deferral_count: int
    next_attempt_at: datetime | None
    created_at: datetime
    last_error: str | None


@dataclass(frozen=True, slots=True)
class FoundOrders:
    """A page of orders. ``following``: where the next page begins; None: there is none."""

    orders: Sequence[FoundOrder]
    following: Cursor | None


def find_orders(
    database: Database,
    *,
    states: Sequence[OrderStatus] = (),
    currency: str | None = None,
    after: Cursor | None = None,
    limit: int = PAGE,
) -> FoundOrders:
    """The newest orders in these states (none: in all), after a place in the list."""

    def work(connection: Connection) -> list[FoundOrder]:
        # The index leads with the state. One query for each state is faster than sorting all orders.
        found: list[FoundOrder] = []
        for state in states or tuple(OrderStatus):
            rows = connection.execute(_in_state(state, currency, after).limit(limit + 1))
            found += map(_found, rows)
        found.sort(key=lambda one: one.id)
        return sorted(found, key=lambda one: one.created_at, reverse=True)

    found = database.read(work)
    shown = found[:limit]
    last = Cursor(shown[-1].created_at, shown[-1].id) if len(found) > limit else None
    return FoundOrders(shown, last)


def _in_state(state: OrderStatus, currency: str | None, after: Cursor | None) -> Select[Any]:
    wanted = select(*_COLUMNS).where(orders.c.status == state)
    if currency is not None:
        wanted = wanted.where(orders.c.currency == currency)
    if after is not None:
        at, last = after.created_at, after.id
        behind = or_(orders.c.created_at < at, and_(orders.c.created_at == at, orders.c.id > last))
        # The first condition alone tells the planner where to begin in the index.
        wanted = wanted.where(orders.c.created_at <= at, behind)
    return wanted.order_by(orders.c.created_at.desc(), orders.c.id)


def _found(row: Row[Any]) -> FoundOrder:
    return FoundOrder(**{**row._mapping, "status": OrderStatus(row.status)})
