"""What the worker does with one queued order. Follow `Retrier.run`."""

from __future__ import annotations

import time
from collections.abc import Callable

from breakwall.breaker import CircuitBreaker, CircuitBreakerError, Permit
from breakwall.crashpoints import reach
from breakwall.payments.charge_lookup import LookUps
from breakwall.payments.charging import Charger, given_back_on_error, tell_breaker
from breakwall.payments.decisions import Found, Step, after_look_up, next_step, put_off
from breakwall.payments.ledger.charges import KnownCharge, known_charges
from breakwall.payments.ledger.claims import Claim
from breakwall.payments.orders import OrderStatus

_REASONS = {
    Step.DECLINE: (OrderStatus.DECLINED, "Declined, by an answer that came late."),
    Step.CANCEL: (OrderStatus.CANCELLED, "Cancelled; none of its attempts is in doubt."),
    Step.REFUSE: (
        OrderStatus.DEAD,
        "The payment service refused it, as its last attempt tells; it is proven that nothing was charged.",
    ),
    Step.BURY: (OrderStatus.DEAD, "Every attempt was used up; none of them is in doubt."),
    Step.REVIEW: (OrderStatus.REVIEW, "An attempt may have charged, and no look-up can tell."),
}


class Retrier:
    """Claims an order, asks the breaker, and sends or looks up. Safe for threads.

    Args:
        charger: sends attempts and records their results.
        breaker: asked before every request.
        timeout: seconds that one request may take, all in all.
        monotonic: the clock that deadlines are on, the gateway's.
    """

    def __init__(
        self,
        charger: Charger,
        breaker: CircuitBreaker,
        *,
        timeout: float,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._charger = charger
        self._ledger = charger.ledger
        self._look_ups = LookUps(charger.gateway, self._known_charges, monotonic)
        self._breaker = breaker
        self._timeout = timeout
        self._monotonic = monotonic

    def run(self, order_id: str) -> OrderStatus | None:
        """Work on one order. Returns its state afterwards; None when there was nothing to do.

        A doubled, early or late message finds nothing to claim. While the circuit is open an order is
        put off in one statement, without a claim.

        Raises:
            DatabaseUnavailableError: the order stays as it is, or its claim runs out.
        """
        wait = self._breaker.status().retry_after
        if wait > 0:
            return OrderStatus.QUEUED if self._ledger.defer(order_id, self._put_off(wait)) else None
        claim = self._ledger.claim(order_id)
        return None if claim is None else self._work(claim)

    def _work(self, claim: Claim) -> OrderStatus | None:
        step = next_step(claim.progress, self._charger.gateway.profile, self._charger.policy)
        if step in _REASONS:
            status, reason = _REASONS[step]
            return self._ledger.close_claim(claim, status, None if claim.progress.disputed else reason)
        # From before the permit and the transaction: however long the process is stopped in between, the call
        # ends before the permit does, and the lease outlives it by the whole margin.
        deadline = self._monotonic() + self._timeout
        try:
            permit = self._breaker.acquire()
        except CircuitBreakerError as refusal:
            return self._ledger.release(claim, self._put_off(refusal.retry_after))
        call = self._send if step is Step.SEND else self._look_up
        return call(claim, permit, deadline)

    def _send(self, claim: Claim, permit: Permit, deadline: float) -> OrderStatus | None:
        with given_back_on_error(permit):
            attempt = self._ledger.begin_attempt(claim)
        if attempt is None:
            permit.release()
            # Where the claim still holds, it is a cancellation, or a late answer that the next one will see.
            return self._ledger.release(claim, 0.0, deferred=False)
        status, _ = self._charger.send(attempt, permit, deadline=deadline)
        return status

    def _look_up(self, claim: Claim, permit: Permit, deadline: float) -> OrderStatus | None:
        with given_back_on_error(permit):
            reach("before", "look_up")
            settled = self._is_settled(claim)
            answer = self._look_ups.look_up(claim.request, deadline=deadline, settled=settled)
            reach("after", "look_up")
        self._charger.on_reply(answer)
        tell_breaker(permit, answer)
        sighting = after_look_up(
            answer, claim.progress, self._charger.gateway.profile, self._charger.policy, self._charger.draw()
        )
        if sighting.verdict is not None:
            fruitless = sighting.found is Found.UNAVAILABLE
            return self._ledger.record_look_up(claim, answer, sighting.verdict, fruitless=fruitless)
        proven = self._ledger.prove_absent(claim)
        return None if proven is None else self._work(proven)

    def _is_settled(self, claim: Claim) -> bool:
        return claim.progress.unsettled_age >= self._charger.gateway.profile.settle_seconds

    def _known_charges(self, shape: str) -> list[KnownCharge]:
        ledger = self._ledger
        settled_for = self._charger.gateway.profile.settle_seconds
        return known_charges(ledger.database, ledger.clock, ledger.account, shape, settled_for=settled_for)

    def _put_off(self, retry_after: float) -> float:
        return put_off(retry_after, self._charger.draw())
