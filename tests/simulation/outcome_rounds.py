"""A worker's outcome loop with all that is behind it, in virtual time, without the rounds that would find nothing."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from breakwall.breaker import CircuitBreaker
from breakwall.payments.outcomes.channel import (
    CIRCUIT,
    IN_HAND,
    OVERDUE_GRACE,
    THREADS,
    Channel,
    circuit_name,
)
from breakwall.payments.outcomes.delivering import BUSY, IDLE, Delivering
from breakwall.payments.outcomes.destination import CALL_TIMEOUT, Destination
from breakwall.payments.outcomes.listener import ListenerDestination
from breakwall.payments.outcomes.webhook import WebhookDestination
from breakwall.worker.background.outcome_loop import OutcomeLoop
from tests.simulation.background import TaskSignal
from tests.simulation.call_tasks import TaskPool
from tests.simulation.circuit import EPOCH, OtherCircuitStore
from tests.simulation.engine import Engine, Task
from tests.simulation.shop import LISTENER, ShopConnections
from tests.simulation.trace import Violation

if TYPE_CHECKING:
    from tests.simulation.processes import Context, WorkerProcess

LONGEST_PAUSE = 10.0  # Seconds between two looks whether there is something to deliver.

URL, SECRET = "http://shop.test/hooks", b"s" * 24


class SimulatedOutcomeLoop(OutcomeLoop):
    """The product's own, in tasks of a worker."""

    def __init__(self, worker: WorkerProcess, context: Context) -> None:
        self._rounds = rounds = Rounds(context)
        rounds.pools = [
            TaskPool(
                worker,
                context.engine,
                circuit_name(way),
                threads=THREADS[way],
                depth=IN_HAND,
                bound=CALL_TIMEOUT + OVERDUE_GRACE,
                clock=worker.monotonic,
                on_change=rounds.call_ended,
            )
            for way in context.scenario.ways
        ]
        channels = [
            Channel(
                _destination(way, worker, context),
                _breaker(way, worker, context),
                pool=pool,
                clock=worker.monotonic,
            )
            for way, pool in zip(context.scenario.ways, rounds.pools, strict=True)
        ]
        database, jitter = context.storage.database, context.rng.random
        delivering = Delivering(database, channels, jitter=jitter, monotonic=worker.monotonic)
        super().__init__(delivering, report=partial(_report, worker, context))
        self._stopped = rounds  # type: ignore[assignment]
        self._thread = TaskThread(worker, context.engine, self._run)  # type: ignore[assignment]


def _destination(way: str, worker: WorkerProcess, context: Context) -> Destination:
    if way == LISTENER:
        return ListenerDestination(context.shop.hear)
    webhook = WebhookDestination(
        URL, lambda: [SECRET], allow_private=True, wall_clock=lambda: EPOCH + context.engine.now
    )
    webhook._pool = ShopConnections(context, worker, context.shop)  # type: ignore[assignment]
    return webhook


def _breaker(way: str, worker: WorkerProcess, context: Context) -> CircuitBreaker:
    store = OtherCircuitStore(context.circuit, worker)
    return CircuitBreaker(
        circuit_name(way), CIRCUIT, store, clock=worker.monotonic, jitter=context.rng.random
    )


def _report(worker: WorkerProcess, context: Context, sentence: str) -> None:
    context.trace.record(worker.name, sentence)
    if sentence.startswith("the delivery of outcomes failed"):
        raise Violation(sentence)


class Rounds:
    """What `threading.Event` is for the loop: it waits until the next round, and until that would find something."""

    def __init__(self, context: Context) -> None:
        self.pools: list[TaskPool] = []
        self._context = context
        self._engine: Engine = context.engine
        self._is_stopped = self._has_results = False
        self._pause = 0.0
        self._waits: Task | None = None

    def is_set(self) -> bool:
        return self._is_stopped

    def set(self) -> None:
        self._is_stopped = True
        self._wake(0.0)

    def call_ended(self) -> None:
        """There may be something to record now."""
        self._has_results = True
        self._wake(self._context.rng.uniform(0.0, IDLE))

    def wait(self, seconds: float) -> bool:
        """Wait so long, or longer: rounds in a row that did nothing become rare."""
        pause = seconds if seconds != IDLE else min(1.5 * max(self._pause, seconds), LONGEST_PAUSE)
        self._pause = pause
        self._sleep(pause)
        while not (self._is_stopped or self._has_results or seconds not in {BUSY, IDLE} or self._is_needed()):
            pause = min(1.5 * pause, LONGEST_PAUSE)
            self._sleep(pause)
        self._has_results = False
        return self._is_stopped

    def _is_needed(self) -> bool:
        known, waiting = self._context.storage.values(
            "SELECT (SELECT count(*) FROM destinations),"
            " EXISTS(SELECT 1 FROM outcomes WHERE taken_at IS NULL) OR"
            " EXISTS(SELECT 1 FROM deliveries WHERE due_at <= :now)"
        )
        late = any(pool.has_late_calls for pool in self.pools)
        return bool(waiting) or known < len(self.pools) or late

    def _sleep(self, seconds: float) -> None:
        if self._is_stopped or self._has_results:
            seconds = min(seconds, BUSY)
        self._waits = self._engine.task
        try:
            self._engine.park(seconds)
        finally:
            self._waits = None

    def _wake(self, seconds: float) -> None:
        if self._waits is not None:
            self._engine.wake(self._waits, seconds)


class TaskThread:
    """What `threading.Thread` is for the loop."""

    ident: int | None = None

    def __init__(self, worker: WorkerProcess, engine: Engine, work: Callable[[], None]) -> None:
        self._worker, self._engine, self._work = worker, engine, work
        self._ended = TaskSignal(engine)

    def start(self) -> None:
        self.ident = 1
        self._engine.spawn(f"{self._worker.name}.outcomes", self._worker, self._run)

    def join(self, timeout: float) -> None:
        self._ended.wait(timeout)

    def is_alive(self) -> bool:
        return not self._ended.wait(0.0)

    def _run(self) -> None:
        self._work()
        self._ended.set()
