"""The backlog in numbers: how many orders wait, for how long, and when they will be finished.

The numbers come from the orders table, because the broker's queue is empty while every order waits for its backoff.
The snapshot has the broker's depth as well: a lasting discrepancy between the two is a fault.
"""

from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass, field, fields, replace
from typing import Self

from breakwall.breaker import BreakerStatus, CircuitBreaker
from breakwall.monitor.alarms import Alarm, alarms, refuses_all
from breakwall.monitor.counts import Counts, OrderCounts, count
from breakwall.payments.db.clock import Clock, DatabaseClock
from breakwall.payments.db.database import Database
from breakwall.payments.fleet.workers import Worker
from breakwall.settings import Settings

LEAST_SPAN = 1.0  # Seconds; a shorter time gives no useful speed.


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog(OrderCounts):
    """One snapshot: the counts of the orders, the circuit, the broker, the workers and the alarms."""

    # Until the queue is empty at the speed of the last minute, if no order is added and none fails again; at least
    # until the last waiting order is due. 0.0: no order waits. None: unknown, because the circuit is open or no
    # order was drained in the last minute.
    drain_eta_seconds: float | None
    broker_messages: int | None  # They wait at the broker; None: it does not answer.
    breaker: BreakerStatus
    workers: int | None = None  # The live ones; None: the database has no heartbeats yet.
    slots: int = 0  # Orders that the live workers process at the same time.
    workers_lacking: int = 0  # Live workers with an exhausted resource.
    warnings: tuple[Alarm, ...] = ()
    broker_awaits_worker: bool = (
        False  # The embedded broker was not started, and no worker is alive to start it.
    )


@dataclass(frozen=True, slots=True, eq=False)
class Monitor:
    """Takes snapshots of the backlog and changes nothing. Thread-safe."""

    database: Database
    breaker: CircuitBreaker  # Only its status is read.
    depth: Callable[
        [], int | None
    ]  # Messages that wait at the broker; None: it did not answer in a bounded time.
    _: KW_ONLY
    clock: Clock = field(default_factory=DatabaseClock)
    on_close: Callable[[], None] | None = None
    is_started: Callable[[], bool] | None = (
        None  # Whether a broker runs: the embedded one needs a worker. None: yes.
    )

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """Watch what the settings name."""
        from breakwall.broker.depth import QueueDepth
        from breakwall.wiring import open_breaker, open_database

        depth = QueueDepth(settings)
        database, breaker = open_database(settings), open_breaker(settings)
        is_started = None if not settings.embedded_broker else settings.broker_socket.exists
        return cls(database, breaker, depth, on_close=depth.close, is_started=is_started)

    def snapshot(self) -> Backlog:
        """Take one snapshot. Raises DatabaseUnavailableError, or SchemaError at another revision."""
        return self.snapshot_with_workers()[0]

    def snapshot_with_workers(self) -> tuple[Backlog, list[Worker] | None]:
        """Take one snapshot, with the workers that are alive or went silent in the last hour. Raises the same."""
        counts = self.database.read(lambda connection: count(connection, self.clock))
        seen = _backlog(counts, self.breaker.status(), self.depth())
        is_started = self.is_started
        # The broker's folder is read last: a user with a right to the database may have none to it.
        silent = seen.broker_messages is None and seen.workers == 0
        awaits = silent and is_started is not None and not is_started()
        return replace(seen, broker_awaits_worker=awaits), counts.fleet

    def close(self) -> None:
        """Close the connections."""
        if self.on_close is not None:
            self.on_close()
        self.breaker.close()
        self.database.close()


def _backlog(counts: Counts, breaker: BreakerStatus, messages: int | None) -> Backlog:
    alive = [worker for worker in counts.fleet or [] if worker.alive]
    return Backlog(
        **{each.name: getattr(counts, each.name) for each in fields(OrderCounts)},
        drain_eta_seconds=drain_eta(counts, stopped=refuses_all(breaker)),
        broker_messages=messages,
        breaker=breaker,
        workers=None if counts.fleet is None else len(alive),
        slots=sum(worker.slots for worker in alive),
        workers_lacking=sum(worker.lacks is not None for worker in alive),
        warnings=tuple(alarms(counts, breaker)),
    )


def drain_eta(counts: Counts, *, stopped: bool) -> float | None:
    """See `Backlog.drain_eta_seconds`; ``stopped``: the circuit refuses every payment."""
    if counts.queued == 0:
        return 0.0
    if stopped or counts.drained_last_minute == 0:
        return None
    seconds_per_order = max(counts.span, LEAST_SPAN) / counts.drained_last_minute
    return max(counts.queued * seconds_per_order, counts.last_due)
