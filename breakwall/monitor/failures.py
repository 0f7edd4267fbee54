"""Why attempts failed, by kind: of the waiting orders and of those that ended lately, from a bounded number of rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, literal_column, select, union_all

from breakwall.payments.db.clock import Clock
from breakwall.payments.db.query_hints import likely, once
from breakwall.payments.db.schema import QUEUED, attempts, orders
from breakwall.payments.gateways.base import Outcome
from breakwall.texts import visible

LOOKED_AT = 100  # Orders of each kind that are looked at: oldest, next, newest, lately ended.
LATELY = 900.0  # Seconds since an order ended, for its last attempt to count.
MOST_GROUPS = 10
LONGEST_DETAIL = 200  # Characters.


@dataclass(frozen=True, slots=True)
class FailureGroup:
    """The last attempts of some orders failed in the same way.

    Attributes:
        outcome: of the attempts, such as ``failed`` or ``unknown``.
        code: what the answer was, such as ``http_500``; None if nothing more is known.
        orders: how many of the orders that were looked at; with many orders a lower bound.
        last_seen: when the newest of the attempts ended; aware, in UTC.
        sample: the id of the order with that attempt.
        detail: what its answer said, without control characters, at most `LONGEST_DETAIL` characters.
    """

    outcome: str
    code: str | None
    orders: int
    last_seen: datetime
    sample: str
    detail: str | None


def find_failures(connection: Connection, clock: Clock) -> tuple[FailureGroup, ...]:
    """The kinds of failures, that with the most orders first; at most `MOST_GROUPS`."""
    last = {row.id: row.attempt_count for row in connection.execute(_looked_at(clock))}
    groups: dict[tuple[str, str | None], list[Row[Any]]] = {}
    if last:
        for row in connection.execute(_failed(list(last))):
            if row.number == last[row.order_id]:
                groups.setdefault((row.outcome, row.code), []).append(row)
    found = [_group(rows) for rows in groups.values()]
    return tuple(sorted(found, key=lambda group: (-group.orders, group.outcome, group.code or "")))[
        :MOST_GROUPS
    ]


def _group(rows: Sequence[Row[Any]]) -> FailureGroup:
    newest = max(rows, key=lambda row: row.finished_at)
    detail = None if newest.detail is None else visible(newest.detail)[:LONGEST_DETAIL]
    return FailureGroup(newest.outcome, newest.code, len(rows), newest.finished_at, newest.order_id, detail)


def _looked_at(clock: Clock) -> Any:
    """Orders that were tried. The oldest waiting ones began the outage; the newest were tried last."""
    kinds = (_oldest(), _next(), _newest(), _ended(clock))
    return union_all(
        *(select(each.c.id, each.c.attempt_count).where(each.c.attempt_count > 0) for each in kinds)
    )


def _failed(order_ids: list[str]) -> Select[Any]:
    """Their failed attempts. With a join, PostgreSQL would read all attempts."""
    columns = (
        attempts.c[name] for name in ("order_id", "number", "outcome", "code", "detail", "finished_at")
    )
    failed = attempts.c.outcome.is_not(None), attempts.c.outcome != Outcome.SUCCEEDED.value
    return select(*columns).where(attempts.c.order_id.in_(order_ids), *failed)


_WAITING = select(orders.c.id, orders.c.attempt_count).where(orders.c.status == QUEUED).limit(LOOKED_AT)


def _oldest() -> Any:
    return _WAITING.order_by(orders.c.created_at).subquery()


def _newest() -> Any:
    return _WAITING.order_by(orders.c.created_at.desc()).subquery()


def _next() -> Any:
    waiting = select(orders.c.id, orders.c.attempt_count).where(likely(orders.c.status == QUEUED))
    return waiting.order_by(orders.c.dispatch_at).limit(LOOKED_AT).subquery()


def _ended(clock: Clock) -> Any:
    lately = orders.c.settled_at.between(once(clock.after(-LATELY)), once(clock.after(LATELY)))
    last = select(orders.c.id, orders.c.attempt_count, orders.c.status).where(lately)
    newest = last.order_by(orders.c.settled_at.desc()).limit(LOOKED_AT).subquery()
    unpaid = newest.c.status != literal_column("'paid'")
    return select(newest.c.id, newest.c.attempt_count).where(unpaid).subquery()
