"""When to read an order again while its end is awaited: often at first, then about once a second."""

from collections.abc import Callable

from breakwall.payments.orders import StoredOrder

FIRST_PAUSE = 0.01  # Seconds.
LONGEST_PAUSE = 1.0
GROWTH = 1.5


class Polling:
    """The pauses of one wait of ``timeout`` seconds, from now on the clock ``monotonic``."""

    def __init__(self, timeout: float, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._until = monotonic() + timeout
        self._pause = FIRST_PAUSE

    def next_pause(self, order: StoredOrder) -> float | None:
        """The seconds until the order is to be read again; None: it has ended, or the time is over."""
        left = self._until - self._monotonic()
        if order.status.is_final or left <= 0:
            return None
        pause, self._pause = min(self._pause, left), min(self._pause * GROWTH, LONGEST_PAUSE)
        return pause
