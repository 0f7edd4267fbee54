"""Logs the same thing at most once a minute, so that a failure that repeats each second does not fill the log."""

import threading
import time
from collections.abc import Callable

INTERVAL = 60.0  # Seconds between two lines of the same kind.


class LogThrottle:
    """Decides whether to log something now. Thread-safe."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._seen: dict[str, tuple[float, int]] = {}

    def admit(self, kind: str = "") -> int:
        """How often ``kind`` came since its last line, this time included. 0: do not log it now."""
        now = self._clock()
        with self._lock:
            self._forget(now)
            silent_until, held_back = self._seen.get(kind, (now, 0))
            if now < silent_until:
                self._seen[kind] = (silent_until, held_back + 1)
                return 0
            self._seen[kind] = (now + INTERVAL, 0)
            return held_back + 1

    def silence(self, kind: str = "") -> None:
        """Admit no line of this kind for an interval."""
        with self._lock:
            self._seen[kind] = (self._clock() + INTERVAL, 0)

    def _forget(self, now: float) -> None:
        # Sentences hold ids and numbers, so there may be any number of different ones.
        self._seen = {kind: (until, n) for kind, (until, n) in self._seen.items() if now < until or n}


def throttled(
    write: Callable[[str], None], clock: Callable[[], float] = time.monotonic
) -> Callable[[str], None]:
    """``write``, for the same sentence at most once a minute."""
    throttle = LogThrottle(clock)

    def write_throttled(sentence: str) -> None:
        if throttle.admit(sentence):
            write(sentence)

    return write_throttled
