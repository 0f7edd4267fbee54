"""Logs the same thing at most once a minute: a failure that repeats each second would otherwise fill the log."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

PAUSE = 60.0
"""Seconds between two lines about the same thing."""


class LogThrottle:
    """Decides whether to log something now. Safe for threads.

    Args:
        clock: seconds, monotonic.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._seen: dict[str, tuple[float, int]] = {}

    def admit(self, key: str) -> int:
        """Returns how many times ``key`` came since it was last logged, this time included; 0: do not log it now."""
        now = self._clock()
        with self._lock:
            self._forget(now)
            quiet_until, held_back = self._seen.get(key, (now, 0))
            if now < quiet_until:
                self._seen[key] = (quiet_until, held_back + 1)
                return 0
            self._seen[key] = (now + PAUSE, 0)
            return held_back + 1

    def _forget(self, now: float) -> None:
        # Sentences hold ids and numbers, so that there is no end of different ones.
        self._seen = {key: (until, n) for key, (until, n) in self._seen.items() if now < until or n}


def throttled(
    write: Callable[[str], None], clock: Callable[[], float] = time.monotonic
) -> Callable[[str], None]:
    """``write``, for the same sentence at most once a minute."""
    throttle = LogThrottle(clock)

    def write_throttled(sentence: str) -> None:
        if throttle.admit(sentence):
            write(sentence)

    return write_throttled
