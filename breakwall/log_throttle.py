"""Bounds how often a log repeats itself."""

from __future__ import annotations

import time
from collections.abc import Callable

INTERVAL = 60.0
"""Seconds between two lines of the same kind."""


class LogThrottle:
    """Lets one line of each kind pass in `INTERVAL`. At worst two threads pass one each.

    Args:
        clock: seconds, monotonic.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._silent_until: dict[str, float] = {}

    def is_silent(self, kind: str = "") -> bool:
        """Whether a line of this kind was written within the interval."""
        now = self._clock()
        return now < self._silent_until.get(kind, now)

    def passes(self, kind: str = "") -> bool:
        """Whether a line of this kind may be written now; if so, the next ones may not for an interval."""
        if self.is_silent(kind):
            return False
        self.silence(kind)
        return True

    def silence(self, kind: str = "") -> None:
        """Let no line of this kind pass for an interval."""
        self._silent_until[kind] = self._clock() + INTERVAL
