"""Circuits in this process's memory, shared by its threads."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from breakwall.breaker.stores import ABSENT, Record


def steady_time() -> Callable[[], float]:
    """A clock that starts at the time of day and then only ever runs forward."""
    offset = time.time() - time.monotonic()
    return lambda: time.monotonic() + offset


class MemoryStore:
    """A dictionary and a lock.

    Args:
        clock: the store's time, seconds; by default the time of day, free of later adjustments.
    """

    remote = False

    def __init__(self, clock: Callable[[], float] | None = None) -> None:
        self._clock = clock or steady_time()
        self._lock = threading.Lock()
        self._texts: dict[str, tuple[str, str]] = {}

    def load(self, name: str) -> Record:
        with self._lock:
            return self._record(name)

    def swap(self, name: str, seen: str, version: str, text: str) -> tuple[bool, Record]:
        with self._lock:
            won = self._record(name).version == seen
            if won:
                self._texts[name] = (version, text)
            return won, self._record(name)

    def close(self) -> None:
        """Nothing to close: what is stored stays."""

    def forget_connections(self) -> None:
        # The lock may have been held by a thread that the child does not have.
        self._lock = threading.Lock()

    def _record(self, name: str) -> Record:
        version, text = self._texts.get(name, (ABSENT, None))
        return Record(version, text, self._clock())
