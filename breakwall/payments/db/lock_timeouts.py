"""How long transactions may wait for locks."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

# Seconds that a transaction waits for the lock of another one: many times the length of any of ours.
LOCK_TIMEOUT = 5.0

# Seconds that a transaction may wait even if its budget is spent: ours hold no lock for longer while all is
# well.
MIN_LOCK_TIMEOUT = 0.1

# An option of a connection: its transaction waits for locks until this moment of the monotonic clock.
LOCK_DEADLINE = "breakwall_deadline"

NO_TIMEOUTS = "breakwall_unbounded"  # An option of a connection: no timeout ends its statements.


class LockBudget:
    """How long several transactions may wait for locks, all together: `LOCK_TIMEOUT`.

    For one thread that does one thing in several transactions and passes the same budget to each.
    """

    def __init__(self) -> None:
        self._left = LOCK_TIMEOUT

    @contextmanager
    def deadline(self) -> Iterator[float]:
        """Give the moment until which the block may wait, and subtract what the block takes."""
        began = time.monotonic()
        try:
            yield began + max(self._left, MIN_LOCK_TIMEOUT)
        finally:
            self._left -= time.monotonic() - began
