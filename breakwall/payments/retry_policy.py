"""When an order is due again: exponential backoff with jitter, and the deferral while the circuit is open."""

from dataclasses import dataclass

# Seconds for which an open circuit defers an order at most. It may close much sooner than it says: a person may lift
# an override for a day after an hour. An early due time costs nothing, because nothing is published meanwhile.
LONGEST_DEFERRAL = 60.0


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Exponential backoff with full jitter. Times are seconds; ``jitter`` is a uniform random number from 0 to 1.

    Full jitter (uniform from zero to the bound) spreads many orders better than a fixed delay with some noise; see
    Marc Brooker, "Exponential Backoff and Jitter", AWS Architecture Blog, 2015.
    """

    base: float = 1.0
    cap: float = 600.0
    max_attempts: int = 30

    def backoff(self, tries: int, jitter: float) -> float:
        """The delay after ``tries`` tries."""
        # 2**63 exceeds the cap for all settings that are allowed.
        return jitter * min(self.cap, self.base * 2.0 ** min(tries, 63))

    def delay(self, tries: int, retry_after: float | None, jitter: float) -> float:
        """The backoff, but not earlier than the service asked for; jitter is added to what it asked."""
        backoff = self.backoff(tries, jitter)
        return backoff if retry_after is None else max(backoff, retry_after + jitter * self.base)


def deferral(retry_after: float, jitter: float) -> float:
    """For how many seconds a refused order is deferred, if the circuit says ``retry_after``.

    ``jitter``, a uniform random number from 0 to 1, adds up to a tenth, so that many orders spread.
    """
    return min(retry_after, LONGEST_DEFERRAL) * (1 + jitter / 10)
