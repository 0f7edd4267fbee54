"""When an order is due again: exponential backoff with jitter, and the wait while the circuit is open."""

from dataclasses import dataclass

# Seconds for which an open circuit defers an order at most. It may close much sooner than it says: an override
# for a day may be lifted after an hour. An early due time costs nothing, because nothing is published while the
# circuit is open.
LONGEST_DEFERRAL = 60.0


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Exponential backoff with full jitter. Times are seconds; ``jitter`` is a uniform random number from 0 to 1.

    Full jitter (uniform from zero to the bound) spreads a crowd better than a fixed delay with
    some noise; see Marc Brooker, "Exponential Backoff and Jitter", AWS Architecture Blog, 2015.
    """

    base: float = 1.0
    cap: float = 600.0
    max_attempts: int = 30

    def backoff(self, tries: int, jitter: float) -> float:
        """The delay after ``tries`` tries."""
        # Beyond 2**63 the bound is the cap for any settings that are allowed.
        return jitter * min(self.cap, self.base * 2.0 ** min(tries, 63))

    def delay(self, tries: int, retry_after: float | None, jitter: float) -> float:
        """The backoff, but not earlier than the service asked for; jitter is added to what it asked."""
        backoff = self.backoff(tries, jitter)
        return backoff if retry_after is None else max(backoff, retry_after + jitter * self.base)


def deferral(retry_after: float, jitter: float) -> float:
    """For how many seconds an order is deferred that the circuit refused.

    Args:
        retry_after: seconds, what the circuit says.
        jitter: a uniform random number from 0 to 1. It makes the time up to a tenth longer, so that a crowd spreads.
    """
    return min(retry_after, LONGEST_DEFERRAL) * (1 + jitter / 10)
