"""The backlog in numbers: what waits, for how long, and when it will be gone.

All of it comes from the orders table: a broker's queue is empty while every order waits for its backoff.
The broker's own depth stands beside it, because a standing difference between the two is a fault.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Self

from sqlalchemy import Connection, Select, func, literal_column, or_, select

from breakwall.breaker import BreakerStatus, CircuitBreaker, CircuitState, OverrideMode
from breakwall.payments.clock import Clock, DatabaseClock
from breakwall.payments.database import Database
from breakwall.payments.facts import ORDER_REJECTED
from breakwall.payments.incidents import count_open
from breakwall.payments.plans import once
from breakwall.payments.schema import QUEUED, orders
from breakwall.settings import Settings

DRAIN_WINDOW = 60.0
"""Seconds of completions that the drain's speed is judged by: long enough to be steady, short enough that
the first minute after an outage is not judged by the outage."""

LEAST_SPAN = 1.0
"""Seconds; completions of a shorter time say nothing about a speed."""


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
class Backlog:
    """One look at everything that is not finished. Durations are seconds, the others numbers of orders.

    Attributes:
        at: when it was taken, by the database's clock; aware, in UTC.
        queued: waiting for the worker, whether due or not.
        due: of those, the ones whose next attempt is due now.
        in_flight: claimed: being charged right now, or by a process that died and whose claim runs out.
        review: their outcome cannot be settled without a person.
        dead: given up on; when they were, no attempt of them was in doubt.
        oldest_age_seconds: since the oldest waiting order was accepted; 0.0 while none waits.
        next_due_seconds: until the next waiting order is due; 0.0 when one is, None while none waits.
        drained_last_minute: orders that had waited and were settled within `DRAIN_WINDOW`.
        drain_eta_seconds: until the queue is empty at that speed, if nothing more comes in and nothing
            fails again; never less than until the last waiting order is due. 0.0 while none waits, None
            when nobody can tell: the circuit is open, or nothing was drained of late.
        broker_messages: waiting at the broker; None when it does not answer.
        incidents: charges that a person has to look at and has not closed yet: two for one order, or one
            after a cancel or after a person's word that there is none.
        breaker: the payment service's circuit.
        rejected: those of ``queued`` that wait for an operator to mend the settings.
    """

    at: datetime
    queued: int
    due: int
    in_flight: int
    review: int
    dead: int
    oldest_age_seconds: float
    next_due_seconds: float | None
    drained_last_minute: int
    drain_eta_seconds: float | None
    broker_messages: int | None
    incidents: int
    breaker: BreakerStatus
    rejected: Rejected = Rejected()

    def as_document(self) -> dict[str, Any]:
        """The same as plain values, for JSON."""
        return {**asdict(self), "at": self.at.isoformat(), "breaker": breaker_document(self.breaker)}


class Monitor:
    """Takes snapshots of the backlog; changes nothing, the breaker least of all. Safe for threads.

    Args:
        database: where the orders are.
        breaker: the payment service's circuit; only its status is read.
        depth: messages that wait at the broker, None when it does not answer; bounded in time.
        clock: what ages are measured by.
        on_close: called by `close`, after which ``depth`` is not asked any more.
    """

    def __init__(
        self,
        database: Database,
        breaker: CircuitBreaker,
        depth: Callable[[], int | None],
        *,
        clock: Clock | None = None,
        on_close: Callable[[], None] | None = None,
    ) -> None:
        self._database = database
        self._breaker = breaker
        self._depth = depth
        self._clock = clock or DatabaseClock()
        self._on_close = on_close

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """Watch what the settings name."""
        from breakwall.broker import QueueDepth
        from breakwall.wiring import open_breaker, open_database

        depth = QueueDepth(settings)
        return cls(open_database(settings), open_breaker(settings), depth, on_close=depth.close)

    def snapshot(self) -> Backlog:
        """Look once.

        Raises:
            DatabaseUnavailableError: without the orders there is no backlog to show.
            SchemaError: the database is not at this version.
        """
        counted = self._database.read(self._count)
        breaker = self._breaker.status()
        eta = drain_eta(
            counted.queued,
            drained=counted.drained,
            span=counted.span,
            last_due=counted.last_due,
            stopped=refuses_all(breaker),
        )
        return Backlog(
            at=counted.at,
            queued=counted.queued,
            due=counted.due,
            in_flight=counted.others.get("in_flight", 0),
            review=counted.others.get("review", 0),
            dead=counted.others.get("dead", 0),
            oldest_age_seconds=counted.oldest_age,
            next_due_seconds=counted.next_due,
            drained_last_minute=counted.drained,
            drain_eta_seconds=eta,
            broker_messages=self._depth(),
            incidents=counted.incidents,
            breaker=breaker,
            rejected=counted.rejected,
        )

    def close(self) -> None:
        """Close the connections."""
        if self._on_close is not None:
            self._on_close()
        self._breaker.close()
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def _count(self, connection: Connection) -> _Counted:
        now = self._clock.after(0)
        waiting = connection.execute(
            select(
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
        ).one()
        drained = connection.execute(_drained(self._clock)).one()
        return _Counted(
            at=waiting.now,
            queued=waiting.queued,
            due=waiting.due,
            others={row.status: row.number for row in connection.execute(_OTHERS)},
            oldest_age=_seconds(waiting.oldest, waiting.now),
            next_due=None if waiting.next_due is None else _seconds(waiting.now, waiting.next_due),
            last_due=_seconds(waiting.now, waiting.last_due),
            drained=drained.number,
            span=_seconds(drained.first, waiting.now),
            incidents=count_open(connection),
            rejected=Rejected(waiting.rejected, waiting.rejection),
        )


def drain_eta(queued: int, *, drained: int, span: float, last_due: float, stopped: bool) -> float | None:
    """Seconds until ``queued`` orders are gone, see `Backlog.drain_eta_seconds`.

    Args:
        drained: orders settled of late.
        span: seconds since the first of those.
        last_due: seconds until the last waiting order is due.
        stopped: nothing is let through to the payment service.
    """
    if queued == 0:
        return 0.0
    if stopped or drained == 0:
        return None
    return max(queued * max(span, LEAST_SPAN) / drained, last_due)


def refuses_all(status: BreakerStatus) -> bool:
    """Whether no payment is tried: on an operator's word, or, without one, by the computed state."""
    if status.override is not None:
        return status.override.mode is OverrideMode.FORCED_OPEN
    return status.state is CircuitState.OPEN


def breaker_document(status: BreakerStatus) -> dict[str, Any]:
    """A circuit's status as plain values: its points in time as ISO 8601 texts in UTC."""
    return _with_moments(asdict(status))


def _with_moments(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: _plain(name, value) for name, value in fields.items()}


def _plain(name: str, value: Any) -> Any:
    if isinstance(value, dict):
        return _with_moments(value)
    if name in _MOMENTS and value is not None:
        return datetime.fromtimestamp(value, UTC).isoformat()
    return value


_MOMENTS = {"opened_at", "open_until", "last_failure_at", "store_time", "set_at", "expires_at"}


@dataclass(frozen=True, slots=True)
class _Counted:
    at: datetime
    queued: int
    due: int
    others: dict[str, int]
    oldest_age: float
    next_due: float | None
    last_due: float
    drained: int
    span: float
    incidents: int
    rejected: Rejected


# Literals, not parameters, so that a planner sees which partial index serves. Finished orders, of which
# there may be millions, are in none of these conditions.
_OTHERS = (
    select(orders.c.status, func.count().label("number"))
    .where(orders.c.status.in_([literal_column(f"'{name}'") for name in ("in_flight", "review", "dead")]))
    .group_by(orders.c.status)
)


def _drained(clock: Clock) -> Select[int, Any]:
    had_waited = or_(orders.c.retry_count > 0, orders.c.deferral_count > 0)
    return select(func.count().label("number"), func.min(orders.c.settled_at).label("first")).where(
        orders.c.settled_at >= once(clock.after(-DRAIN_WINDOW)),
        orders.c.status != literal_column("'cancelled'"),
        had_waited,
    )


def _seconds(since: datetime | None, until: datetime | None) -> float:
    """From one moment to the next; 0.0 for one that is not there or has passed."""
    return 0.0 if since is None or until is None else max(0.0, (until - since).total_seconds())
