"""What a snapshot of the backlog counts in the database. No statement here reads all finished orders."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, exists, func, literal_column, or_, select

from breakwall.payments.db.clock import Clock, seconds_between
from breakwall.payments.db.query_hints import once
from breakwall.payments.db.schema import IN_FLIGHT, QUEUED, orders
from breakwall.payments.fleet.workers import Worker, known_workers
from breakwall.payments.ledger.attempt_conditions import ORDER_REJECTED
from breakwall.payments.operator.incidents import count_open

# Seconds of completions that the drain's speed is computed from: long enough to be steady, short enough to
# forget an outage after its first minute.
DRAIN_WINDOW = 60.0

# Seconds for which an order is due and no waiting order is completed, until that is an alarm.
STALLED_AFTER = 300.0


@dataclass(frozen=True, slots=True)
class Rejected:
    """Waiting orders that need other settings: the payment service rejected their last attempt.

    Attributes:
        orders: how many.
        example: the answer to one of them, with what to look at; None without any.
    """

    orders: int = 0
    example: str | None = None


NONE_REJECTED = Rejected()


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderCounts:
    """Everything that is not finished. Durations are seconds, the others numbers of orders.

    Attributes:
        at: when they were counted, by the database's clock; aware, in UTC.
        queued: waiting for the worker, whether due or not.
        due: of those, the ones whose next attempt is due now.
        rejected: those of ``queued`` that wait for an operator to correct the settings.
        in_flight: claimed: being charged right now, or by a process that died and whose claim runs out.
        abandoned: of those in flight, the ones whose claim has run out; a worker takes them back.
        review: their outcome needs a person.
        dead: their retries are exhausted, and no attempt of them was in doubt.
        oldest_age_seconds: since the oldest waiting order was accepted; 0.0 while none waits.
        oldest_due_age_seconds: for how long the longest due order has been due; 0.0 while none is.
        next_due_seconds: until the next waiting order is due; 0.0 when one is, None while none waits.
        drained_last_minute: orders that had waited and were finished within `DRAIN_WINDOW`.
        incidents: open ones: charges that a person has to look at.
    """

    at: datetime
    queued: int
    due: int
    rejected: Rejected = NONE_REJECTED
    in_flight: int = 0
    abandoned: int = 0
    review: int = 0
    dead: int = 0
    oldest_age_seconds: float
    oldest_due_age_seconds: float = 0.0
    next_due_seconds: float | None
    drained_last_minute: int
    incidents: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts(OrderCounts):
    """The same, with what the drain's speed and the alarms are computed from.

    Attributes:
        last_due: seconds until the last waiting order is due.
        span: seconds since the first order of ``drained_last_minute`` was finished.
        stalled: none was completed for `STALLED_AFTER`, while one was due all that time.
        fleet: the workers; None where the database keeps no heartbeats yet.
    """

    last_due: float
    span: float
    stalled: bool
    fleet: list[Worker] | None


def count(connection: Connection, clock: Clock) -> Counts:
    """Count everything, within a running transaction."""
    waiting = connection.execute(_waiting(clock)).one()
    drained = connection.execute(_drained(clock)).one()
    due_for = seconds_between(waiting.next_due, waiting.now)
    return Counts(
        at=waiting.now,
        queued=waiting.queued,
        due=waiting.due,
        rejected=Rejected(waiting.rejected, waiting.rejection),
        # In flight, in review and dead: a state without orders keeps its 0.
        **{row.status: row.number for row in connection.execute(_OTHERS)},
        abandoned=connection.scalar(_abandoned(clock)) or 0,
        oldest_age_seconds=seconds_between(waiting.oldest, waiting.now),
        oldest_due_age_seconds=due_for,
        next_due_seconds=None if waiting.next_due is None else seconds_between(waiting.now, waiting.next_due),
        drained_last_minute=drained.number,
        incidents=count_open(connection),
        last_due=seconds_between(waiting.now, waiting.last_due),
        span=seconds_between(drained.first, waiting.now),
        stalled=due_for >= STALLED_AFTER and not connection.scalar(select(_completed(clock))),
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
    """Whether an order that had waited was finished within `STALLED_AFTER`."""
    return exists().where(
        orders.c.settled_at >= once(clock.after(-STALLED_AFTER)), _NOT_CANCELLED, _HAD_WAITED
    )
