"""This worker's share of the highest rate of the drain: each order takes a turn before it begins."""

import time
from collections.abc import Callable

SLACK = 0.1  # Seconds by which a turn may be late without the next ones being later too.


class RateShare:
    """Spaces the orders that this worker begins: one in ``workers() / rate()`` seconds. For one thread.

    ``rate`` gives the fleet's highest rate in orders a second, None without one; ``workers`` how many live workers
    share it.
    """

    def __init__(
        self,
        rate: Callable[[], float | None],
        workers: Callable[[], int],
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._rate = rate
        self._workers = workers
        self._monotonic = monotonic
        self._next = monotonic()

    def take_turns(self, most: int) -> int:
        """Take up to so many turns; returns how many orders may begin now. Never waits."""
        rate = self._rate()
        if rate is None:
            return most
        interval, now, taken = self._workers() / rate, self._monotonic(), 0
        # After a lower rate the next turn may be far away: no turn is farther than one interval.
        self._next = min(self._next, now + interval)
        while taken < most and self._next <= now:
            self._next = max(self._next, now - SLACK) + interval
            taken += 1
        return taken
