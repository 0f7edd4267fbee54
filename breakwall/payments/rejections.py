"""Warns of answers that only other settings can change: wrong credentials, a wrong address.

They say nothing about the service's health, so no circuit opens, and each of them uses up an attempt of its order.
"""

import logging
from collections.abc import Callable

from breakwall.breaker import forking
from breakwall.log_throttle import LogThrottle
from breakwall.payments.gateways.base import Advice, ChargeAnswer

log = logging.getLogger("breakwall.payments")


class RejectionLog:
    """Warns of the first rejection, then at most once a minute of how many there were. Safe for threads.

    Every attempt gets the same answer until the settings are corrected. ``clock``: seconds, monotonic.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.after_fork()
        forking.remember(self)

    def after_fork(self) -> None:
        """In a forked child: a thread that this process does not have may hold the throttle's lock."""
        self._throttle = LogThrottle(self._clock)

    def record_answer(self, answer: ChargeAnswer) -> None:
        """Take any answer to a charge; only rejections are logged."""
        number = self._throttle.admit() if answer.advice is Advice.RECONFIGURE else 0
        if number:
            log.warning(
                "%s (%s): %s Each rejection uses up an attempt of its order; `breakwall doctor` checks the settings.",
                "a charge was rejected" if number == 1 else f"{number:,} charges were rejected, the last one",
                answer.code,
                answer.detail,
            )
