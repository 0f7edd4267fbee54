"""Counts the waiting orders and what belongs to them: by currency, by retries, by their next attempt, and the drain."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    Subquery,
    and_,
    func,
    literal,
    literal_column,
    or_,
    select,
)

from breakwall.monitor.order_counts import DRAIN_WINDOW, STALLED_AFTER, Rejected
from breakwall.monitor.retry_shape import (
    DUE_NOW,
    due_bucket,
    next_retries,
    retry_bucket,
    retry_histogram,
    summed,
)
from breakwall.payments.db.clock import Clock, seconds_between
from breakwall.payments.db.query_hints import likely, once
from breakwall.payments.db.schema import IN_FLIGHT, QUEUED, orders
from breakwall.payments.ledger.attempt_conditions import ORDER_REJECTED


def count_waiting(connection: Connection, clock: Clock, limit: int | None) -> dict[str, Any]:
    """The fields of `OrderCounts` about waiting orders, of the first ``limit`` of them, or of all (None).

    ``money`` has the states that are counted here.
    """
    now: datetime = connection.execute(select(clock.after(0))).scalar_one()
    waiting = _WaitingCounts(connection.execute(_grouped(clock, limit)).all())
    drained = connection.execute(_drained(clock)).one()
    claimed = connection.execute(_CLAIMED).all()
    due_for = seconds_between(waiting.next_due, now)
    return {
        "at": now,
        "queued": waiting.queued,
        "due": waiting.due,
        "amounts": waiting.amounts,
        "rejected": Rejected(waiting.rejected, waiting.rejection),
        "money": {
            "queued": waiting.amounts,
            "in_flight": {row.currency: int(row.amount) for row in claimed},
        },
        "retry_histogram": retry_histogram(waiting.by_retries),
        "next_retries": next_retries(waiting.by_next_attempt),
        "in_flight": sum(row.number for row in claimed),
        "abandoned": connection.scalar(_abandoned(clock)) or 0,
        "oldest_age_seconds": seconds_between(connection.scalar(_OLDEST), now),
        "oldest_due_age_seconds": due_for,
        "next_due_seconds": None if waiting.next_due is None else seconds_between(now, waiting.next_due),
        "drained_last_minute": drained.number,
        "last_due": seconds_between(now, waiting.last_due),
        "span": seconds_between(drained.first, now),
        "stalled": due_for >= STALLED_AFTER and connection.scalar(_completed(clock)) is None,
    }


class _WaitingCounts:
    """The sums over the rows, of which each has the orders of one currency and one bucket of each kind."""

    def __init__(self, rows: Sequence[Row[Any]]) -> None:
        self.queued = sum(row.queued for row in rows)
        self.rejected = sum(row.rejected for row in rows)
        amounts = summed((row.currency, int(row.amount)) for row in rows)
        self.amounts = dict(sorted(amounts.items()))
        self.next_due = min((row.next_due for row in rows), default=None)
        self.last_due = max((row.last_due for row in rows), default=None)
        self.rejection = max((row.rejection for row in rows if row.rejection), default=None)
        self.by_retries = summed((row.retries, row.queued) for row in rows)
        self.by_next_attempt = summed((row.next_attempt, row.queued) for row in rows)
        self.due = self.by_next_attempt.get(DUE_NOW, 0)


# A literal, not a parameter, so that the planner finds the partial index of claims.
_CLAIMED = (
    select(orders.c.currency, func.count().label("number"), func.sum(orders.c.amount).label("amount"))
    .where(orders.c.status == IN_FLIGHT)
    .group_by(orders.c.currency)
)

# The index of states and times gives it without a count.
_OLDEST = select(func.min(orders.c.created_at)).where(orders.c.status == QUEUED)


def _grouped(clock: Clock, limit: int | None) -> Select[Any]:
    waiting = _waiting(clock, limit)
    groups = (waiting.c.currency, waiting.c.retries, waiting.c.next_attempt)
    return select(
        *groups,
        func.count().label("queued"),
        func.sum(waiting.c.amount).label("amount"),
        func.min(waiting.c.next_attempt_at).label("next_due"),
        func.max(waiting.c.next_attempt_at).label("last_due"),
        func.count().filter(waiting.c.is_rejected).label("rejected"),
        func.max(waiting.c.last_error).filter(waiting.c.is_rejected).label("rejection"),
    ).group_by(*groups)


def _waiting(clock: Clock, limit: int | None) -> Subquery:
    """All waiting orders, or those of the first ``limit`` that are dispatched next."""
    all_of_them = select(
        *(orders.c.currency, orders.c.amount, orders.c.next_attempt_at, orders.c.last_error),
        ORDER_REJECTED.label("is_rejected"),
        retry_bucket().label("retries"),
        due_bucket(clock).label("next_attempt"),
    )
    if limit is None:
        return all_of_them.where(orders.c.status == QUEUED).subquery()
    first = all_of_them.where(likely(orders.c.status == QUEUED)).order_by(orders.c.dispatch_at)
    return first.limit(limit).subquery()


def _abandoned(clock: Clock) -> Select[int]:
    expired = orders.c.lease_until <= once(clock.after(0))
    return select(func.count()).select_from(orders).where(orders.c.status == IN_FLIGHT, expired)


def _drained(clock: Clock) -> Select[int, Any]:
    drained = select(func.count().label("number"), func.min(orders.c.settled_at).label("first"))
    return drained.where(_finished_since(clock, DRAIN_WINDOW))


def _completed(clock: Clock) -> Select[int]:
    """The newest order that had waited and was finished within `STALLED_AFTER`.

    With an order it is found by the index. For a bare EXISTS PostgreSQL has read the whole table: it expected to meet
    such an order soon.
    """
    newest = orders.c.settled_at.desc()
    return select(literal(1)).where(_finished_since(clock, STALLED_AFTER)).order_by(newest).limit(1)


def _finished_since(clock: Clock, seconds: float) -> ColumnElement[bool]:
    """An order had waited and was finished, but not cancelled, in the last ``seconds``.

    With an upper end, too, PostgreSQL expects few rows; without it, a third of the table.
    """
    return and_(
        orders.c.settled_at.between(once(clock.after(-seconds)), once(clock.after(seconds))),
        orders.c.status != literal_column("'cancelled'"),
        or_(orders.c.retry_count > 0, orders.c.deferral_count > 0),
    )
