"""A pause after a failure of the broker."""

import threading
from collections.abc import Callable

# Seconds: an outage costs one slow publish in that time, and messages flow again so soon after the broker's return.
PAUSE = 2.0


class Backoff:
    """After a failure no thread tries for `PAUSE`; then one thread tries, and the others wait for its result.

    One failure is enough, unlike in a circuit breaker: a skipped message loses nothing.
    """

    def __init__(self, *, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._until: float | None = None

    @property
    def is_failing(self) -> bool:
        """Whether it failed after its last success."""
        return self._until is not None

    def is_over(self) -> bool:
        """Whether the pause is over. Reserves no try; `try_enter` does."""
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
        """Returns whether it is the first one after a success."""
        with self._lock:
            first = self._until is None
            self._until = self._clock() + PAUSE
            return first

    def record_success(self) -> None:
        if self._until is not None:
            with self._lock:
                self._until = None
