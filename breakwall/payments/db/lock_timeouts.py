"""How long transactions may wait for locks."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

LOCK_TIMEOUT = 5.0  # Seconds that a transaction waits for a lock: ours hold one for a small part of that.

# Seconds that a transaction may wait after its budget is spent: normally ours hold no lock for longer.
MIN_LOCK_TIMEOUT = 0.1

# Options of a connection: the moment of the monotonic clock until which its transaction waits for locks, and whether no
# timeout ends its statements.
LOCK_DEADLINE = "breakwall_deadline"
NO_TIMEOUTS = "breakwall_unbounded"


class LockBudget:
    """How long the transactions of one call, all in one thread, may wait for locks together.

    ``seconds``: at most so long, if its caller waits less than `LOCK_TIMEOUT`.
    """

    def __init__(self, seconds: float | None = None) -> None:
        self._left = LOCK_TIMEOUT if seconds is None else min(seconds, LOCK_TIMEOUT)

    @contextmanager
    def deadline(self) -> Iterator[float]:
        """The moment until which the block may wait. The time that the block takes is subtracted."""
        began = time.monotonic()
        try:
            yield began + max(self._left, MIN_LOCK_TIMEOUT)
        finally:
            self._left -= time.monotonic() - began
