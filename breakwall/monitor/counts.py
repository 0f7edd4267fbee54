"""What a snapshot of the backlog counts in the database. No statement here reads the finished orders."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, exists, func, literal_column, or_, select

from breakwall.payments.db.clock import Clock
from breakwall.payments.db.query_hints import once
from breakwall.payments.db.schema import IN_FLIGHT, QUEUED, orders
from breakwall.payments.fleet.workers import Worker, known_workers
from breakwall.payments.ledger.attempt_conditions import ORDER_REJECTED
from breakwall.payments.operator.incidents import count_open

DRAIN_WINDOW = 60.0
"""Seconds of completions that the drain's speed is judged by: long enough to be steady, short enough that
the first minute after an outage is not judged by the outage."""

STILL = 300.0
"""Seconds for which an order is due, and none of those that waited is completed, until that is an alarm."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """Waiting orders that need other settings: the payment service rejected them when they were last tried.

    Attributes:
        orders: how many.
        example: what was answered to one of them, with what to look at; None without any.
    """

    orders: int = 0
    example: str | None = None


@dataclass(frozen=True, slots=True)
class Counts:
    """Numbers of orders, durations in seconds.

    Attributes:
        at: the database's time.
        others: in flight, in review and dead, by state; without those that there are none of.
        abandoned: of those in flight, the ones whose claim has run out.
        next_due: until the next waiting order is due; 0.0 when one is, None while none waits.
        due_for: for how long the longest due order has been that; 0.0 while none is.
        drained, span: orders that had waited and were settled within `DRAIN_WINDOW`, and since the first of them.
        still: none of them was for `STILL`, while one was due all that time.
        fleet: the workers; None where nobody can tell.
    """

    at: datetime
    queued: int
    due: int
    others: dict[str, int]
    abandoned: int
    oldest_age: float
    next_due: float | None
    due_for: float
    last_due: float
    drained: int
    span: float
    still: bool
    incidents: int
    rejected: Rejected
    fleet: list[Worker] | None


def count(connection: Connection, clock: Clock) -> Counts:
    """Count everything, within a running transaction."""
    waiting = connection.execute(_waiting(clock)).one()
    drained = connection.execute(_drained(clock)).one()
    due_for = _seconds(waiting.next_due, waiting.now)
    return Counts(
        at=waiting.now,
        queued=waiting.queued,
        due=waiting.due,
        others={row.status: row.number for row in connection.execute(_OTHERS)},
        abandoned=connection.scalar(_abandoned(clock)) or 0,
        oldest_age=_seconds(waiting.oldest, waiting.now),
        next_due=None if waiting.next_due is None else _seconds(waiting.now, waiting.next_due),
        due_for=due_for,
        last_due=_seconds(waiting.now, waiting.last_due),
        drained=drained.number,
        span=_seconds(drained.first, waiting.now),
        still=due_for >= STILL and not connection.scalar(select(_completed(clock))),
        incidents=count_open(connection),
        rejected=Rejected(waiting.rejected, waiting.rejection),
        fleet=known_workers(connection, clock),
    )


# Literals, not parameters, so that a planner sees which partial index serves. Finished orders, of which
# there may be millions, are in none of these conditions.
_OTHERS = (
    select(orders.c.status, func.count().label("number"))
    .where(orders.c.status.in_([literal_column(f"'{name}'") for name in ("in_flight", "review", "dead")]))
    .group_by(orders.c.status)
)

_NOT_CANCELLED = orders.c.status != literal_column("'cancelled'")
_HAD_WAITED = or_(orders.c.retry_count > 0, orders.c.deferral_count > 0)


def _waiting(clock: Clock) -> Select[datetime, int, int, Any, Any, Any, int, Any]:
    now = clock.after(0)
    return select(
        now.label("now"),
        func.count().label("queued"),
        func.count().filter(orders.c.next_attempt_at <= now).label("due"),
        func.min(orders.c.created_at).label("oldest"),
        func.min(orders.c.next_attempt_at).label("next_due"),
        func.max(orders.c.next_attempt_at).label("last_due"),
        # In the same pass: for a million rejected orders some tenths of a second more, for others less.
        func.count().filter(ORDER_REJECTED).label("rejected"),
        func.max(orders.c.last_error).filter(ORDER_REJECTED).label("rejection"),
    ).where(orders.c.status == QUEUED)


def _abandoned(clock: Clock) -> Select[int]:
    expired = orders.c.lease_until <= once(clock.after(0))
    return select(func.count()).select_from(orders).where(orders.c.status == IN_FLIGHT, expired)


def _drained(clock: Clock) -> Select[int, Any]:
    return select(func.count().label("number"), func.min(orders.c.settled_at).label("first")).where(
        orders.c.settled_at >= once(clock.after(-DRAIN_WINDOW)), _NOT_CANCELLED, _HAD_WAITED
    )


def _completed(clock: Clock) -> ColumnElement[bool]:
    """Whether an order that had waited was settled within `STILL`."""
    return exists().where(orders.c.settled_at >= once(clock.after(-STILL)), _NOT_CANCELLED, _HAD_WAITED)


def _seconds(since: datetime | None, until: datetime | None) -> float:
    """From one moment to the next; 0.0 for one that is not there or has passed."""
    return 0.0 if since is None or until is None else max(0.0, (until - since).total_seconds())
