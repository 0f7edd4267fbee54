"""How a simulated producer works behind its callers: tasks instead of threads, and signals between them."""

from collections.abc import Callable

from tests.simulation.engine import Engine, Process, Task
from tests.simulation.world import Part, World


class TaskSignal:
    """Set once by a task; another task waits for it in virtual time."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._is_set = False
        self._waits: Task | None = None

    def set(self) -> None:
        self._is_set = True
        if self._waits is not None:
            self._engine.wake(self._waits)

    def wait(self, seconds: float) -> bool:
        """Wait at most so long; returns whether it is set."""
        end = self._engine.now + seconds
        self._waits = self._engine.task
        try:
            while not self._is_set and self._engine.now < end:
                self._engine.park(end - self._engine.now)
        finally:
            self._waits = None
        return self._is_set


class TaskExecutor(Part):
    """Runs work in tasks of one process, and now and then cannot: the process has no threads left."""

    def __init__(self, world: World, process: Process) -> None:
        super().__init__(world)
        self._process = process
        self._count = 0

    def submit(self, work: Callable[[], None]) -> None:
        if self._faults.occurs("no thread"):
            raise RuntimeError("can't start new thread")
        self._count += 1
        about = self._engine.task.about
        self._engine.spawn(
            f"{self._process.name}/behind-{self._count}", self._process, lambda: self._work(work, about)
        )

    def _work(self, work: Callable[[], None], about: str) -> None:
        self._engine.task.about = about
        work()

    def close(self) -> None:
        """Nothing is open."""
