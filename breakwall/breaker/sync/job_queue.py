"""What the thread of a store has to do, each job at its time."""

import heapq
import itertools
import queue
import time
from collections.abc import Callable

Job = Callable[[], None]


class JobQueue:
    """Any thread puts jobs in; one takes them out. A job whose time has come goes before those that need not wait."""

    def __init__(self) -> None:
        self._new: queue.SimpleQueue[tuple[float, Job, Job] | None] = queue.SimpleQueue()
        self._later: list[tuple[float, int, Job, Job]] = []
        self._number = itertools.count()

    def put(self, job: Job, then: Job, delay: float = 0.0) -> None:
        """Have ``job`` done in ``delay`` seconds, and ``then`` after it."""
        self._new.put((time.monotonic() + delay if delay else 0.0, job, then))

    def end(self) -> None:
        """After what was put in until now, but for what has to wait, there is nothing to do."""
        self._new.put(None)

    def take(self) -> tuple[Job, Job] | None:
        """Wait for the next job and what comes after it; None at the end."""
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
            # Not kept while waiting: they hold the breaker that they are for.
            del work, job, then
