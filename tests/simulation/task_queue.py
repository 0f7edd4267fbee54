"""A queue between the tasks of one process, in virtual time."""

from collections import deque
from queue import Empty
from typing import Generic, TypeVar

from breakwall.worker.drain.exchange import IDLE
from tests.simulation.engine import FOREVER, Engine, Task

T = TypeVar("T")


class TaskQueue(Generic[T]):
    """What `queue.SimpleQueue` is for threads."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._items: deque[T] = deque()
        self._waiting: list[Task] = []

    def put(self, item: T, /) -> None:
        self._items.append(item)
        if self._waiting:
            self._engine.wake(self._waiting.pop(0))

    def get(self, block: bool = True, timeout: float | None = None, /) -> T:
        if not self._items and block:
            self._wait(timeout)
        if not self._items:
            raise Empty
        return self._items.popleft()

    def _wait(self, timeout: float | None) -> None:
        task = self._engine.task
        end = FOREVER
        # An idle exchange would only find that there is nothing to do.
        if timeout is not None and timeout < IDLE:
            end = self._engine.now + timeout
        while not self._items and self._engine.now < end:
            self._waiting.append(task)
            try:
                self._engine.park(end - self._engine.now)
            finally:
                if task in self._waiting:
                    self._waiting.remove(task)
