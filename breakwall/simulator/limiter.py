"""Refuses requests above the throttle's rate."""

import threading

from breakwall.simulator.faults import Throttle


class Limiter:
    """A token bucket for the requests of one second, full at first."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._throttle: Throttle | None = None
        self._tokens = 0.0
        self._at = 0.0

    def admits(self, throttle: Throttle, now: float) -> bool:
        """Whether one more request is allowed at ``now`` (monotonic seconds)."""
        rate = throttle.rate_per_second
        if rate is None:
            return False
        with self._lock:
            if throttle != self._throttle:
                self._throttle, self._tokens, self._at = throttle, max(rate, 1.0), now
            self._tokens = min(self._tokens + (now - self._at) * rate, max(rate, 1.0))
            self._at = now
            if self._tokens < 1:
                return False
            self._tokens -= 1
            return True
