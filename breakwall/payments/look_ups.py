"""Looking up earlier charges, and how far "no such charge" can be believed.

A service without a look-up answers 404 to everything, and so says of each charge that it does not exist.
Believing that would charge twice. So each 404 is tried out: the service is asked for a charge that it is known
to have made, and then for the one in question again. Once a day is not enough: the way to a look-up that has
worked can be lost in an incident, and what stands in front of the service then answers 404 in its stead.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from breakwall.payments.gateways.base import Gateway, Health, LookUpAnswer, LookUpResult
from breakwall.payments.gateways.lookups import OTHER_STATUS

NOT_FOUND = "http_404"

DOUBT_SECONDS = 60.0
"""How long a look-up that failed its trial is not believed, before it is tried out again."""

_DENIES_ALL = (
    "The payment service says that there is no such charge, but also says so of a charge that it is known "
    "to have made: it has no look-up, or the way to it is lost. Until one works, only a person can tell "
    "whether this order was charged."
)
_NO_ROUTE = (
    "The payment service says that there is no such charge, but also that there is nothing at the address of "
    "its look-up: it has none, or the way to it is lost (BREAKWALL_PAYMENT_URL names where it should be)."
)
_NO_TELLING = (
    "The payment service says that there is no such charge, but not whether it has a look-up at all."
)


class LookUps:
    """Asks a gateway for earlier charges. Safe for threads.

    Args:
        gateway: whom to ask.
        known_key: the key of a charge that the service has made and had time to settle; None without one.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        gateway: Gateway,
        known_key: Callable[[], str | None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._gateway = gateway
        self._known_key = known_key
        self._clock = clock
        self._doubted_until = float("-inf")

    def look_up(self, idempotency_key: str, *, deadline: float, settled: bool) -> LookUpAnswer:
        """As `Gateway.look_up`; "absent" is only said where the look-up is not known to be none.

        Args:
            settled: the settle time has passed. Before, "absent" proves nothing, and is not tried out.

        Raises:
            DatabaseUnavailableError: there was no telling which charge to try the look-up out with.
        """
        answer = self._gateway.look_up(idempotency_key, deadline=deadline)
        if not _is_not_found(answer):
            return answer
        if not settled:
            return replace(answer, result=LookUpResult.ABSENT)
        doubt = self._try_out(answer, idempotency_key, deadline)
        if doubt is not None:
            return doubt
        # The way may have come back after that answer and before the trial.
        again = self._gateway.look_up(idempotency_key, deadline=deadline)
        if not _is_not_found(again):
            return again
        return replace(again, result=LookUpResult.ABSENT, health=Health.SUCCESS)

    def _try_out(self, answer: LookUpAnswer, idempotency_key: str, deadline: float) -> LookUpAnswer | None:
        """None where there is a look-up; else what the 404 in ``answer`` comes down to."""
        if self._clock() < self._doubted_until:
            return _not_believed(answer, _DENIES_ALL)
        known = self._known_key()
        if known is None:
            return self._ask_about_address(answer, idempotency_key, deadline)
        trial = self._gateway.look_up(known, deadline=deadline)
        if _is_not_found(trial):
            self._doubted_until = self._clock() + DOUBT_SECONDS
            return _not_believed(answer, _DENIES_ALL)
        if trial.result is LookUpResult.UNAVAILABLE and trial.code != OTHER_STATUS:
            return trial  # It has shown nothing: the next look-up tries again.
        return None  # It knows the charge, though perhaps as one that was refunded since.

    def _ask_about_address(
        self, answer: LookUpAnswer, idempotency_key: str, deadline: float
    ) -> LookUpAnswer | None:
        # Nothing to try the look-up out with, and waiting for something could wait for ever: the form of the
        # answer has to do, unless whoever gave it knows of no look-up.
        if answer.result is not LookUpResult.ABSENT:
            return answer
        offered = self._gateway.offers_look_up(idempotency_key, deadline=deadline)
        if offered:
            return None
        return _not_believed(answer, _NO_ROUTE if offered is False else _NO_TELLING)


def _not_believed(answer: LookUpAnswer, detail: str) -> LookUpAnswer:
    # Whoever answers so may be anybody: no sign that the service is well.
    return replace(answer, result=LookUpResult.UNAVAILABLE, health=Health.NEUTRAL, detail=detail)


def _is_not_found(answer: LookUpAnswer) -> bool:
    return answer.code == NOT_FOUND or answer.result is LookUpResult.ABSENT
