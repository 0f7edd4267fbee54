"""The backlog in numbers: how many orders wait, for how long, and when they will be finished.

The numbers come from the orders table, because the broker's queue is empty while every order waits for its backoff.
The snapshot has the broker's depth as well: a lasting discrepancy between the two is a fault.
"""

from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass, field, fields, replace
from typing import Self

from sqlalchemy import Connection

from breakwall.breaker import BreakerStatus, CircuitBreaker
from breakwall.monitor.alarms import Alarm, alarms
from breakwall.monitor.counts import Counts, OrderCounts, count
from breakwall.monitor.drain_eta import drain_assumption, drain_eta, drain_eta_range
from breakwall.monitor.drain_speed import is_read_only, mean_speed
from breakwall.monitor.let_go import seconds_since_control, seconds_since_let_go
from breakwall.monitor.obstacles import Obstacle, obstacles
from breakwall.monitor.trend import Trend, read_trend
from breakwall.payments.db.clock import Clock, DatabaseClock
from breakwall.payments.db.database import Database
from breakwall.payments.fleet.drain_control import DrainState, Pause, effective_rate, read_state
from breakwall.payments.fleet.workers import Worker
from breakwall.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog(OrderCounts):
    """One snapshot: the counts of the orders, the circuit, the broker, the workers and the alarms."""

    # Until the queue is empty at the speed of the last minute, if no order is added and none fails again; at least
    # until the last waiting order is due. 0.0: no order waits. None: unknown, because nothing moves, no order was
    # drained in the last minute, or the payment service rejects each.
    drain_eta_seconds: float | None
    # The same at the speed of the last minute and at the mean speed of the last ten minutes, the shorter time first.
    drain_eta_range_seconds: tuple[float, float] | None = None
    drain_assumption: str = ""  # What the two are based on, or why they are unknown: a sentence.
    # Orders a second by which the waiting ones became more (+) or fewer (−) over about the last minute; None: unknown.
    net_rate: float | None = None
    arrivals_last_minute: int | None = None  # Orders that began to wait; None: unknown.
    # Orders that are published without a message (+), or messages too many (−), since a minute; None: unknown.
    broker_difference: int | None = None
    broker_messages: int | None  # They wait at the broker; None: it does not answer.
    breaker: BreakerStatus
    limit: int | None = None  # Calls that the whole fleet may have in progress at once; None: any number.
    in_hand: int | None = None  # Calls that it has in progress; None: unknown.
    paused: Pause | None = None  # An operator has paused the queue.
    rate: float | None = None  # Orders a second that all workers together send at most; None: no limit.
    blocked_by: tuple[Obstacle, ...] = ()  # Why no waiting order moves.
    workers: int = 0  # The live ones.
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
    max_rate: float | None = None  # The setting RETRY__MAX_RATE.
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
        max_rate = settings.retry.max_rate
        return cls(database, breaker, depth, max_rate=max_rate, on_close=depth.close, is_started=is_started)

    def snapshot(self, *, exact: int = 0) -> Backlog:
        """Take one snapshot. Raises DatabaseUnavailableError, or SchemaError at another revision.

        If no worker counts a long backlog, ``queued`` is exact up to ``exact`` orders; see `counts.count`.
        """
        return self.snapshot_with_workers(exact=exact)[0]

    def snapshot_with_workers(self, *, exact: int = 0) -> tuple[Backlog, list[Worker]]:
        """Take one snapshot, with the workers that are alive or went silent in the last hour. Raises the same."""
        counts, drain = self.database.read(
            lambda connection: (
                count(connection, self.clock, exact=exact),
                _read_drain(connection, self.clock),
            )
        )
        seen = _backlog(counts, drain, self.breaker.status(), self.depth(), self.max_rate)
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


@dataclass(frozen=True, slots=True)
class _Drain:
    """What a snapshot reads beside the counts."""

    state: DrainState
    speed: float  # Orders a second, in the mean of the last minutes.
    read_only: bool
    trend: Trend
    since_control: float  # Seconds since people, or the end of a pause, last changed what the drain may do.


def _read_drain(connection: Connection, clock: Clock) -> _Drain:
    state, speed = read_state(connection, clock), mean_speed(connection, clock)
    trend, since_control = read_trend(connection, clock), seconds_since_control(connection, clock)
    return _Drain(state, speed, is_read_only(connection), trend, since_control)


def _backlog(
    counts: Counts, drain: _Drain, breaker: BreakerStatus, messages: int | None, max_rate: float | None
) -> Backlog:
    alive = [worker for worker in counts.fleet if worker.alive]
    paused = drain.state.paused
    let_go = seconds_since_let_go(drain.since_control, breaker)
    blocked_by = obstacles(counts, breaker, messages, paused, read_only=drain.read_only, let_go=let_go)
    stopped = any(obstacle.kind.stops for obstacle in blocked_by)
    eta = drain_eta(counts, stopped=stopped)
    return Backlog(
        **{each.name: getattr(counts, each.name) for each in fields(OrderCounts)},
        drain_eta_seconds=eta,
        drain_eta_range_seconds=drain_eta_range(counts, eta, drain.speed),
        drain_assumption=drain_assumption(counts, eta, stopped=stopped),
        net_rate=drain.trend.net_rate,
        arrivals_last_minute=drain.trend.arrivals,
        broker_difference=drain.trend.broker_difference,
        broker_messages=messages,
        breaker=breaker,
        limit=breaker.limit,
        in_hand=breaker.in_hand,
        paused=paused,
        rate=effective_rate(drain.state, max_rate),
        blocked_by=blocked_by,
        workers=len(alive),
        slots=sum(worker.slots for worker in alive),
        workers_lacking=sum(worker.lacks is not None for worker in alive),
        warnings=tuple(alarms(counts, breaker, paused=paused is not None, let_go=let_go)),
    )
