"""A stopwatch that leaves out the time for which other programs kept the processors busy.

Linux counts for each thread how long it was ready to run and had no processor (``/proc/PID/task/TID/schedstat``, the
second number). On other systems this is an ordinary stopwatch.
"""

import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import psutil

Result = TypeVar("Result")


class Stopwatch:
    """Runs from its creation. ``processes``: child processes do part of the work."""

    def __init__(self, *, processes: bool = False) -> None:
        self._processes = processes
        self._waits_before = self._waits()
        self._began = time.monotonic()

    @property
    def seconds(self) -> float:
        """Seconds until now, without those for which each thread waited for a processor."""
        seconds = time.monotonic() - self._began
        before = self._waits_before
        return seconds - sum(wait - before.get(thread, 0.0) for thread, wait in self._waits().items())

    def _waits(self) -> dict[int, float]:
        mine = psutil.Process()
        children = mine.children(recursive=True) if self._processes else []
        pids = [mine.pid, *(child.pid for child in children)]
        return {thread: wait for pid in pids for thread, wait in _waits_of(pid)}


def _waits_of(pid: int) -> Iterator[tuple[int, float]]:
    # A thread may end meanwhile.
    with contextlib.suppress(OSError):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            with contextlib.suppress(OSError):
                yield int(thread.name), int((thread / "schedstat").read_text().split()[1]) / 1e9


def timed(call: Callable[[], Result]) -> tuple[Result, float]:
    """The result of the call, and the seconds that it took."""
    watch = Stopwatch()
    answer = call()
    return answer, watch.seconds
