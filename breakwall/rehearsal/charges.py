"""The charges that the rehearsal has made, as far as they can be seen: by ids in answers, and by look-ups."""

import math
import threading
from collections import defaultdict
from dataclasses import dataclass

from breakwall.payments.gateways import (
    Advice,
    ChargeAnswer,
    ChargeRequest,
    Health,
    LookupAnswer,
    LookupResult,
    Outcome,
)

_NOTHING_YET = {LookupResult.ABSENT, LookupResult.PREPARED}
_NEVER = {LookupResult.CANCELLED, LookupResult.DECLINED}
_SAYS_NOTHING = {Advice.RETRY, Advice.RECONFIGURE}


def is_refusal(answer: ChargeAnswer) -> bool:
    """The service knows the key, and says so. What something before it answers, or what was not sent, does not."""
    was_read = answer.health is not Health.FAILURE and answer.advice not in _SAYS_NOTHING
    return was_read and answer.outcome not in {Outcome.SUCCEEDED, Outcome.NOT_SENT}


@dataclass(frozen=True, slots=True)
class MadeCharge:
    """One charge of the sandbox. ``charge_id`` None: perhaps there is one more under this key; one entry for each."""

    key: str
    reference: str
    amount: int  # minor units of `currency`
    currency: str
    charge_id: str | None


class MadeCharges:
    """All charges, in the order in which they were seen. Threads may share it.

    ``absent_after``: seconds after the end of a request, before which "no such charge" says nothing about it.
    """

    def __init__(self, absent_after: float = 0.0) -> None:
        self._lock, self._absent_after = threading.Lock(), absent_after
        self._requests: dict[str, ChargeRequest] = {}
        self._found: dict[tuple[str, str], MadeCharge] = {}
        # By key: when each request ended of which it is not known whether it charged; infinity: it has not ended.
        self._unknown: defaultdict[str, list[float]] = defaultdict(list)
        self._refused: defaultdict[str, list[float]] = defaultdict(list)

    def sending(self, request: ChargeRequest, deliveries: int = 1) -> None:
        """A request is about to be sent. Whatever happens now, each delivery of it may have charged."""
        with self._lock:
            self._requests.setdefault(request.idempotency_key, request)
            self._unknown[request.idempotency_key] += [math.inf] * deliveries

    def answered(
        self, request: ChargeRequest, answer: ChargeAnswer, at: float = 0.0, deliveries: int = 1
    ) -> None:
        """The answer to the last delivery, at this time. Of the others none was seen."""
        key = request.idempotency_key
        with self._lock:
            for _ in range(deliveries):
                self._unknown[key].remove(math.inf)
            self._unknown[key] += [at] * (deliveries - 1)
            if answer.outcome is Outcome.UNKNOWN:
                (self._refused if is_refusal(answer) else self._unknown)[key].append(at)
            if answer.outcome is Outcome.SUCCEEDED:
                self._add(request, answer.charge_id)

    def looked_up(self, request: ChargeRequest, answer: LookupAnswer, at: float = 0.0) -> None:
        """What a look-up at this time says of a key: a charge that was not seen before is that of one request."""
        key = request.idempotency_key
        with self._lock:
            for open_ones in (self._unknown[key], self._refused[key]):
                if answer.result in _NEVER:
                    open_ones.clear()
                elif answer.result in _NOTHING_YET:
                    open_ones[:] = [ended for ended in open_ones if ended + self._absent_after > at]
            if answer.result is LookupResult.SUCCEEDED:
                if self._unknown[key] and (key, answer.charge_id) not in self._found:
                    self._unknown[key].remove(min(self._unknown[key]))
                self._add(request, answer.charge_id)

    def ids(self, request: ChargeRequest) -> set[str]:
        """The ids of the charges under the request's key."""
        with self._lock:
            return {charge_id for key, charge_id in self._found if key == request.idempotency_key}

    def keys_by_id(self) -> dict[str, list[str]]:
        """The keys under which each charge was seen."""
        found: dict[str, list[str]] = {}
        with self._lock:
            for key, charge_id in self._found:
                found.setdefault(charge_id, []).append(key)
        return found

    def all(self) -> list[MadeCharge]:
        """Those that were seen, each once, then those that may be there."""
        with self._lock:
            seen = {charge.charge_id: charge for charge in reversed(self._found.values())}
            perhaps = [
                _charge(request, None) for key, request in self._requests.items() for _ in self._open(key)
            ]
            return [*reversed(seen.values()), *perhaps]

    def _open(self, key: str) -> list[float]:
        """The requests that may have charged. A refusal charged nothing if there is a charge that it may speak of."""
        is_seen = any(key == found for found, _ in self._found)
        return self._unknown[key] if is_seen else self._unknown[key] + self._refused[key]

    def _add(self, request: ChargeRequest, charge_id: str | None) -> None:
        if charge_id is not None:
            self._found.setdefault((request.idempotency_key, charge_id), _charge(request, charge_id))


def _charge(request: ChargeRequest, charge_id: str | None) -> MadeCharge:
    return MadeCharge(
        request.idempotency_key, str(request.reference), request.amount, request.currency, charge_id
    )
