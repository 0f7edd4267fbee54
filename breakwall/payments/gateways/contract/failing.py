"""What a gateway makes of a service or a network that fails."""

from __future__ import annotations

from typing import Any

import pytest

from breakwall.payments.gateways.base import (
    ChargeAnswer,
    ChargeRequest,
    Health,
    LookupAnswer,
    LookupResult,
    Outcome,
)
from breakwall.payments.gateways.contract.subject import (
    DESCRIPTION,
    METADATA,
    GatewaySubject,
    promise,
)
from breakwall.payments.gateways.fault_proxy import Fault, FaultProxy

SENT = [fault for fault in Fault if fault.reaches_the_service]
UNSENT = [fault for fault in Fault if not fault.reaches_the_service]
# The gateway sees the same as if the service had charged.
UNSEEN = [Fault.HANG_AT_ONCE, Fault.RESET_AT_ONCE, Fault.GARBAGE, Fault.FLOOD]


class FailingContract(GatewaySubject):
    def fail(self, gateway: Any, proxy: FaultProxy, fault: Fault, request: ChargeRequest) -> ChargeAnswer:
        """The answer to a charge while the service fails so."""
        ready = self.ready(gateway, request)
        with proxy.failing(fault):
            answer: ChargeAnswer = self.in_time(
                lambda deadline: gateway.charge(ready, deadline=deadline), "charge"
            )
        promise(isinstance(answer, ChargeAnswer), "charge returns a ChargeAnswer", answer)
        promise(answer.health is not Health.SUCCESS, "no answer is no sign of a healthy service", answer)
        return answer

    @pytest.mark.parametrize("fault", SENT)
    def test_a_charge_without_an_answer_is_unknown(
        self, gateway: Any, proxy: FaultProxy, fault: Fault
    ) -> None:
        answer = self.fail(gateway, proxy, fault, self.charge_request())
        text = "after the request has left, only an answer proves anything: else the outcome is UNKNOWN"
        promise(answer.outcome is Outcome.UNKNOWN, text, answer)

    @pytest.mark.parametrize("fault", UNSEEN)
    def test_a_charge_whose_answer_cannot_be_read_is_unknown(
        self, gateway: Any, proxy: FaultProxy, fault: Fault
    ) -> None:
        self.paid(gateway, self.charge_request())  # A kept connection may be there, or not.
        answer = self.fail(gateway, proxy, fault, self.charge_request())
        text = "nonsense, a reset and a silence prove nothing: UNKNOWN, unless nothing was sent"
        promise(answer.outcome in {Outcome.UNKNOWN, Outcome.NOT_SENT}, text, answer)

    def test_a_service_that_is_down_was_sent_nothing(self, gateway: Any, proxy: FaultProxy) -> None:
        answer = self.fail(gateway, proxy, Fault.DOWN, self.charge_request())
        text = "a refused connection is NOT_SENT (or UNKNOWN, which costs a look-up)"
        promise(answer.outcome in {Outcome.NOT_SENT, Outcome.UNKNOWN}, text, answer)
        promise(
            answer.health is Health.FAILURE, "a service that is down is a FAILURE for the circuit", answer
        )

    @pytest.mark.parametrize("fault", SENT)
    def test_a_charge_without_an_answer_is_charged_once(
        self, gateway: Any, proxy: FaultProxy, fault: Fault
    ) -> None:
        if not (gateway.profile.deduplicates or gateway.profile.looks_up):
            pytest.skip("the profile says neither deduplicates nor looks_up")
        request = self.charge_request()
        self.fail(gateway, proxy, fault, request)
        found = None
        if gateway.profile.looks_up:
            found = self.look_up(gateway, request, LookupResult.SUCCEEDED)
            text = "looks_up: a charge whose answer was lost is found by its key"
            promise(found.result is LookupResult.SUCCEEDED and found.charge_id, text, found)
        if gateway.profile.deduplicates:
            again = self.paid(gateway, request)
            text = "deduplicates: the key of a charge whose answer was lost gives that charge"
            promise(found is None or again.charge_id == found.charge_id, text, again)
        made = self.charges_made(request)
        promise(made in {None, 1}, "one order is charged once", f"{made} charges")

    @pytest.mark.parametrize("fault", Fault)
    def test_a_look_up_without_an_answer_finds_nothing_out(
        self, gateway: Any, proxy: FaultProxy, fault: Fault
    ) -> None:
        if not gateway.profile.looks_up:
            pytest.skip("the profile does not say looks_up")
        request = self.charge_request()
        self.paid(gateway, request)
        with proxy.failing(fault):
            found = self.in_time(
                lambda deadline: gateway.look_up(request.idempotency_key, deadline=deadline), "look_up"
            )
        promise(isinstance(found, LookupAnswer), "a look-up returns a LookupAnswer", found)
        text = "a look-up without a readable answer is UNAVAILABLE; ABSENT would send the order again"
        promise(found.result is LookupResult.UNAVAILABLE, text, found)

    @pytest.mark.parametrize("fault", Fault)
    def test_after_a_fault_the_next_charge_goes_through(
        self, gateway: Any, proxy: FaultProxy, fault: Fault
    ) -> None:
        self.fail(gateway, proxy, fault, self.charge_request())
        self.paid(gateway, self.charge_request())

    @pytest.mark.parametrize("fault", [Fault.HANG, Fault.RESET, Fault.GARBAGE, Fault.DOWN])
    def test_no_answer_shows_a_secret(self, gateway: Any, proxy: FaultProxy, fault: Fault) -> None:
        request = self.charge_request(description=DESCRIPTION, metadata=METADATA)
        answer = self.fail(gateway, proxy, fault, request)
        shown = "\n".join([repr(gateway), repr(answer), answer.detail, answer.code or ""])
        hidden = [request.payment_method, DESCRIPTION, *METADATA.values(), *self.secrets]
        seen = [text for text in hidden if text and text in shown]
        promise(not seen, "no repr, code or detail shows a secret, a payment method or details", shown)
