"""The numbers that a snapshot reads from the database. No statement here reads all finished orders.

Up to `LONG` waiting orders, all are counted for each snapshot. Above that, a snapshot takes the count that a worker
stored some seconds ago (`stored_counts`), because a count of a million orders takes tenths of a second.
"""

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime
from enum import StrEnum
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
    tuple_,
)

from breakwall.monitor.homeless import count_homeless
from breakwall.monitor.stored_counts import StoredCount, read_stored
from breakwall.payments.db.clock import Clock, seconds_between
from breakwall.payments.db.query_hints import likely, once
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

LONG = 100_000  # Waiting orders up to which each snapshot counts all of them.

# Above `LONG`, if no worker has counted: ``queued`` is counted for `COUNTING` seconds, `CHUNK` orders at a time. All
# other numbers are those of the first `SAMPLED` orders.
COUNTING = 0.07
CHUNK = 20_000
SAMPLED = 2_000


class Counted(StrEnum):
    """How the waiting orders of a snapshot were counted. The names are public."""

    NOW = "now"  # All of them, for this snapshot.
    STORED = "stored"  # All of them, by a worker some seconds ago.
    SAMPLED = "sampled"  # Their number; the rest is of the first `SAMPLED` of them, so it is a lower bound.
    AT_LEAST = "at_least"  # The same, and their number is a lower bound as well.

    @property
    def is_partial(self) -> bool:
        """Whether numbers of a snapshot are lower bounds."""
        return self in {Counted.SAMPLED, Counted.AT_LEAST}


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
    counted: Counted = Counted.NOW
    age_seconds: float = 0.0  # Since ``at``; more than 0.0 only for `Counted.STORED`.
    queued: int  # They wait for a worker, due or not.
    due: int  # Those of ``queued`` whose next attempt is due now.
    amounts: dict[str, int] = field(default_factory=dict)  # Of ``queued``: minor units by currency.
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

    @property
    def queued_text(self) -> str:
        """``queued`` as a number for people, with "at least" where it is a lower bound."""
        return f"{'at least ' if self.counted is Counted.AT_LEAST else ''}{self.queued:,}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts(OrderCounts):
    """The same, with what the drain's speed and the alarms are computed from."""

    last_due: float  # Seconds until the last waiting order is due.
    span: float  # Seconds since the first order of ``drained_last_minute`` was finished.
    stalled: bool  # An order was due for `STALLED_AFTER`, and no waiting order was finished in that time.
    fleet: list[Worker]
    # Due orders of gateways that no live worker has, by their names: at most `homeless.MOST` are counted.
    homeless: dict[str, int] = field(default_factory=dict)


def count(connection: Connection, clock: Clock, *, exact: int = 0) -> Counts:
    """Count within a running transaction, in a time that does not grow with the orders that wait.

    Without a count of a worker, ``queued`` is exact up to ``exact`` orders, and beyond that as far as `COUNTING`
    seconds suffice.
    """
    numbers = _stored(connection, clock) or _count_now(connection, clock, max(exact, LONG))
    fleet = known_workers(connection, clock)
    homeless = count_homeless(connection, clock, fleet)
    return Counts(**numbers, incidents=count_open(connection), fleet=fleet, homeless=homeless)


def is_long(connection: Connection) -> bool:
    """Whether more than `LONG` orders wait."""
    return connection.execute(_skip(None, LONG)).one_or_none() is not None


def count_all(connection: Connection, clock: Clock) -> StoredCount:
    """Count all, however long it takes, for `stored_counts.store`."""
    numbers = _numbers(connection, clock, None)
    at: datetime = numbers.pop("at")
    return StoredCount(at, 0.0, {**numbers, "rejected": asdict(numbers["rejected"])})


def _stored(connection: Connection, clock: Clock) -> dict[str, Any] | None:
    """The numbers that a worker of this version has stored; None without recent ones."""
    stored = read_stored(connection, clock)
    if stored is None or stored.numbers.keys() != _STORED:
        return None
    rejected = Rejected(**stored.numbers["rejected"])
    made = {"at": stored.at, "counted": Counted.STORED, "age_seconds": stored.age, "rejected": rejected}
    return {**stored.numbers, **made}


def _count_now(connection: Connection, clock: Clock, exact: int) -> dict[str, Any]:
    queued, is_all = _count_queued(connection, exact)
    if queued <= LONG:
        return _numbers(connection, clock, None)
    counted = Counted.SAMPLED if is_all else Counted.AT_LEAST
    return {**_numbers(connection, clock, SAMPLED), "queued": queued, "counted": counted}


def _count_queued(connection: Connection, exact: int) -> tuple[int, bool]:
    """How many orders wait, and whether these are all. An index alone answers.

    But PostgreSQL reads each row that was changed since the last vacuum, too: then a million orders take seconds.
    """
    end = time.monotonic() + COUNTING
    counted, last = 0, None
    while (found := connection.execute(_skip(last, CHUNK - 1)).one_or_none()) is not None:
        counted, last = counted + CHUNK, found
        if counted > exact and time.monotonic() > end:
            return counted, False
    rest = _after(last).limit(CHUNK).subquery()
    return counted + (connection.scalar(select(func.count()).select_from(rest)) or 0), True


def _skip(last: Row[Any] | None, number: int) -> Select[Any]:
    """The place of an order in the index of waiting orders, so many behind the next one after ``last``."""
    return _after(last).offset(number).limit(1)


def _after(last: Row[Any] | None) -> Select[Any]:
    """The waiting orders behind ``last``, in the order of the index."""
    place = (orders.c.dispatch_at, orders.c.id)
    waiting = select(*place).where(likely(orders.c.status == QUEUED)).order_by(*place)
    return waiting if last is None else waiting.where(tuple_(*place) > tuple_(*last))


def _numbers(connection: Connection, clock: Clock, limit: int | None) -> dict[str, Any]:
    now: datetime = connection.execute(select(clock.after(0))).scalar_one()
    waiting = _WaitingCounts(connection.execute(_by_currency(clock, limit)).all())
    drained = connection.execute(_drained(clock)).one()
    others: dict[str, int] = {row.status: row.number for row in connection.execute(_OTHERS)}
    due_for = seconds_between(waiting.next_due, now)
    return {
        "at": now,
        "queued": waiting.queued,
        "due": waiting.due,
        "amounts": waiting.amounts,
        "rejected": Rejected(waiting.rejected, waiting.rejection),
        "in_flight": others.get("in_flight", 0),
        "review": others.get("review", 0),
        "dead": others.get("dead", 0),
        "abandoned": connection.scalar(_abandoned(clock)) or 0,
        "oldest_age_seconds": seconds_between(connection.scalar(_OLDEST), now),
        "oldest_due_age_seconds": due_for,
        "next_due_seconds": None if waiting.next_due is None else seconds_between(now, waiting.next_due),
        "drained_last_minute": drained.number,
        "last_due": seconds_between(now, waiting.last_due),
        "span": seconds_between(drained.first, now),
        "stalled": due_for >= STALLED_AFTER and connection.scalar(_completed(clock)) is None,
    }


# What is not read for each snapshot, and not known from the row itself.
_STORED = {each.name for each in fields(Counts)} - {
    "at",
    "counted",
    "age_seconds",
    "incidents",
    "fleet",
    "homeless",
}


class _WaitingCounts:
    """The sums over all currencies."""

    def __init__(self, rows: Sequence[Row[Any]]) -> None:
        self.queued = sum(row.queued for row in rows)
        self.due = sum(row.due for row in rows)
        self.rejected = sum(row.rejected for row in rows)
        self.amounts = {row.currency: int(row.amount) for row in rows}
        self.next_due = min((row.next_due for row in rows), default=None)
        self.last_due = max((row.last_due for row in rows), default=None)
        self.rejection = max((row.rejection for row in rows if row.rejection), default=None)


# Literals, not parameters, so that the planner finds the right partial index. No condition includes finished
# orders: there may be millions.
_OTHERS = (
    select(orders.c.status, func.count().label("number"))
    .where(orders.c.status.in_([literal_column(f"'{name}'") for name in ("in_flight", "review", "dead")]))
    .group_by(orders.c.status)
)

# The index of states and times gives it without a count.
_OLDEST = select(func.min(orders.c.created_at)).where(orders.c.status == QUEUED)


def _by_currency(clock: Clock, limit: int | None) -> Select[Any]:
    waiting = _waiting(limit)
    return (
        select(
            waiting.c.currency,
            func.count().label("queued"),
            func.count().filter(waiting.c.next_attempt_at <= once(clock.after(0))).label("due"),
            func.sum(waiting.c.amount).label("amount"),
            func.min(waiting.c.next_attempt_at).label("next_due"),
            func.max(waiting.c.next_attempt_at).label("last_due"),
            func.count().filter(waiting.c.is_rejected).label("rejected"),
            func.max(waiting.c.last_error).filter(waiting.c.is_rejected).label("rejection"),
        )
        .group_by(waiting.c.currency)
        .order_by(waiting.c.currency)
    )


def _waiting(limit: int | None) -> Subquery:
    """All waiting orders, or those of the first ``limit`` that are dispatched next."""
    columns = (orders.c.currency, orders.c.amount, orders.c.next_attempt_at, orders.c.last_error)
    all_of_them = select(*columns, ORDER_REJECTED.label("is_rejected"))
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
