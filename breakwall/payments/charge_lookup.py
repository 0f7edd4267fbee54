"""Looking up earlier charges, and how far "no such charge" can be believed.

A service without a look-up answers 404 to everything, and so does one whose framework reads a slash in a key its
own way, or whose column is too short for it. Believing that would charge twice. So each 404 is tried out: the service
is asked, in the same way, for a charge that it is known to have made, under a key of the same shape, and then for the
one in question again. Where no such charge is known, nothing is believed. Once a day is not enough: the way to a
look-up that has worked can be lost in an incident, and what stands in front of the service then answers in its stead.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from breakwall.payments.gateways.base import ChargeRequest, Gateway, Health, LookUpAnswer, LookUpResult
from breakwall.payments.gateways.lookup_answers import OTHER_STATUS, UNREADABLE
from breakwall.payments.keys import key_shape
from breakwall.payments.ledger.charges import KnownCharge
from breakwall.payments.verification import checked

NOT_FOUND = "http_404"

DOUBT_SECONDS = 60.0
"""How long look-ups by a shape of key are not believed after one has failed its trial."""

_DENIES_ALL = (
    "The payment service says that there is no such charge, but also says so of a charge that it is known "
    "to have made under a key of the same shape: it has no look-up, or none for such keys, or the way to it is "
    "lost. Until one works, only a person can tell whether this order was charged."
)
_FINDS_ANOTHER = (
    "The payment service says that there is no such charge, but under the key of a charge that it is known to have "
    "made it tells of another one: its look-up does not go by the whole key. Only a person can tell."
)
_NOT_SHOWN = (
    "The payment service says that there is no such charge, and of charges that it is known to have made it does not "
    "say which they are: so it has not shown that it finds one. The next order that is paid may change that."
)
_NONE_KNOWN = (
    "The payment service says that there is no such charge. That is believed once a charge that is known to be there "
    "is found in the same way, and none under a key of this shape is known yet. The next order that is paid may "
    "change that."
)


class LookUps:
    """Asks a gateway for earlier charges. Safe for threads.

    Args:
        gateway: whom to ask.
        known: the newest charges under keys of this shape that the service has had time to settle, newest first.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        gateway: Gateway,
        known: Callable[[str], Sequence[KnownCharge]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._gateway = gateway
        self._known = known
        self._clock = clock
        self._doubted_until: dict[str, float] = {}

    def look_up(self, request: ChargeRequest, *, deadline: float, settled: bool) -> LookUpAnswer:
        """Ask for the charge of a request; see `Gateway.look_up`. "Absent" is only said where it is believed.

        Args:
            settled: the settle time has passed. Before, "absent" proves nothing, and is not tried out.

        Raises:
            DatabaseUnavailableError: there was no telling which charge to try the look-up out with.
        """
        answer = self._ask(request, deadline)
        if not _is_not_found(answer):
            return answer
        if not settled:
            return replace(answer, result=LookUpResult.ABSENT)
        doubt = self._try_out(answer, key_shape(request.idempotency_key), deadline)
        if doubt is not None:
            return doubt
        # The way may have come back after that answer and before the trial.
        again = self._ask(request, deadline)
        if not _is_not_found(again):
            return again
        return replace(again, result=LookUpResult.ABSENT, health=Health.SUCCESS)

    def _ask(self, request: ChargeRequest, deadline: float) -> LookUpAnswer:
        return checked(self._gateway.look_up(request.idempotency_key, deadline=deadline), request)

    def _try_out(self, answer: LookUpAnswer, shape: str, deadline: float) -> LookUpAnswer | None:
        """None where a known charge of the shape is found; else what the 404 in ``answer`` comes down to."""
        if self._clock() < self._doubted_until.get(shape, float("-inf")):
            return _not_believed(answer, _DENIES_ALL)
        doubt = _not_believed(answer, _NONE_KNOWN)
        for charge in self._known(shape):
            told = self._trial(charge, deadline)
            if told.charge_id == charge.charge_id:
                return None
            if _is_not_found(told):
                self._doubt(shape)
                return _not_believed(answer, _DENIES_ALL)
            if told.charge_id is not None:
                return _not_believed(answer, _FINDS_ANOTHER)
            if told.result is LookUpResult.UNAVAILABLE and told.code not in {OTHER_STATUS, UNREADABLE}:
                return told  # It has shown nothing: the next look-up tries again.
            # It knows the charge, perhaps as one that was refunded since, and does not say which it is.
            doubt = _not_believed(answer, _NOT_SHOWN)
        return doubt

    def _doubt(self, shape: str) -> None:
        now = self._clock()
        still = {other: until for other, until in self._doubted_until.items() if until > now}
        self._doubted_until = {**still, shape: now + DOUBT_SECONDS}

    def _trial(self, charge: KnownCharge, deadline: float) -> LookUpAnswer:
        """Ask for a known charge, twice in a row: of two servers that take turns, one may be blind."""
        told = self._gateway.look_up(charge.key, deadline=deadline)
        if told.charge_id != charge.charge_id:
            return told
        return self._gateway.look_up(charge.key, deadline=deadline)


def _not_believed(answer: LookUpAnswer, detail: str) -> LookUpAnswer:
    # Whoever answers so may be anybody: no sign that the service is well.
    return replace(answer, result=LookUpResult.UNAVAILABLE, health=Health.NEUTRAL, detail=detail)


def _is_not_found(answer: LookUpAnswer) -> bool:
    return answer.code == NOT_FOUND or answer.result is LookUpResult.ABSENT
