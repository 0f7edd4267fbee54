"""A payment service and its gateway in one object, with the faults of real ones. Its clock is the rehearsal's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from breakwall.payments.gateways import (
    Advice,
    ChargeAnswer,
    ChargeRequest,
    GatewayProfile,
    Health,
    LookupAnswer,
    LookupResult,
    Outcome,
    Prepared,
)
from breakwall.rehearsal.measurements import Measurement
from breakwall.rehearsal.promises import Promises
from breakwall.rehearsal.questions import Ask
from breakwall.rehearsal.requests import Requests, Terms
from breakwall.rehearsal.sandbox import RehearsalLimits, Sandbox
from tests.manual_clock import MonotonicClock

PROFILE = GatewayProfile(deduplicates=True, key_life=86_400, looks_up=True, absent_after=30)
TERMS = Terms(1, "USD", "pm_good", "pm_bad")
REUSED = ChargeAnswer(Outcome.UNKNOWN, Health.SUCCESS, code="key_reused", advice=Advice.REVIEW)
BROKE_DOWN = ChargeAnswer(Outcome.UNKNOWN, Health.FAILURE, code="http_500")
DECLINED = ChargeAnswer(Outcome.DECLINED, Health.SUCCESS, code="card_declined")
BUSY = ChargeAnswer(Outcome.THROTTLED, Health.THROTTLED, code="http_429", retry_after=2.0)
RUNNING = ChargeAnswer(Outcome.UNKNOWN, Health.SUCCESS, code="http_409", advice=Advice.LOOK_AGAIN)
NOTHING = ChargeAnswer(Outcome.FAILED, Health.SUCCESS, code="no_such_thing")
ABSENT = LookupAnswer(LookupResult.ABSENT, Health.SUCCESS)


@dataclass
class Booked:
    id: str
    key: str
    amount: int
    at: float


@dataclass
class ServiceDouble:
    """Charges once for each key; its attributes make it worse."""

    profile: GatewayProfile = PROFILE
    clock: MonotonicClock = field(default_factory=MonotonicClock)
    deduplicates: bool = True
    same_amount_only: bool = True
    keep: Callable[[str], str] = str  # how it stores a key
    find: Callable[[str], str] = str  # how it reads a key that is looked up
    delay: float = 0.0  # seconds until a look-up finds a charge
    unknown: LookupAnswer = ABSENT  # about a key that it does not know
    repeated: ChargeAnswer | None = None  # its answer to a key that it knows
    ids_are_keys: bool = False
    next: list[ChargeAnswer] = field(default_factory=list)  # instead of a charge
    booked: list[Booked] = field(default_factory=list)

    def charge(self, request: ChargeRequest, *, deadline: float) -> ChargeAnswer:
        if self.next:
            return self.next.pop(0)
        if request.payment_method == TERMS.declined_payment_method:
            return DECLINED
        key = self.keep(request.idempotency_key)
        known = next((one for one in self.booked if one.key == key), None)
        if known is not None and self.repeated is not None:
            return self.repeated
        if known is not None and self.deduplicates:
            return _paid(known) if known.amount == request.amount or not self.same_amount_only else REUSED
        charge_id = request.idempotency_key if self.ids_are_keys else f"ch_{len(self.booked) + 1}"
        self.booked.append(Booked(charge_id, key, request.amount, self.clock.now))
        return _paid(self.booked[-1])

    def look_up(self, idempotency_key: str, *, deadline: float) -> LookupAnswer:
        key, latest = self.find(self.keep(idempotency_key)), self.clock.now - self.delay
        found = next((one for one in self.booked if one.key == key and one.at <= latest), None)
        return self.unknown if found is None else _found(found)

    def close(self) -> None:
        pass


@dataclass
class PreparingDouble(ServiceDouble):
    """Prepares and cancels, too."""

    charges_early: bool = False  # when it is prepared
    charges_cancelled: bool = False
    cancelled: set[str] = field(default_factory=set)

    def prepare(self, request: ChargeRequest, *, deadline: float) -> Prepared | ChargeAnswer:
        if self.charges_early:
            super().charge(request, deadline=deadline)
        return Prepared(f"pi_{request.idempotency_key}")

    def charge(self, request: ChargeRequest, *, deadline: float) -> ChargeAnswer:
        if request.prepared in self.cancelled and not self.charges_cancelled:
            return NOTHING
        return super().charge(request, deadline=deadline)

    def look_up_prepared(self, prepared: str, *, deadline: float) -> LookupAnswer:
        if prepared in self.cancelled:
            return LookupAnswer(LookupResult.CANCELLED, Health.SUCCESS)
        found = self.look_up(prepared.removeprefix("pi_"), deadline=deadline)
        return found if found.charge_id else LookupAnswer(LookupResult.PREPARED, Health.SUCCESS)

    def cancel(self, request: ChargeRequest, *, deadline: float) -> LookupAnswer:
        if request.prepared is None:
            return self.look_up(request.idempotency_key, deadline=deadline)
        found = self.look_up_prepared(request.prepared, deadline=deadline)
        if found.result is LookupResult.PREPARED:
            self.cancelled.add(request.prepared)
            return LookupAnswer(LookupResult.CANCELLED, Health.SUCCESS)
        return found


def _paid(charge: Booked) -> ChargeAnswer:
    return ChargeAnswer(Outcome.SUCCEEDED, Health.SUCCESS, charge_id=charge.id)


def _found(charge: Booked) -> LookupAnswer:
    return LookupAnswer(LookupResult.SUCCEEDED, Health.SUCCESS, charge_id=charge.id)


def sandbox_of(
    service: ServiceDouble,
    limits: RehearsalLimits | None = None,
    *,
    caller_keys: bool = False,
    terms: Terms = TERMS,
) -> Sandbox:
    """A sandbox whose waits take no time."""
    requests = Requests(terms, caller_keys=caller_keys, run="test")
    return Sandbox(
        service, requests, limits or RehearsalLimits(), clock=service.clock, sleep=service.clock.advance
    )


def asked(
    ask: Ask, service: ServiceDouble, *, caller_keys: bool = False, **options: Terms
) -> list[Measurement]:
    """What a question measures."""
    promises = Promises(service.profile, caller_keys)
    return list(ask(sandbox_of(service, caller_keys=caller_keys, **options), promises))
