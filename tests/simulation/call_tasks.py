"""The pool of a destination's calls, in tasks instead of threads."""

from collections.abc import Callable
from contextlib import nullcontext

from breakwall.payments.outcomes.call_pool import CallPool
from tests.simulation.engine import FOREVER, Engine, Process, Task


class TaskCondition:
    """What `threading.Condition` is for threads. A task runs until it waits, so there is nothing to lock."""

    def __init__(self, engine: Engine, on_notify_all: Callable[[], None] = lambda: None) -> None:
        self._engine = engine
        self._on_notify_all = on_notify_all
        self._waiting: list[Task] = []

    def wait_for(self, predicate: Callable[[], object], timeout: float | None = None) -> bool:
        """Wait until it holds. Raises `EndedError` if the process has died, also if it holds."""
        end = FOREVER if timeout is None else self._engine.now + timeout
        self._engine.sleep(0.0)
        while not predicate() and self._engine.now < end:
            task = self._engine.task
            self._waiting.append(task)
            try:
                self._engine.park(end - self._engine.now)
            finally:
                if task in self._waiting:
                    self._waiting.remove(task)
        return bool(predicate())

    def notify(self) -> None:
        if self._waiting:
            self._engine.wake(self._waiting.pop(0))

    def notify_all(self) -> None:
        while self._waiting:
            self.notify()
        self._on_notify_all()


class TaskPool(CallPool):
    """The product's pool. ``on_change`` is called when a call has ended."""

    def __init__(
        self,
        process: Process,
        engine: Engine,
        name: str,
        *,
        threads: int,
        depth: int,
        bound: float,
        clock: Callable[[], float],
        on_change: Callable[[], None],
    ) -> None:
        super().__init__(name, threads=threads, depth=depth, bound=bound, clock=clock)
        self._process, self._engine = process, engine
        self._lock = nullcontext()  # type: ignore[assignment]
        self._wanted = TaskCondition(engine)  # type: ignore[assignment]
        self._returned = TaskCondition(engine, on_change)  # type: ignore[assignment]

    @property
    def has_late_calls(self) -> bool:
        """Whether `check` would report a call as overdue."""
        latest = self._clock() - self._bound
        return any(one.since < latest and not one.overdue for one in self._running)

    def _start_thread(self) -> None:
        self._started += 1
        name = f"{self._process.name}.{self._name}-{self._started}"
        self._engine.spawn(name, self._process, self._work)
