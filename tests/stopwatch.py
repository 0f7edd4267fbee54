"""A stopwatch that leaves out the time for which other programs kept the processors busy.

Linux counts for each thread how long it was ready to run and had no processor (``/proc/PID/task/TID/schedstat``, the
second number). That misses the threads that have ended, and the servers that this process waited for. So a second
count is used where it is higher: for how long anything on the machine waited for a processor (``/proc/pressure/cpu``).
It says nothing of us, and a busy machine always has something that waits: at most `MOST` of it is left out.
On other systems this is an ordinary stopwatch.
"""

import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import psutil

MOST = 0.75
"""The part of the time that a busy machine may have taken: a bound of 1 s is one of 4 s there, and of 1 s elsewhere."""

PRESSURE = Path("/proc/pressure/cpu")

Result = TypeVar("Result")


class Stopwatch:
    """Runs from its creation. ``processes``: child processes do part of the work."""

    def __init__(self, *, processes: bool = False) -> None:
        self._processes = processes
        self._waits_before = self._waits()
        self._pressure_before = _pressure()
        self._began = time.monotonic()

    @property
    def seconds(self) -> float:
        """Seconds until now, without those that the machine took."""
        passed = time.monotonic() - self._began
        return passed - self._lost(passed)

    @property
    def lost(self) -> float:
        """The seconds that the machine took: by so many may another clock's time be longer."""
        return self._lost(time.monotonic() - self._began)

    def _lost(self, passed: float) -> float:
        before = self._waits_before
        ours = sum(wait - before.get(thread, 0.0) for thread, wait in self._waits().items())
        return max(ours, min(_pressure() - self._pressure_before, MOST * passed))

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


def _pressure() -> float:
    """Seconds since the machine's start in which anything waited for a processor; 0 if it is not counted."""
    with contextlib.suppress(OSError):
        return int(PRESSURE.read_text().splitlines()[0].rpartition("=")[2]) / 1e6
    return 0.0


def timed(call: Callable[[], Result]) -> tuple[Result, float]:
    """The result of the call, and the seconds that it took."""
    watch = Stopwatch()
    answer = call()
    return answer, watch.seconds
