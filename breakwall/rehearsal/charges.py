"""The charges that the rehearsal has made, as far as they can be seen: by ids in answers, and by look-ups."""

import threading
from collections import Counter
from dataclasses import dataclass

from breakwall.payments.gateways import ChargeAnswer, ChargeRequest, LookupAnswer, LookupResult, Outcome


@dataclass(frozen=True, slots=True)
class MadeCharge:
    """One charge of the sandbox. ``charge_id`` None: perhaps there is one more under this key."""

    key: str
    reference: str
    amount: int  # minor units of `currency`
    currency: str
    charge_id: str | None


class MadeCharges:
    """All charges, in the order in which they were seen. Threads may share it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requests: dict[str, ChargeRequest] = {}
        self._found: dict[tuple[str, str], MadeCharge] = {}
        self._unknown: Counter[str] = Counter()

    def sending(self, request: ChargeRequest) -> None:
        """A request is about to be sent. Whatever happens now, it may have charged."""
        with self._lock:
            self._requests.setdefault(request.idempotency_key, request)
            self._unknown[request.idempotency_key] += 1

    def answered(self, request: ChargeRequest, answer: ChargeAnswer) -> None:
        with self._lock:
            if answer.outcome is not Outcome.UNKNOWN:
                self._unknown[request.idempotency_key] -= 1
            if answer.outcome is Outcome.SUCCEEDED:
                self._add(request, answer.charge_id)

    def looked_up(self, request: ChargeRequest, answer: LookupAnswer) -> None:
        """What a look-up says about a key counts for all requests under it."""
        with self._lock:
            if answer.result not in {LookupResult.UNAVAILABLE, LookupResult.PROCESSING}:
                self._unknown[request.idempotency_key] = 0
            if answer.result is LookupResult.SUCCEEDED:
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
                _charge(request, None) for key, request in self._requests.items() if self._unknown[key] > 0
            ]
            return [*reversed(seen.values()), *perhaps]

    def _add(self, request: ChargeRequest, charge_id: str | None) -> None:
        if charge_id is not None:
            self._found.setdefault((request.idempotency_key, charge_id), _charge(request, charge_id))


def _charge(request: ChargeRequest, charge_id: str | None) -> MadeCharge:
    return MadeCharge(
        request.idempotency_key, str(request.reference), request.amount, request.currency, charge_id
    )
