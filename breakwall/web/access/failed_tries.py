"""Limits how many wrong tokens are tried, from one address and in all."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable

WINDOW = 60.0  # Seconds.
MOST_FROM_ONE = 10  # Wrong tokens from one address within a window.
MOST = 100  # Within a window in all; so many addresses are remembered.


class FailedTries:
    """Counts wrong tokens. Safe for threads. A valid token is not counted, and never refused because of others."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._began = monotonic()
        self._by_address: Counter[str] = Counter()
        self._lock = threading.Lock()

    def wait_of(self, address: str) -> float:
        """Seconds until another wrong token of this address is looked at; 0.0: now."""
        with self._lock:
            left = self._left()
            is_over = self._by_address[address] >= MOST_FROM_ONE or self._by_address.total() >= MOST
            return left if is_over else 0.0

    def add(self, address: str) -> None:
        """Count a wrong token."""
        with self._lock:
            self._left()
            if self._by_address.total() < MOST:
                self._by_address[address] += 1

    def _left(self) -> float:
        """Seconds until this window ends; a new one begins when the last one is over."""
        now = self._monotonic()
        if now >= self._began + WINDOW:
            self._began = now
            self._by_address.clear()
        return self._began + WINDOW - now
