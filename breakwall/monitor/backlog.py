"""The backlog in numbers: what waits, for how long, and when it will be gone.

All of it comes from the orders table: a broker's queue is empty while every order waits for its backoff.
The broker's own depth stands beside it, because a standing difference between the two is a fault.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any, Self

from breakwall.breaker import BreakerStatus, CircuitBreaker
from breakwall.monitor.alarms import Alarm, alarms, refuses_all
from breakwall.monitor.counts import DRAIN_WINDOW, Counts, Rejected, count
from breakwall.payments.db.clock import Clock, DatabaseClock
from breakwall.payments.db.database import Database
from breakwall.payments.fleet.workers import Worker
from breakwall.settings import Settings

__all__ = ["DRAIN_WINDOW", "Backlog", "Monitor", "Rejected", "breaker_document", "drain_eta", "refuses_all"]

NONE_REJECTED = Rejected()

LEAST_SPAN = 1.0
"""Seconds; completions of a shorter time say nothing about a speed."""


@dataclass(frozen=True, slots=True)
class Backlog:
    """One look at everything that is not finished. Durations are seconds, the others numbers of orders.

    Attributes:
        at: when it was taken, by the database's clock; aware, in UTC.
        queued: waiting for the worker, whether due or not.
        due: of those, the ones whose next attempt is due now.
        in_flight: claimed: being charged right now, or by a process that died and whose claim runs out.
        abandoned: of those in flight, the ones whose claim has run out; a worker takes them back.
        review: their outcome cannot be settled without a person.
        dead: given up on; when they were, no attempt of them was in doubt.
        oldest_age_seconds: since the oldest waiting order was accepted; 0.0 while none waits.
        oldest_due_age_seconds: for how long the longest due order has been due; 0.0 while none is.
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
        workers: those that are alive; None where nobody can tell, in a database that has no room for heartbeats.
        slots: orders that those work on at once, all together.
        workers_lacking: those of them that have run out of something.
        warnings: what is wrong although each number looks calm.
        broker_awaits_worker: the embedded broker was not started, and no worker is alive to start it.
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
    rejected: Rejected = NONE_REJECTED
    abandoned: int = 0
    oldest_due_age_seconds: float = 0.0
    workers: int | None = None
    slots: int = 0
    workers_lacking: int = 0
    warnings: tuple[Alarm, ...] = ()
    broker_awaits_worker: bool = False

    def as_document(self) -> dict[str, Any]:
        """The same as plain values, for JSON; there a broker that does not answer is all one."""
        fields = asdict(self)
        del fields["broker_awaits_worker"]
        return {**fields, "at": self.at.isoformat(), "breaker": breaker_document(self.breaker)}


class Monitor:
    """Takes snapshots of the backlog; changes nothing, the breaker least of all. Safe for threads.

    Args:
        database: where the orders are.
        breaker: the payment service's circuit; only its status is read.
        depth: messages that wait at the broker, None when it does not answer; bounded in time.
        clock: what ages are measured by.
        on_close: called by `close`, after which ``depth`` is not asked any more.
        is_started: whether anything could answer ``depth``: an embedded broker runs only while a worker does.
    """

    def __init__(
        self,
        database: Database,
        breaker: CircuitBreaker,
        depth: Callable[[], int | None],
        *,
        clock: Clock | None = None,
        on_close: Callable[[], None] | None = None,
        is_started: Callable[[], bool] = lambda: True,
    ) -> None:
        self._database = database
        self._breaker = breaker
        self._depth = depth
        self._clock = clock or DatabaseClock()
        self._on_close = on_close
        self._is_started = is_started

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """Watch what the settings name."""
        from breakwall.broker import QueueDepth
        from breakwall.wiring import open_breaker, open_database

        depth = QueueDepth(settings)

        def is_started() -> bool:
            return not settings.embedded_broker or settings.broker_socket.exists()

        return cls(
            open_database(settings),
            open_breaker(settings),
            depth,
            on_close=depth.close,
            is_started=is_started,
        )

    def snapshot(self) -> Backlog:
        """Look once.

        Raises:
            DatabaseUnavailableError: without the orders there is no backlog to show.
            SchemaError: the database is not at this version.
        """
        return self.look()[0]

    def look(self) -> tuple[Backlog, list[Worker] | None]:
        """The same, with the workers that are alive or went silent of late. Raises as `snapshot` does."""
        counts = self._database.read(lambda connection: count(connection, self._clock))
        breaker = self._breaker.status()
        seen = _backlog(counts, breaker, self._depth())
        awaits = seen.broker_messages is None and seen.workers == 0 and not self._is_started()
        return replace(seen, broker_awaits_worker=awaits), counts.fleet

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


def _backlog(counts: Counts, breaker: BreakerStatus, messages: int | None) -> Backlog:
    eta = drain_eta(
        counts.queued,
        drained=counts.drained,
        span=counts.span,
        last_due=counts.last_due,
        stopped=refuses_all(breaker),
    )
    alive = [worker for worker in counts.fleet or [] if worker.alive]
    return Backlog(
        at=counts.at,
        queued=counts.queued,
        due=counts.due,
        in_flight=counts.others.get("in_flight", 0),
        review=counts.others.get("review", 0),
        dead=counts.others.get("dead", 0),
        oldest_age_seconds=counts.oldest_age,
        next_due_seconds=counts.next_due,
        drained_last_minute=counts.drained,
        drain_eta_seconds=eta,
        broker_messages=messages,
        incidents=counts.incidents,
        breaker=breaker,
        rejected=counts.rejected,
        abandoned=counts.abandoned,
        oldest_due_age_seconds=counts.due_for,
        workers=None if counts.fleet is None else len(alive),
        slots=sum(worker.slots for worker in alive),
        workers_lacking=sum(worker.lacks is not None for worker in alive),
        warnings=alarms(counts, breaker),
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
