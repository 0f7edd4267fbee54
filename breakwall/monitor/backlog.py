"""The backlog in numbers: how many orders wait, for how long, and when they will be done.

The numbers come from the orders table: a broker's queue is empty while every order waits for its backoff.
The broker's own depth stands beside them, because a lasting discrepancy between the two is a fault.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Self

from breakwall.breaker import BreakerStatus, CircuitBreaker
from breakwall.monitor.alarms import Alarm, alarms, refuses_all
from breakwall.monitor.counts import Counts, OrderCounts, count
from breakwall.payments.db.clock import Clock, DatabaseClock
from breakwall.payments.db.database import Database
from breakwall.payments.fleet.workers import Worker
from breakwall.settings import Settings

LEAST_SPAN = 1.0  # Seconds; completions of a shorter time say nothing about a speed.


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog(OrderCounts):
    """One snapshot: the counts of the orders, the circuit, the broker, the workers and the alarms.

    Attributes:
        drain_eta_seconds: until the queue is empty at the speed of the last minute, if nothing more comes in and
            nothing fails again; never less than until the last waiting order is due. 0.0 while none waits, None
            when it is unknown: the circuit is open, or nothing was drained of late.
        broker_messages: waiting at the broker; None when it does not answer.
        breaker: the payment service's circuit.
        workers: those that are alive; None where the database keeps no heartbeats yet.
        slots: orders that those work on at once, together.
        workers_lacking: those of them that have run out of something.
        warnings: alarms, see `monitor.alarms`.
        broker_awaits_worker: the embedded broker was not started, and no worker is alive to start it.
    """

    drain_eta_seconds: float | None
    broker_messages: int | None
    breaker: BreakerStatus
    workers: int | None = None
    slots: int = 0
    workers_lacking: int = 0
    warnings: tuple[Alarm, ...] = ()
    broker_awaits_worker: bool = False


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
        from breakwall.broker.depth import QueueDepth
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
        """Take one snapshot.

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
        drained=counts.drained_last_minute,
        span=counts.span,
        last_due=counts.last_due,
        stopped=refuses_all(breaker),
    )
    alive = [worker for worker in counts.fleet or [] if worker.alive]
    return Backlog(
        **{field.name: getattr(counts, field.name) for field in fields(OrderCounts)},
        drain_eta_seconds=eta,
        broker_messages=messages,
        breaker=breaker,
        workers=None if counts.fleet is None else len(alive),
        slots=sum(worker.slots for worker in alive),
        workers_lacking=sum(worker.lacks is not None for worker in alive),
        warnings=alarms(counts, breaker),
    )


def drain_eta(queued: int, *, drained: int, span: float, last_due: float, stopped: bool) -> float | None:
    """Seconds until ``queued`` orders are gone, see `Backlog.drain_eta_seconds`.

    Args:
        drained: orders finished of late.
        span: seconds since the first of those.
        last_due: seconds until the last waiting order is due.
        stopped: no payment is let through.
    """
    if queued == 0:
        return 0.0
    if stopped or drained == 0:
        return None
    return max(queued * max(span, LEAST_SPAN) / drained, last_due)
