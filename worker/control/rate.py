"""This worker's share of the highest rate of the drain: each order waits for its turn before it is claimed."""

import threading
import time
from collections.abc import Callable

LONGEST_WAIT = 5.0  # Seconds for which an order waits in its slot; after that it is deferred.
STEP = 0.5  # Seconds after which a waiting order looks whether the rate has changed.
SLACK = 0.1  # Seconds by which a turn may be late without the next ones being later too.


class RateShare:
    """Spaces the orders that this worker begins: one in ``workers() / rate()`` seconds. Safe for threads.

    ``rate`` gives the fleet's highest rate in orders a second, None without one; ``workers`` how many live workers
    share it. Without a rate nothing waits. ``sleep`` waits, at most for the given seconds.
    """

    def __init__(
        self,
        rate: Callable[[], float | None],
        workers: Callable[[], int],
        *,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] | None = None,
    ) -> None:
        self._rate = rate
        self._workers = workers
        self._monotonic = monotonic
        self._ended = threading.Event()
        self._sleep = sleep or self._ended.wait
        self._lock = threading.Lock()
        self._next = monotonic()

    def wait_for_turn(self) -> float:
        """Wait until an order may begin, and return 0.0; or the seconds after which to ask again."""
        until = self._monotonic() + LONGEST_WAIT
        while (wait := self._take_turn()) > 0:
            if self._ended.is_set() or self._monotonic() >= until:
                return wait
            self._sleep(min(wait, STEP))
        return 0.0

    def end(self) -> None:
        """Let nothing wait any longer: the worker ends."""
        self._ended.set()

    def _take_turn(self) -> float:
        rate = self._rate()
        if rate is None:
            return 0.0
        interval = self._workers() / rate
        with self._lock:
            now = self._monotonic()
            # After a lower rate the next turn may be far away: no turn is farther than one interval.
            self._next = min(self._next, now + interval)
            if now < self._next:
                return self._next - now
            self._next = max(self._next, now - SLACK) + interval
            return 0.0
