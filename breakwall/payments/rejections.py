"""Warns of answers that only other settings can change: wrong credentials, a wrong address.

They say nothing about the service's health, so no circuit opens and the orders stay queued.
"""

import logging
import threading
from collections.abc import Callable

from breakwall.breaker import forking
from breakwall.payments.gateways.base import Advice, ChargeAnswer

log = logging.getLogger("breakwall.payments")

# Seconds between two warnings of a process: every attempt gets the same answer until the settings are
# corrected.
WARNING_INTERVAL = 60.0


class RejectionLog:
    """Warns of the first rejection, then once in `WARNING_INTERVAL` of how many there were. Safe for threads.

    Args:
        clock: seconds, monotonic.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._unreported = 0
        self._quiet_until = float("-inf")
        self.after_fork()
        forking.remember(self)

    def after_fork(self) -> None:
        """In a forked child: the lock may be held by a thread that this process does not have."""
        self._lock = threading.Lock()

    def record_answer(self, answer: ChargeAnswer) -> None:
        """Take any answer to a charge; only rejections are logged."""
        number = self._take_count() if answer.advice is Advice.RECONFIGURE else 0
        if number:
            log.warning(
                "%s (%s): %s The orders wait; `breakwall doctor` looks at the settings.",
                "a charge was rejected" if number == 1 else f"{number:,} charges were rejected, the last one",
                answer.code,
                answer.detail,
            )

    def _take_count(self) -> int:
        """How many to report now: 0 within `WARNING_INTERVAL` of the last warning."""
        now = self._clock()
        with self._lock:
            self._unreported += 1
            if now < self._quiet_until:
                return 0
            number, self._unreported, self._quiet_until = self._unreported, 0, now + WARNING_INTERVAL
            return number
