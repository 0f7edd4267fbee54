"""The jobs of a store's thread, some of them delayed."""

import heapq
import itertools
import queue
import time
from collections.abc import Callable

Job = Callable[[], None]


class JobQueue:
    """Any thread puts jobs in; one thread takes them out. A delayed job that is due comes before jobs without a
    delay."""

    def __init__(self) -> None:
        self._new: queue.SimpleQueue[tuple[float, Job, Job] | None] = queue.SimpleQueue()
        self._later: list[tuple[float, int, Job, Job]] = []
        self._number = itertools.count()

    def put(self, job: Job, then: Job, delay: float = 0.0) -> None:
        """Queue ``job`` for ``delay`` seconds from now, and ``then`` right after it."""
        self._new.put((time.monotonic() + delay if delay else 0.0, job, then))

    def end(self) -> None:
        """End the queue after the jobs that are in it now; delayed jobs that are not due are dropped."""
        self._new.put(None)

    def take(self) -> tuple[Job, Job] | None:
        """Wait for the next job and its ``then``; None at the end."""
        while True:
            if self._later and self._later[0][0] <= time.monotonic():
                return heapq.heappop(self._later)[2:]
            wait = max(0.0, self._later[0][0] - time.monotonic()) if self._later else None
            try:
                work = self._new.get(timeout=wait)
            except queue.Empty:
                continue
            if work is None:
                return None
            at, job, then = work
            if at <= time.monotonic():
                return job, then
            heapq.heappush(self._later, (at, next(self._number), job, then))
            # Not kept while waiting: they keep their breaker alive.
            del work, job, then
