"""A token bucket: at most so many starts a second, evenly spread."""

import math

BURST_SECONDS = 0.2  # The starts of so many seconds may come at once.


class TokenBucket:
    """Empty at first, and each time that a rate begins. ``now`` is monotonic seconds. Its owner's lock guards it."""

    def __init__(self) -> None:
        self._rate: float | None = None
        self._tokens = 0.0
        self._at = 0.0

    def set_rate(self, rate: float | None, now: float) -> None:
        """Starts a second from now on, 0 for none; None: any number."""
        if rate == self._rate:
            return
        self._fill(now)
        if self._rate is None:
            self._tokens = 0.0
        self._rate = rate

    def wait(self, now: float) -> float:
        """Seconds until the next start; 0.0 if it may be now."""
        self._fill(now)
        if self._rate is None or self._tokens >= 1:
            return 0.0
        missing = (1 - self._tokens) / self._rate if self._rate else math.inf
        return max(0.0, self._at - now) + missing

    def take(self, now: float) -> None:
        """A start happens now."""
        self._fill(now)
        if self._rate is not None:
            self._tokens -= 1

    def empty_until(self, at: float) -> None:
        """It is empty, and begins to fill at that moment."""
        self._tokens, self._at = min(self._tokens, 0.0), max(self._at, at)

    def put_back(self) -> None:
        """A start did not happen after all."""
        if self._rate is not None:
            self._tokens += 1

    def tokens(self, now: float) -> int | None:
        """How many starts may happen now."""
        self._fill(now)
        return None if self._rate is None else max(0, int(self._tokens))

    def is_full(self, now: float) -> bool:
        """Whether nothing was started for so long that no more is saved up."""
        self._fill(now)
        return self._rate is None or self._tokens >= self._most

    @property
    def _most(self) -> float:
        return max(1.0, (self._rate or 0.0) * BURST_SECONDS)

    def _fill(self, now: float) -> None:
        passed, self._at = max(0.0, now - self._at), max(now, self._at)
        if self._rate is not None:
            self._tokens = min(self._most, self._tokens + passed * self._rate)
