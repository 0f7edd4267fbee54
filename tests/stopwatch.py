"""A stopwatch that leaves out the time that a busy machine took.

Linux counts for each thread how long it was ready to run while the processors ran others
(``/proc/PID/task/TID/schedstat``, the second number). On a machine with nothing else to do that is next to
nothing and a stopwatch is strict; elsewhere, and on other systems, it is an ordinary one.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import psutil

Result = TypeVar("Result")


class Stopwatch:
    """Runs from when it is made.

    Args:
        processes: whether the processes that this one has started do part of the work.
    """

    def __init__(self, *, processes: bool = False) -> None:
        self._processes = processes
        self._kept_waiting = self._waits()
        self._began = time.monotonic()

    @property
    def seconds(self) -> float:
        """Until now, less what each thread that takes part was kept waiting for a processor."""
        seconds = time.monotonic() - self._began
        before = self._kept_waiting
        return seconds - sum(wait - before.get(thread, 0.0) for thread, wait in self._waits().items())

    def _waits(self) -> dict[int, float]:
        mine = psutil.Process()
        children = mine.children(recursive=True) if self._processes else []
        pids = [mine.pid, *(child.pid for child in children)]
        return {thread: wait for pid in pids for thread, wait in _waits_of(pid)}


def _waits_of(pid: int) -> Iterator[tuple[int, float]]:
    # A thread may end while it is looked at.
    with contextlib.suppress(OSError):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            with contextlib.suppress(OSError):
                yield int(thread.name), int((thread / "schedstat").read_text().split()[1]) / 1e9


def timed(call: Callable[[], Result]) -> tuple[Result, float]:
    """What the call returned and the seconds it took."""
    watch = Stopwatch()
    answer = call()
    return answer, watch.seconds
