"""Charges that are created first and confirmed later, and charges that are cancelled."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from breakwall.payments.gateways.base import (
    ChargeAnswer,
    ChargeRequest,
    LookupAnswer,
    LookupResult,
    Outcome,
    Prepared,
)
from breakwall.payments.gateways.contract.failing import SENT
from breakwall.payments.gateways.contract.subject import GatewaySubject, promise
from breakwall.payments.gateways.fault_proxy import Fault, FaultProxy

UNCHARGED = (LookupResult.PREPARED, LookupResult.ABSENT)


class PreparingContract(GatewaySubject):
    """Skipped unless the profile says ``prepares``."""

    @pytest.fixture
    def preparing(self, gateway: Any) -> Any:
        if not gateway.profile.prepares:
            pytest.skip("the profile does not say prepares")
        return gateway

    def test_a_prepared_charge_has_charged_nothing(self, preparing: Any) -> None:
        request = self.ready(preparing)
        found = self.look_up(preparing, request, LookupResult.PREPARED)
        text = "prepares: a charge that was not confirmed is PREPARED, and has charged nothing"
        promise(found.result is LookupResult.PREPARED, text, found)
        made = self.charges_made(request)
        promise(made in {None, 0}, text, f"{made} charges")

    def test_a_confirmed_charge_is_found_by_its_id(self, preparing: Any) -> None:
        request = self.ready(preparing)
        paid = preparing.charge(request, deadline=self.soon())
        found = self.look_up(preparing, request, LookupResult.SUCCEEDED)
        same = found.result is LookupResult.SUCCEEDED and found.charge_id == paid.charge_id
        promise(same, "prepares: look_up_prepared finds the confirmed charge", (paid, found))

    def test_a_charge_that_is_confirmed_twice_is_charged_once(self, preparing: Any) -> None:
        request = self.ready(preparing)
        first = preparing.charge(request, deadline=self.soon())
        again = preparing.charge(request, deadline=self.soon())
        text = "prepares: to confirm the same charge again charges nothing more"
        promise(again.charge_id in {None, first.charge_id}, text, (first, again))
        promise(not again.outcome.proves_no_charge, "a confirmed charge is never proven absent", again)
        made = self.charges_made(request)
        promise(made in {None, 1}, text, f"{made} charges")

    @pytest.mark.parametrize("fault", Fault)
    def test_a_preparation_without_an_answer_has_charged_nothing(
        self, preparing: Any, proxy: FaultProxy, fault: Fault
    ) -> None:
        request = self.charge_request()
        with proxy.failing(fault):
            made = self.in_time(lambda deadline: preparing.prepare(request, deadline=deadline), "prepare")
        fits = isinstance(made, ChargeAnswer) and made.outcome not in {Outcome.SUCCEEDED, Outcome.DECLINED}
        promise(fits, "prepare without an answer gives a ChargeAnswer that proves no payment", made)
        count = self.charges_made(request)
        promise(count in {None, 0}, "prepares: nothing is charged before it is confirmed", f"{count} charges")

    @pytest.mark.parametrize("fault", SENT)
    def test_a_confirmation_without_an_answer_is_found_by_its_id(
        self, preparing: Any, proxy: FaultProxy, fault: Fault
    ) -> None:
        request = self.ready(preparing)
        with proxy.failing(fault):
            self.in_time(lambda deadline: preparing.charge(request, deadline=deadline), "charge")
        found = self.look_up(preparing, request, LookupResult.SUCCEEDED)
        text = "prepares: a confirmation whose answer was lost is found by the charge's id"
        promise(found.result is LookupResult.SUCCEEDED, text, found)

    @pytest.mark.parametrize("fault", Fault)
    def test_a_look_up_by_id_without_an_answer_finds_nothing_out(
        self, preparing: Any, proxy: FaultProxy, fault: Fault
    ) -> None:
        prepared = self.ready(preparing).prepared
        with proxy.failing(fault):
            found = self.in_time(
                lambda deadline: preparing.look_up_prepared(prepared, deadline=deadline), "look_up_prepared"
            )
        text = "a look-up without a readable answer is UNAVAILABLE"
        promise(found.result is LookupResult.UNAVAILABLE, text, found)

    def test_after_the_deadline_nothing_is_prepared(self, preparing: Any, proxy: FaultProxy) -> None:
        before = proxy.received
        made = preparing.prepare(self.charge_request(), deadline=0.0)
        promise(not isinstance(made, Prepared), "after the deadline nothing is prepared", made)
        found = preparing.look_up_prepared("unknown", deadline=0.0)
        promise(found.result is LookupResult.UNAVAILABLE, "without time a look-up is UNAVAILABLE", found)
        promise(proxy.received == before, "after the deadline nothing is sent", f"{proxy.received} bytes")


class CancellingContract(GatewaySubject):
    """Skipped unless the profile says ``cancels``."""

    @pytest.fixture
    def cancelling(self, gateway: Any) -> Any:
        if not gateway.profile.cancels:
            pytest.skip("the profile does not say cancels")
        return gateway

    def cancel(self, gateway: Any, request: ChargeRequest) -> LookupAnswer:
        answer = gateway.cancel(request, deadline=self.soon())
        promise(isinstance(answer, LookupAnswer), "cancel returns a LookupAnswer", answer)
        found: LookupAnswer = answer
        return found

    def test_a_cancelled_charge_never_charges(self, cancelling: Any) -> None:
        request = self.ready(cancelling)
        answer = self.cancel(cancelling, request)
        promise(answer.result is LookupResult.CANCELLED, "cancels: what was not charged is CANCELLED", answer)
        late = cancelling.charge(request, deadline=self.soon())
        text = "cancels: no request under a cancelled key or id charges, also a late one"
        promise(late.outcome is not Outcome.SUCCEEDED, text, late)
        made = self.charges_made(request)
        promise(made in {None, 0}, text, f"{made} charges")

    def test_a_charge_is_cancelled_twice(self, cancelling: Any) -> None:
        request = self.ready(cancelling)
        for _ in range(2):
            answer = self.cancel(cancelling, request)
            promise(answer.result is LookupResult.CANCELLED, "cancels: to cancel again is CANCELLED", answer)

    def test_what_was_charged_is_not_cancelled(self, cancelling: Any) -> None:
        request = self.ready(cancelling)
        paid = cancelling.charge(request, deadline=self.soon())
        answer = self.cancel(cancelling, request)
        text = "cancels: of a charge that has succeeded, the answer says that, with its id"
        promise(answer.result is LookupResult.SUCCEEDED and answer.charge_id == paid.charge_id, text, answer)

    @pytest.mark.parametrize("fault", Fault)
    def test_a_cancellation_without_an_answer_proves_nothing(
        self, cancelling: Any, proxy: FaultProxy, fault: Fault
    ) -> None:
        request = self.ready(cancelling)
        with proxy.failing(fault):
            answer = self.in_time(lambda deadline: cancelling.cancel(request, deadline=deadline), "cancel")
        promise(answer.result is LookupResult.UNAVAILABLE, "cancel without an answer is UNAVAILABLE", answer)

    def test_after_the_deadline_nothing_is_cancelled(self, cancelling: Any, proxy: FaultProxy) -> None:
        before = proxy.received
        answer = cancelling.cancel(replace(self.charge_request(), prepared=None), deadline=0.0)
        promise(answer.result is LookupResult.UNAVAILABLE, "without time, cancel is UNAVAILABLE", answer)
        promise(proxy.received == before, "after the deadline nothing is sent", f"{proxy.received} bytes")
