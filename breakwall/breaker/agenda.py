"""What the thread of a store has to do, each job at its time."""

from __future__ import annotations

import heapq
import itertools
import queue
import time
from collections.abc import Callable

Job = Callable[[], None]
# When to do which job, on `time.monotonic`, and what after it. None is the end.
Jobs = queue.SimpleQueue[tuple[float, Job, Job] | None]


class Agenda:
    """Takes jobs out of ``jobs``; first those that had to wait for their time, once it has come."""

    def __init__(self, jobs: Jobs) -> None:
        self._jobs = jobs
        self._later: list[tuple[float, int, Job, Job]] = []
        self._number = itertools.count()

    def next(self) -> tuple[Job, Job] | None:
        """Wait for the next job; None when there will be no more."""
        while True:
            if self._later and self._later[0][0] <= time.monotonic():
                return heapq.heappop(self._later)[2:]
            try:
                work = self._jobs.get(timeout=self._patience())
            except queue.Empty:
                continue
            if work is None:
                return None
            at, job, then = work
            if at <= time.monotonic():
                return job, then
            heapq.heappush(self._later, (at, next(self._number), job, then))
            del work, job, then

    def _patience(self) -> float | None:
        return max(0.0, self._later[0][0] - time.monotonic()) if self._later else None
