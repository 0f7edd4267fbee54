"""Looks up earlier charges, and tests whether "no such charge" can be trusted.

Many services answer 404 although the charge exists: a service without a look-up answers so to everything; a framework
may read a slash in a key in its own way; a column may be too short for the key. To trust such a 404 would charge twice.

So each 404 is tested: a known charge under a key of the same shape is looked up, then the charge in question once more.
If no such charge is known, no 404 is trusted. A test once a day is not enough: an incident may break the route to a
look-up that has worked, and a proxy in front answers instead.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from breakwall.payments.gateways.answer_bodies import UNREADABLE
from breakwall.payments.gateways.base import (
    CancellingGateway,
    ChargeRequest,
    Gateway,
    Health,
    LookupAnswer,
    LookupResult,
    PreparingGateway,
)
from breakwall.payments.gateways.lookup_answers import OTHER_STATUS
from breakwall.payments.keys import key_shape
from breakwall.payments.ledger.charges import KnownCharge
from breakwall.payments.verification import verified

NOT_FOUND = "http_404"

DISTRUST_SECONDS = 60.0  # How long look-ups by a shape of key are not trusted after one has failed its test.

_DENIES_ALL = (
    "It also says so of a known charge whose key has the same shape, so it is not trusted. It has no look-up, or none "
    "for such keys, or the look-up is not reachable. Until one works, only a person can tell whether this order was "
    "charged."
)
_FINDS_ANOTHER = (
    "Under the key of a known charge it finds another charge: its look-up does not compare the whole key. Only a "
    "person can tell whether this order was charged."
)
_NOT_SHOWN = (
    "It gives no ids of known charges, so it has not shown that it finds one. The next order that is paid may change "
    "that."
)
_NONE_KNOWN = (
    "That is trusted once a known charge is found in the same way. No charge under a key of this shape is known yet. "
    "The next order that is paid may change that."
)


class ChargeLookup:
    """Asks a gateway for earlier charges. Safe for threads.

    ``known`` returns the newest charges under keys of a shape, newest first, that are older than the settle time.
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
        self._distrusted_until: dict[str, float] = {}

    def look_up(self, request: ChargeRequest, *, deadline: float, age: float) -> LookupAnswer:
        """Ask for the charge of a request: by its id if it was prepared, else by its key; see `Gateway.look_up`.

        Answers "absent" only if that can be trusted.

        ``age``: seconds since the newest unresolved attempt ended. Before the settle time "absent" proves nothing, so
        it is not tested. Raises `DatabaseUnavailableError` if the known charges cannot be read.
        """
        if request.prepared is not None and isinstance(self._gateway, PreparingGateway):
            return _of_a_known_id(
                verified(self._gateway.look_up_prepared(request.prepared, deadline=deadline), request)
            )
        answer = self._ask(request, deadline)
        if not _is_not_found(answer):
            return answer
        if age < self._gateway.profile.absent_after:
            return replace(answer, result=LookupResult.ABSENT)
        distrusted = self._test(answer, key_shape(request.idempotency_key), deadline)
        if distrusted is not None:
            return distrusted
        # The route may have been restored between the answer and the test, so the question is asked again.
        again = self._ask(request, deadline)
        if not _is_not_found(again):
            return again
        return replace(again, result=LookupResult.ABSENT, health=Health.SUCCESS)

    def cancel(self, request: ChargeRequest, *, deadline: float) -> LookupAnswer:
        """Cancel the charge of a request; see `CancellingGateway.cancel`. "Not found" proves nothing here."""
        if not isinstance(self._gateway, CancellingGateway):
            raise TypeError("the gateway's profile says that it cancels, but it has no method `cancel`")
        answer = _of_a_known_id(verified(self._gateway.cancel(request, deadline=deadline), request))
        return (
            replace(answer, result=LookupResult.UNAVAILABLE)
            if answer.result is LookupResult.PREPARED
            else answer
        )

    def _ask(self, request: ChargeRequest, deadline: float) -> LookupAnswer:
        return verified(self._gateway.look_up(request.idempotency_key, deadline=deadline), request)

    def _test(self, not_found: LookupAnswer, shape: str, deadline: float) -> LookupAnswer | None:
        """None if a known charge of the shape is found; else the answer in place of the 404."""
        if self._clock() < self._distrusted_until.get(shape, float("-inf")):
            return _distrusted(not_found, _DENIES_ALL)
        result = _distrusted(not_found, _NONE_KNOWN)
        for charge in self._known(shape):
            found = self._look_up_twice(charge, deadline)
            if found.charge_id == charge.charge_id:
                return None
            if _is_not_found(found):
                self._distrust(shape)
                return _distrusted(not_found, _DENIES_ALL)
            if found.charge_id is not None:
                return _distrusted(not_found, _FINDS_ANOTHER)
            if found.result is LookupResult.UNAVAILABLE and found.code not in {OTHER_STATUS, UNREADABLE}:
                return found  # It proves nothing: the next look-up tests again.
            # It knows the charge, which may have been refunded since, but gives no id.
            result = _distrusted(not_found, _NOT_SHOWN)
        return result

    def _distrust(self, shape: str) -> None:
        now = self._clock()
        others = {other: until for other, until in self._distrusted_until.items() if until > now}
        self._distrusted_until = {**others, shape: now + DISTRUST_SECONDS}

    def _look_up_twice(self, charge: KnownCharge, deadline: float) -> LookupAnswer:
        """Look a known charge up twice in a row: if two servers take turns, one may not find it."""
        found = self._gateway.look_up(charge.key, deadline=deadline)
        if found.charge_id != charge.charge_id:
            return found
        return self._gateway.look_up(charge.key, deadline=deadline)


def _of_a_known_id(answer: LookupAnswer) -> LookupAnswer:
    """The answer about a charge that exists: "no such charge" comes from somewhere else, and proves nothing."""
    if answer.result is LookupResult.ABSENT:
        return replace(answer, result=LookupResult.UNAVAILABLE)
    return answer


def _distrusted(answer: LookupAnswer, detail: str) -> LookupAnswer:
    # The answer may come from any server in between, so it says nothing about the service's health.
    detail = f"The payment service says that there is no such charge. {detail}"
    return replace(answer, result=LookupResult.UNAVAILABLE, health=Health.NEUTRAL, detail=detail)


def _is_not_found(answer: LookupAnswer) -> bool:
    return answer.code == NOT_FOUND or answer.result is LookupResult.ABSENT
