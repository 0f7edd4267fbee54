"""Leaves the broker alone for a moment after it failed."""

import threading
from collections.abc import Callable

# Seconds: long enough that an outage costs one slow publish in two seconds, and short enough that messages flow
# again within two seconds of the broker's return.
PAUSE = 2.0


class Backoff:
    """After a failure no thread tries for `PAUSE`; then one tries, and the others wait for what it finds.

    Simpler than a circuit breaker on purpose: a skipped message loses nothing, so one failure is enough.

    Args:
        clock: seconds, monotonic.
    """

    def __init__(self, *, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._until: float | None = None

    @property
    def is_failing(self) -> bool:
        """Whether it has failed since its last success."""
        return self._until is not None

    def is_over(self) -> bool:
        """Whether a try makes sense now. Does not reserve one: that is `try_enter`."""
        until = self._until
        return until is None or self._clock() >= until

    def try_enter(self) -> bool:
        """Whether the caller may try now."""
        with self._lock:
            if self._until is None:
                return True
            if self._clock() < self._until:
                return False
            self._until = self._clock() + PAUSE
            return True

    def record_failure(self) -> bool:
        """Returns whether it is the first one since the last success."""
        with self._lock:
            first = self._until is None
            self._until = self._clock() + PAUSE
            return first

    def record_success(self) -> None:
        if self._until is not None:
            with self._lock:
                self._until = None
