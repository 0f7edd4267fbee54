"""A token bucket: at most so many starts a second, evenly spread."""

BURST_SECONDS = 0.2  # The starts of so many seconds may come at once.


class TokenBucket:
    """``now`` is monotonic seconds. Its owner's lock guards it."""

    def __init__(self) -> None:
        self._rate: float | None = None
        self._tokens = 1.0
        self._at: float | None = None

    def set_rate(self, rate: float | None) -> None:
        """Starts a second; None: any number."""
        self._rate = rate

    def wait(self, now: float) -> float:
        """Seconds until the next start; 0.0 if it may be now."""
        self._fill(now)
        if self._rate is None or self._tokens >= 1:
            return 0.0
        return (1 - self._tokens) / self._rate

    def take(self, now: float) -> None:
        """A start happens now."""
        self._fill(now)
        if self._rate is not None:
            self._tokens -= 1

    def tokens(self, now: float) -> int | None:
        """How many starts may happen now."""
        self._fill(now)
        return None if self._rate is None else int(self._tokens)

    def _fill(self, now: float) -> None:
        passed = now - (now if self._at is None else self._at)
        self._at = now
        if self._rate is not None:
            most = max(1.0, self._rate * BURST_SECONDS)
            self._tokens = min(most, self._tokens + passed * self._rate)
