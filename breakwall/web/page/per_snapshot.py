"""What is read from the database once for each snapshot, however many pages show it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class PerSnapshot(Generic[T]):
    """What ``read`` returned with the newest snapshot. Thread-safe. ``before``: what holds until the first reading."""

    def __init__(self, read: Callable[[], T], before: T) -> None:
        self._read = read
        self._lock = threading.Lock()  # Around reading.
        self._number = -1  # Of the snapshot that was read with.
        self._found = before

    def with_snapshot(self, number: int) -> T:
        """It is read if the number is new. While one page waits for that, the others take what was read before."""
        if number > self._number and self._lock.acquire(blocking=self._number < 0):
            try:
                if number > self._number:
                    self._found, self._number = self._read(), number
            finally:
                self._lock.release()
        return self._found
