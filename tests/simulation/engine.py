"""Virtual time, and tasks that run one at a time in an order that only the seed decides.

Tasks run ordinary blocking code, so each is a greenlet: where it would block, it switches back to the engine. Time
advances only when every task waits.
"""

import heapq
from collections.abc import Callable
from random import Random

from greenlet import getcurrent, greenlet

FOREVER = float("inf")


class EndedError(BaseException):
    """The process of this task is dead, or the run is over. Not an `Exception`: no handler may catch it."""


class Process:
    """A simulated operating system process. Its tasks die with it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.alive = True
        self.paused_until = 0.0  # None of its tasks runs before this moment.
        self.tasks: list[Task] = []


class Task:
    """A thread of a process."""

    __slots__ = ("about", "context", "epoch", "name", "observed", "process")

    context: greenlet

    def __init__(self, name: str, process: Process) -> None:
        self.name = name
        self.process = process
        self.about = ""  # The order that it works on, for the trace.
        self.observed: dict[str, object] = {}  # The observer's.
        self.epoch = 0  # The number of the current wait: only the first waker of a wait ends it.


class Engine:
    """The scheduler of one run. ``rng`` orders what happens at the same moment."""

    def __init__(self, rng: Random) -> None:
        self.now = 0.0  # Seconds since the run began.
        self.current: Task | None = None  # The task that runs; None while a callback runs.
        self._rng = rng
        self._queue: list[tuple[float, float, int, Task | Callable[[], None], int]] = []
        self._count = 0
        self._tasks: dict[Task, None] = {}
        self._failure: BaseException | None = None
        self._over = False
        self._main = getcurrent()

    # --- for every caller

    def at(self, moment: float, callback: Callable[[], None]) -> None:
        """Run ``callback``, which must not wait, at a moment that is not past."""
        self._push(moment, callback, 0)

    def after(self, seconds: float, callback: Callable[[], None]) -> None:
        """Run ``callback``, which must not wait, in so many seconds."""
        self._push(self.now + seconds, callback, 0)

    def spawn(self, name: str, process: Process, work: Callable[[], None], delay: float = 0.0) -> None:
        """Begin a task in a process; it ends with ``work`` or with the process."""
        task = Task(name, process)
        task.context = greenlet(lambda: self._live(task, work), self._main)
        self._tasks[task] = None
        process.tasks.append(task)
        self._push(self.now + delay, task, task.epoch)

    def wake(self, task: Task, delay: float = 0.0) -> None:
        """Let a parked task continue."""
        self._push(self.now + delay, task, task.epoch)

    def kill(self, process: Process) -> None:
        """End a process now: all that its tasks still do is unwind."""
        process.alive = False
        process.paused_until = 0.0
        for task in process.tasks:
            self.wake(task)

    def stop(self) -> None:
        """End the run."""
        self._over = True

    # --- for the current task

    @property
    def task(self) -> Task:
        """The task that runs; only for code that runs in one."""
        assert self.current is not None
        return self.current

    def sleep(self, seconds: float) -> None:
        """Continue in so many seconds; with 0.0 at this moment, in a random order among those that are due."""
        self.park(seconds)

    def park(self, seconds: float = FOREVER) -> None:
        """Wait until `wake`, at most for so many seconds. Raises `EndedError` when the process or the run has ended."""
        task = self._myself()
        if seconds != FOREVER:
            self._push(self.now + max(seconds, 0.0), task, task.epoch)
        self._main.switch()
        self._myself()

    # --- the run

    def run(self) -> None:
        """Run tasks and callbacks until `stop`, or until none is left; then end every task.

        Raises the first exception that a task or a callback did not catch.
        """
        while self._queue and not self._over:
            moment, _, _, item, epoch = heapq.heappop(self._queue)
            self.now = max(self.now, moment)
            if not isinstance(item, Task):
                self._call(item)
            elif item.epoch == epoch:
                self._resume(item)
        self._over = True
        for task in list(self._tasks):
            task.process.paused_until = 0.0
            self._resume(task)
        if self._failure is not None:
            raise self._failure

    def _resume(self, task: Task) -> None:
        if task.process.paused_until > self.now:
            self._push(task.process.paused_until, task, task.epoch)
            return
        task.epoch += 1
        self.current = task
        task.context.switch()
        self.current = None

    def _live(self, task: Task, work: Callable[[], None]) -> None:
        try:
            self._myself()
            work()
        except EndedError:
            pass
        except BaseException as error:
            self._fail(error)
        finally:
            # It cannot be woken any more.
            task.epoch = -1
            del self._tasks[task]
            task.process.tasks.remove(task)

    def _call(self, callback: Callable[[], None]) -> None:
        try:
            callback()
        except BaseException as error:
            self._fail(error)

    def _fail(self, error: BaseException) -> None:
        self._failure = self._failure or error
        self._over = True

    def _myself(self) -> Task:
        task = self.task
        if self._over or not task.process.alive:
            raise EndedError
        return task

    def _push(self, moment: float, item: Task | Callable[[], None], epoch: int) -> None:
        self._count += 1
        heapq.heappush(self._queue, (moment, self._rng.random(), self._count, item, epoch))
