"""The numbers that a snapshot reads from the database. No statement here reads all finished orders."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, exists, func, literal_column, or_, select

from breakwall.payments.db.clock import Clock, seconds_between
from breakwall.payments.db.query_hints import once
from breakwall.payments.db.schema import IN_FLIGHT, QUEUED, orders
from breakwall.payments.fleet.workers import Worker, known_workers
from breakwall.payments.ledger.attempt_conditions import ORDER_REJECTED
from breakwall.payments.operator.incidents import count_open

# Seconds of finished orders that give the drain's speed: long enough to be steady, short enough to forget an
# outage one minute after its end.
DRAIN_WINDOW = 60.0
STALLED_AFTER = (
    300.0  # Seconds for which an order is due and no waiting order is finished, before that is an alarm.
)


@dataclass(frozen=True, slots=True)
class Rejected:
    """Waiting orders that need other settings: the payment service rejected their last attempt."""

    orders: int = 0
    example: str | None = None  # The answer to one of them, with the settings to check; None without any.


NONE_REJECTED = Rejected()


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderCounts:
    """All unfinished orders in numbers."""

    at: datetime  # When they were counted, by the database's clock; aware, in UTC.
    queued: int  # They wait for a worker, due or not.
    due: int  # Those of ``queued`` whose next attempt is due now.
    rejected: Rejected = NONE_REJECTED  # Those of ``queued`` that wait for a person to correct the settings.
    in_flight: int = 0  # A process has claimed them: it charges them now, or has died.
    abandoned: int = 0  # Those of ``in_flight`` with an expired claim; a worker takes them back.
    review: int = 0  # A person has to find out whether they were charged.
    dead: int = 0  # Their retries are exhausted, and none of their attempts is unresolved.
    oldest_age_seconds: float  # Since the oldest waiting order was accepted; 0.0 if none waits.
    oldest_due_age_seconds: float = 0.0  # Since the first of the due orders was due; 0.0 if none is.
    next_due_seconds: float | None  # Until the next waiting order is due; 0.0 if one is, None if none waits.
    drained_last_minute: int  # Orders that had waited and were finished within `DRAIN_WINDOW`.
    incidents: int  # The open ones.


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts(OrderCounts):
    """The same, with what the drain's speed and the alarms are computed from."""

    last_due: float  # Seconds until the last waiting order is due.
    span: float  # Seconds since the first order of ``drained_last_minute`` was finished.
    stalled: bool  # An order was due for `STALLED_AFTER`, and no waiting order was finished in that time.
    fleet: list[Worker] | None  # None: the database has no heartbeats yet.


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
        # in_flight, review and dead: a state without orders keeps its 0.
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


# Literals, not parameters, so that the planner finds the right partial index. No condition includes finished
# orders: there may be millions.
_OTHERS = (
    select(orders.c.status, func.count().label("number"))
    .where(orders.c.status.in_([literal_column(f"'{name}'") for name in ("in_flight", "review", "dead")]))
    .group_by(orders.c.status)
)


def _waiting(clock: Clock) -> Select[datetime, int, int, Any, Any, Any, int, Any]:
    now = clock.after(0)
    return select(
        now.label("now"),
        func.count().label("queued"),
        func.count().filter(orders.c.next_attempt_at <= now).label("due"),
        func.min(orders.c.created_at).label("oldest"),
        func.min(orders.c.next_attempt_at).label("next_due"),
        func.max(orders.c.next_attempt_at).label("last_due"),
        # In the same pass: for a million rejected orders it takes some tenths of a second more.
        func.count().filter(ORDER_REJECTED).label("rejected"),
        func.max(orders.c.last_error).filter(ORDER_REJECTED).label("rejection"),
    ).where(orders.c.status == QUEUED)


def _abandoned(clock: Clock) -> Select[int]:
    expired = orders.c.lease_until <= once(clock.after(0))
    return select(func.count()).select_from(orders).where(orders.c.status == IN_FLIGHT, expired)


def _drained(clock: Clock) -> Select[int, Any]:
    drained = select(func.count().label("number"), func.min(orders.c.settled_at).label("first"))
    return drained.where(_finished_since(clock, DRAIN_WINDOW))


def _completed(clock: Clock) -> ColumnElement[bool]:
    """Whether an order that had waited was finished within `STALLED_AFTER`."""
    return exists().where(_finished_since(clock, STALLED_AFTER))


def _finished_since(clock: Clock, seconds: float) -> ColumnElement[bool]:
    """An order had waited and was finished, but not cancelled, in the last ``seconds``."""
    return and_(
        orders.c.settled_at >= once(clock.after(-seconds)),
        orders.c.status != literal_column("'cancelled'"),
        or_(orders.c.retry_count > 0, orders.c.deferral_count > 0),
    )
