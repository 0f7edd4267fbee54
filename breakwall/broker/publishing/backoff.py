"""Leaves a broker alone for a moment after it failed."""

from __future__ import annotations

import threading
from collections.abc import Callable

PAUSE = 2.0
"""Seconds: long enough that an outage costs one slow publish in two seconds, and short enough that messages
flow again within two seconds of the broker's return."""


class Cooldown:
    """After a failure everybody skips the broker for `PAUSE`; then one tries and the others wait for it.

    Simpler than a circuit breaker on purpose: a skipped message loses nothing, so one failure is enough.

    Args:
        clock: seconds, monotonic.
        pause: seconds.
    """

    def __init__(self, *, clock: Callable[[], float], pause: float = PAUSE) -> None:
        self._clock = clock
        self._pause = pause
        self._lock = threading.Lock()
        self._until: float | None = None

    @property
    def failing(self) -> bool:
        """Whether it has failed since its last success."""
        return self._until is not None

    def over(self) -> bool:
        """Whether it is worth trying. Does not reserve the try: that is `enter`."""
        until = self._until
        return until is None or self._clock() >= until

    def enter(self) -> bool:
        """Whether the caller may try now. After a failure one may, and the rest wait for what it finds."""
        with self._lock:
            if self._until is None:
                return True
            if self._clock() < self._until:
                return False
            self._until = self._clock() + self._pause
            return True

    def failed(self) -> bool:
        """Note a failure; True where it is the first since the last success."""
        with self._lock:
            first = self._until is None
            self._until = self._clock() + self._pause
            return first

    def succeeded(self) -> None:
        if self._until is not None:
            with self._lock:
                self._until = None
