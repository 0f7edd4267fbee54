"""How long transactions may wait for locks."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

BUSY_SECONDS = 5.0
"""How long a transaction waits for another one's lock: many times the length of any of ours."""

LEAST_SECONDS = 0.1
"""What a transaction is left in any case: longer than one of ours holds a lock while nothing is wrong."""

DEADLINE = "breakwall_deadline"
"""An option of a connection: the moment, on the monotonic clock, until which its transaction waits for locks."""

UNBOUNDED = "breakwall_unbounded"
"""An option of a connection: no time-out ends its statements."""


class Patience:
    """What several transactions may wait for locks, all together.

    Whoever does one thing in several transactions hands the same one to each. It is for one thread.

    Args:
        seconds: in all.
        monotonic: the clock that waiting is measured on.
    """

    def __init__(
        self, seconds: float = BUSY_SECONDS, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self.left = seconds
        self._monotonic = monotonic

    @contextmanager
    def spent(self) -> Iterator[float]:
        """Take off what the block takes. Gives the moment until which it may wait."""
        began = self._monotonic()
        try:
            yield began + max(self.left, LEAST_SECONDS)
        finally:
            self.left -= self._monotonic() - began
