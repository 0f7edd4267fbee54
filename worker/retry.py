"""Works on one queued order: finishes, charges or looks it up. Start reading at `Retrier.run`."""

import time
from collections.abc import Callable
from dataclasses import replace

from breakwall.breaker import CircuitBreaker, CircuitBreakerError, Permit
from breakwall.crashpoints import reach
from breakwall.payments.charge_lookup import ChargeLookup
from breakwall.payments.charging import Charger, released_on_error, report_health
from breakwall.payments.decisions import Step, after_look_up, next_step
from breakwall.payments.gateways.base import LookupAnswer, LookupResult
from breakwall.payments.ledger.charges import KnownCharge, known_charges
from breakwall.payments.ledger.claim import Claim
from breakwall.payments.orders import EndReason, OrderStatus
from breakwall.payments.retry_policy import deferral

_REASONS = {
    Step.DECLINE: (OrderStatus.DECLINED, EndReason.DECLINED, "Declined, by an answer that came late."),
    Step.CANCEL: (
        OrderStatus.CANCELLED,
        EndReason.REQUESTED,
        "Cancelled; none of its attempts is unresolved.",
    ),
    Step.EXPIRE: (
        OrderStatus.CANCELLED,
        EndReason.EXPIRED,
        "Its last moment has passed; it is proven that nothing was charged.",
    ),
    Step.REFUSE: (
        OrderStatus.DEAD,
        EndReason.REFUSED,
        "The payment service refused the last attempt; it is proven that nothing was charged.",
    ),
    Step.GIVE_UP: (
        OrderStatus.DEAD,
        EndReason.EXHAUSTED,
        "All attempts were used up; none of them is unresolved.",
    ),
    Step.REVIEW: (
        OrderStatus.REVIEW,
        EndReason.UNKNOWN,
        "An attempt may have charged, and no look-up can decide that.",
    ),
}


class Retrier:
    """Claims an order, asks the breaker, and sends or looks up. Safe for threads.

    ``timeout`` is the seconds that one request may take in total; ``monotonic`` is the gateway's clock too. ``hold``
    gives the seconds by which an order is deferred because of what operators decided; it may wait.
    """

    def __init__(
        self,
        charger: Charger,
        breaker: CircuitBreaker,
        *,
        timeout: float,
        hold: Callable[[], float] = lambda: 0.0,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._charger = charger
        self._ledger = charger.ledger
        self._lookup = ChargeLookup(charger.gateway, self._known_charges, monotonic)
        self._breaker = breaker
        self._timeout = timeout
        self._hold = hold
        self._monotonic = monotonic

    def run(
        self, order_id: str, *, released: bool = False, on_permit: Callable[[], object] = lambda: None
    ) -> OrderStatus | None:
        """Work on one order. Returns its state afterwards; None if there was nothing to do.

        A doubled, early or late message finds nothing to claim. While the circuit is open or the drain is paused, an
        order is deferred in one statement, without a claim. No pause holds a ``released`` order. ``on_permit`` is
        called when it has the breaker's permit. Raises `DatabaseUnavailableError`: the order is unchanged, or its claim
        expires.
        """
        wait = self._breaker.status().retry_after or (0.0 if released else self._hold())
        if wait > 0:
            return OrderStatus.QUEUED if self._ledger.defer(order_id, self._deferral(wait)) else None
        began = self._monotonic()
        claim = self._ledger.claim(order_id)
        return None if claim is None else self._work(claim.begun(began), on_permit)

    def _work(self, claim: Claim, on_permit: Callable[[], object] = lambda: None) -> OrderStatus | None:
        step = next_step(claim.progress, self._charger.gateway.profile, self._charger.policy)
        if step in _REASONS:
            status, reason, error = _REASONS[step]
            if claim.progress.key_conflict:
                return self._ledger.close_claim(claim, status, None, EndReason.KEY_CONFLICT)
            return self._ledger.close_claim(claim, status, error, reason)
        call = {Step.SEND: self._send, Step.LOOK_UP: self._look_up, Step.CANCEL_CHARGE: self._cancel}[step]
        # Measured before the permit and the transaction. However long the process pauses in between, the call ends
        # before the permit expires, and the lease expires at least its margin after the call.
        deadline = self._monotonic() + self._timeout
        try:
            permit = self._breaker.acquire(background=True)
            on_permit()
            permit.prepare()
        except CircuitBreakerError as error:
            return self._ledger.release(claim, self._deferral(error.retry_after))
        return call(claim, permit, deadline)

    def _send(self, claim: Claim, permit: Permit, deadline: float) -> OrderStatus | None:
        with released_on_error(permit):
            attempt = self._ledger.begin_attempt(claim, prepares=self._charger.gateway.profile.prepares)
        if attempt is None:
            permit.release()
            # If the claim still holds, the reason is a cancellation or a late answer. The next claim reads it.
            return self._ledger.release(claim, 0.0, deferred=False)
        return self._charger.send(attempt, permit, deadline=deadline, send_by=claim.send_by).status

    def _look_up(self, claim: Claim, permit: Permit, deadline: float) -> OrderStatus | None:
        with released_on_error(permit):
            reach("before", "look_up")
            age = claim.progress.unresolved_age
            permit.sent()
            request = claim.request if claim.progress.prepared else replace(claim.request, prepared=None)
            answer = self._lookup.look_up(request, deadline=deadline, age=age)
            reach("after", "look_up")
            if self._is_to_be_cancelled(claim, answer):
                reach("before", "cancel_charge")
                answer = self._lookup.cancel(claim.request, deadline=deadline)
                reach("after", "cancel_charge")
        return self._conclude(claim, permit, answer)

    def _is_to_be_cancelled(self, claim: Claim, answer: LookupAnswer) -> bool:
        """Whether a charge that was not confirmed would be left behind: a confirmation on its way could charge it."""
        profile, progress = self._charger.gateway.profile, claim.progress
        if answer.result is not LookupResult.PREPARED or not profile.cancels:
            return False
        if progress.unresolved_age < profile.absent_after:
            return False
        goes_on = next_step(progress.proven_absent(), profile, self._charger.policy) is Step.SEND
        return progress.key_spent or not goes_on

    def _cancel(self, claim: Claim, permit: Permit, deadline: float) -> OrderStatus | None:
        with released_on_error(permit):
            reach("before", "cancel_charge")
            permit.sent()
            answer = self._lookup.cancel(claim.request, deadline=deadline)
            reach("after", "cancel_charge")
        return self._conclude(claim, permit, answer)

    def _conclude(self, claim: Claim, permit: Permit, answer: LookupAnswer) -> OrderStatus | None:
        """Record what a look-up or a cancel has found; if that proves that nothing was charged, the order continues."""
        self._charger.on_received(answer)
        report_health(permit, answer)
        decision = after_look_up(
            answer,
            claim.progress,
            self._charger.gateway.profile,
            self._charger.policy,
            self._charger.jitter(),
        )
        if decision is not None:
            return self._ledger.record_look_up(claim, answer, decision)
        proven = self._ledger.prove_absent(claim, cancelled=answer.result is LookupResult.CANCELLED)
        return None if proven is None else self._work(proven)

    def _known_charges(self, shape: str) -> list[KnownCharge]:
        ledger = self._ledger
        older_than = self._charger.gateway.profile.absent_after
        return known_charges(ledger.database, ledger.clock, ledger.account, shape, older_than=older_than)

    def _deferral(self, retry_after: float) -> float:
        return deferral(retry_after, self._charger.jitter())
