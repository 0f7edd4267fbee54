"""What a healthy service charges, declines and finds again."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from breakwall.payments.gateways.base import Health, LookupResult, Outcome
from breakwall.payments.gateways.contract.subject import (
    DESCRIPTION,
    METADATA,
    GatewaySubject,
    new_key,
    promise,
)
from breakwall.payments.gateways.fault_proxy import FaultProxy

AT_ONCE = 8


class ChargingContract(GatewaySubject):
    def test_a_charge_is_paid_and_has_an_id(self, gateway: Any) -> None:
        answer = self.paid(gateway, self.charge_request())
        promise(answer.health is Health.SUCCESS, "a payment is a sign of a healthy service", answer)

    def test_each_amount_is_charged_as_it_is(self, gateway: Any) -> None:
        for amount, currency in self.amounts:
            answer = self.paid(gateway, self.charge_request(amount=amount, currency=currency))
            said = answer.details.amount, answer.details.currency
            promise(said[0] in {None, amount}, "details.amount is in the order's minor units", (amount, said))
            known = said[1] is None or str(said[1]).upper() == currency
            promise(known, "details.currency is the order's", (currency, said))

    def test_any_text_may_be_in_the_details(self, gateway: Any) -> None:
        self.paid(gateway, self.charge_request(description=DESCRIPTION, metadata=METADATA))

    def test_a_decline_is_declined(self, gateway: Any) -> None:
        request = self.declined_request()
        if request is None:
            pytest.skip("declined_request() gives none")
        answer = self.charge(gateway, request)
        promise(answer.outcome is Outcome.DECLINED, "what the service declines for good is DECLINED", answer)
        promise(answer.health is Health.SUCCESS, "a decline is a sign of a healthy service", answer)

    def test_a_repeated_key_does_not_charge_again(self, gateway: Any) -> None:
        self.needs(gateway, "deduplicates")
        request = self.charge_request()
        ids = [self.paid(gateway, request).charge_id for _ in range(3)]
        promise(len(set(ids)) == 1, "deduplicates: the same key gives the same charge again", ids)
        self.is_charged_once(request)

    def test_a_key_that_is_sent_many_times_at_once_charges_once(self, gateway: Any) -> None:
        self.needs(gateway, "deduplicates")
        request = self.charge_request()
        with ThreadPoolExecutor(AT_ONCE) as pool:
            answers = list(pool.map(lambda _: self.charge(gateway, request), range(AT_ONCE)))
        ids = {answer.charge_id for answer in answers if answer.outcome is Outcome.SUCCEEDED}
        promise(len(ids) <= 1, "deduplicates: the same key charges once, also at once", answers)
        proofs = [answer for answer in answers if answer.outcome is Outcome.FAILED]
        promise(not (ids and proofs), "FAILED proves that nothing was charged under this key", answers)

    def test_a_key_with_another_amount_charges_nothing_more(self, gateway: Any) -> None:
        self.needs(gateway, "deduplicates")
        request = self.charge_request(amount=10_000)
        first = self.paid(gateway, request)
        second = self.charge(gateway, replace(request, amount=10_001))
        text = "deduplicates: a known key with another payload makes no second charge"
        promise(second.charge_id in {None, first.charge_id}, text, second)
        self.is_charged_once(request)

    def test_a_charge_is_found_again_by_its_key(self, gateway: Any) -> None:
        self.needs(gateway, "looks_up")
        request = self.charge_request()
        paid = self.paid(gateway, request)
        found = self.look_up(gateway, request, LookupResult.SUCCEEDED)
        promise(found.result is LookupResult.SUCCEEDED, "looks_up: a charge is found by its key", found)
        promise(
            found.charge_id == paid.charge_id,
            "a look-up names the charge by the id that `charge` gave",
            found,
        )

    def test_an_unknown_key_is_absent(self, gateway: Any) -> None:
        self.needs(gateway, "looks_up")
        found = gateway.look_up(new_key(), deadline=self.soon())
        text = "looks_up: the answer about a key that was never sent is ABSENT, from a healthy service"
        promise(found.result is LookupResult.ABSENT, text, found)
        promise(found.health is Health.SUCCESS, "`no such charge` is a sign of a healthy service", found)

    def test_after_the_deadline_nothing_is_sent(self, gateway: Any, proxy: FaultProxy) -> None:
        request = self.charge_request()
        before = proxy.received
        answer = gateway.charge(request, deadline=0.0)
        promise(answer.outcome is Outcome.NOT_SENT, "a deadline that has passed on entry is NOT_SENT", answer)
        found = gateway.look_up(request.idempotency_key, deadline=0.0)
        promise(found.result is LookupResult.UNAVAILABLE, "without time a look-up is UNAVAILABLE", found)
        promise(proxy.received == before, "after the deadline nothing is sent", f"{proxy.received} bytes")

    def needs(self, gateway: Any, promised: str) -> None:
        if not getattr(gateway.profile, promised):
            pytest.skip(f"the profile does not say {promised}")

    def is_charged_once(self, request: Any) -> None:
        made = self.charges_made(request)
        promise(made in {None, 1}, "one order is charged once", f"{made} charges")
