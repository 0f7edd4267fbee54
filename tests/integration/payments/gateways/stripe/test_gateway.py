"""A charge at Stripe: created, confirmed, looked up and cancelled, over HTTP."""

import json
from collections.abc import Callable
from dataclasses import replace

import pytest

from breakwall.payments.gateways.base import (
    Advice,
    CancellingGateway,
    ChargeAnswer,
    ChargeRequest,
    Health,
    LookupResult,
    Outcome,
    Prepared,
    PreparingGateway,
)
from breakwall.payments.gateways.stripe.gateway import StripeGateway
from breakwall.payments.verification import verified
from tests.integration.payments.gateways.stripe.conftest import Gateways, Orders, soon
from tests.stripe import proxy as faults
from tests.stripe.__main__ import stand_ins
from tests.stripe.proxy import Answer, StripeProxy, answering, error
from tests.stripe.service import SECRET_KEY, LocalStripe
from tests.waiting import wait_until

Prepare = Callable[..., ChargeRequest]

DECLINED = "pm_card_chargeCustomerFail"
ASKS_THE_CUSTOMER = "4000002500003155"


def test_it_is_a_gateway_that_prepares_and_cancels(gateway: StripeGateway) -> None:
    assert isinstance(gateway, PreparingGateway)
    assert isinstance(gateway, CancellingGateway)


def test_the_imitation_to_try_declines_what_stripes_test_methods_decline(
    stripe: LocalStripe, gateway: StripeGateway, proxy: StripeProxy, new_order: Orders
) -> None:
    proxy.stand_ins = stand_ins(stripe)
    codes = []
    for method in ("pm_card_visa_chargeDeclined", "pm_card_authenticationRequired"):
        order = new_order(payment_method=method)
        created = gateway.prepare(order, deadline=soon())
        assert isinstance(created, Prepared)
        answer = gateway.charge(replace(order, prepared=created.id), deadline=soon())
        codes.append((answer.outcome, answer.code))
    assert codes == [
        (Outcome.DECLINED, "card_declined"),
        (Outcome.DECLINED, "authentication_required"),
    ]


class TestPrepare:
    def test_creates_an_intent_that_charges_nothing(
        self, gateway: StripeGateway, stripe: LocalStripe, new_order: Orders
    ) -> None:
        created = gateway.prepare(new_order(), deadline=soon())
        assert isinstance(created, Prepared)
        assert stripe.intent(created.id)["status"] == "requires_confirmation"

    def test_the_same_key_gives_the_same_intent(self, gateway: StripeGateway, new_order: Orders) -> None:
        order = new_order(description="Two tickets", metadata={"b": "1", "a": "2"})
        first, second = (gateway.prepare(order, deadline=soon()) for _ in range(2))
        assert first == second

    def test_the_same_order_is_always_the_same_bytes(
        self, gateway: StripeGateway, proxy: StripeProxy, new_order: Orders
    ) -> None:
        order = new_order(metadata={"b": "1", "a": "2"})
        for _ in range(3):
            gateway.prepare(order, deadline=soon())
        assert len({(sent.key, sent.body) for sent in proxy.requests}) == 1

    @pytest.mark.parametrize(
        "fault",
        [faults.reset_before, faults.reset_after, faults.error_500_after],
        ids=lambda fault: fault.__name__,
    )
    def test_a_lost_answer_has_charged_nothing(
        self, gateway: StripeGateway, proxy: StripeProxy, new_order: Orders, fault: faults.Fault
    ) -> None:
        proxy.next("create", fault)
        answer = gateway.prepare(new_order(), deadline=soon())
        assert isinstance(answer, ChargeAnswer)
        assert answer.outcome.proves_no_charge
        assert answer.health is Health.FAILURE

    def test_a_lost_answer_is_followed_by_the_same_intent(
        self, gateway: StripeGateway, proxy: StripeProxy, new_order: Orders
    ) -> None:
        order = new_order()
        proxy.next("create", faults.reset_after)
        gateway.prepare(order, deadline=soon())
        first, second = (gateway.prepare(order, deadline=soon()) for _ in range(2))
        assert isinstance(first, Prepared)
        assert first == second

    def test_a_stored_500_spends_the_key(
        self, gateway: StripeGateway, proxy: StripeProxy, new_order: Orders
    ) -> None:
        order = new_order()
        proxy.next("create", faults.error_500_after)
        answers = [gateway.prepare(order, deadline=soon()) for _ in range(2)]
        assert [isinstance(answer, ChargeAnswer) and answer.spends_key for answer in answers] == [True, True]
        assert [isinstance(answer, ChargeAnswer) and answer.replayed for answer in answers] == [False, True]
        assert isinstance(
            gateway.prepare(replace(order, idempotency_key="another"), deadline=soon()), Prepared
        )

    def test_a_key_with_another_payload_goes_to_a_person(
        self, gateway: StripeGateway, new_order: Orders
    ) -> None:
        """Under that key another amount may have been charged, so no new key may be tried."""
        order = new_order()
        gateway.prepare(order, deadline=soon())
        answer = gateway.prepare(replace(order, amount=2000), deadline=soon())
        assert isinstance(answer, ChargeAnswer)
        assert (answer.outcome, answer.advice) == (Outcome.UNKNOWN, Advice.REVIEW)

    @pytest.mark.parametrize(
        ("fields", "code"),
        [
            ({"payment_method": None}, "no_payment_method"),
            ({"amount": 5124, "currency": "KWD"}, "amount_not_chargeable"),
            ({"amount": 150, "currency": "MGA"}, "amount_not_chargeable"),
            ({"metadata": {"a[b]": "c"}}, "metadata_not_sendable"),
        ],
    )
    def test_what_stripe_cannot_take_is_not_sent(
        self,
        gateway: StripeGateway,
        proxy: StripeProxy,
        new_order: Orders,
        fields: dict[str, object],
        code: str,
    ) -> None:
        answer = gateway.prepare(new_order(**fields), deadline=soon())
        assert isinstance(answer, ChargeAnswer)
        assert (answer.outcome, answer.advice, answer.code) == (Outcome.NOT_SENT, Advice.STOP, code)
        assert proxy.requests == []

    def test_an_unknown_payment_method_is_refused(self, gateway: StripeGateway, new_order: Orders) -> None:
        answer = gateway.prepare(new_order(payment_method="pm_none"), deadline=soon())
        assert isinstance(answer, ChargeAnswer)
        assert (answer.outcome, answer.advice) == (Outcome.FAILED, Advice.STOP)
        assert "pm_none" not in repr(answer)

    @pytest.mark.parametrize("field", ["amount", "currency", "metadata"])
    def test_an_intent_of_another_order_is_not_confirmed(
        self, gateway: StripeGateway, stripe: LocalStripe, proxy: StripeProxy, new_order: Orders, field: str
    ) -> None:
        order = new_order()
        created = gateway.prepare(order, deadline=soon())
        assert isinstance(created, Prepared)
        other = {"amount": 2000, "currency": "eur", "metadata": {"breakwall_order_id": "another"}}
        shown = {**stripe.intent(created.id), field: other[field]}
        proxy.next("create", answering(Answer(200, json.dumps(shown).encode())))
        answer = gateway.prepare(order, deadline=soon())
        assert isinstance(answer, ChargeAnswer)
        assert (answer.code, answer.advice) == ("wrong_charge", Advice.REVIEW)


class TestCharge:
    def test_confirms_the_intent(
        self, gateway: StripeGateway, stripe: LocalStripe, prepared: Prepare
    ) -> None:
        order = prepared()
        answer = verified(gateway.charge(order, deadline=soon()), order)
        assert answer.outcome is Outcome.SUCCEEDED
        assert answer.charge_id == stripe.intent(str(order.prepared))["latest_charge"]["id"]

    @pytest.mark.parametrize("days", [0, 1])
    def test_a_confirmation_that_is_repeated_charges_once(
        self, gateway: StripeGateway, stripe: LocalStripe, proxy: StripeProxy, prepared: Prepare, days: int
    ) -> None:
        order = prepared()
        first = gateway.charge(order, deadline=soon())
        before = len(stripe.charges())
        if days:
            proxy.forget_keys()
        assert gateway.charge(order, deadline=soon()) == first
        assert len(stripe.charges()) == before

    def test_without_an_intent_creates_one(
        self, gateway: StripeGateway, proxy: StripeProxy, new_order: Orders
    ) -> None:
        answer = gateway.charge(new_order(), deadline=soon())
        assert answer.outcome is Outcome.SUCCEEDED
        assert proxy.actions() == ["create", "confirm"]

    @pytest.mark.parametrize(
        ("amount", "currency", "sent"), [(500, "ISK", "50000"), (1500, "MGA", "15"), (10_000, "KRW", "10000")]
    )
    def test_the_amount_is_in_stripes_units(
        self,
        gateway: StripeGateway,
        proxy: StripeProxy,
        prepared: Prepare,
        amount: int,
        currency: str,
        sent: str,
    ) -> None:
        order = prepared(amount=amount, currency=currency)
        assert proxy.requests[0].parameters["amount"] == sent
        answer = verified(gateway.charge(order, deadline=soon()), order)
        assert (answer.outcome, answer.details.amount) == (Outcome.SUCCEEDED, amount)

    def test_a_decline_has_stripes_code(self, gateway: StripeGateway, prepared: Prepare) -> None:
        answer = gateway.charge(prepared(payment_method=DECLINED), deadline=soon())
        assert (answer.outcome, answer.code, answer.health) == (
            Outcome.DECLINED,
            "card_declined",
            Health.SUCCESS,
        )

    def test_an_intent_that_waits_for_the_customer_is_cancelled_and_declined(
        self, gateway: StripeGateway, stripe: LocalStripe, prepared: Prepare
    ) -> None:
        order = prepared(payment_method=stripe.card(ASKS_THE_CUSTOMER))
        answer = gateway.charge(order, deadline=soon())
        assert (answer.outcome, answer.code) == (Outcome.DECLINED, "authentication_required")
        assert stripe.intent(str(order.prepared))["status"] == "canceled"

    def test_it_is_no_decline_while_the_intent_can_still_charge(
        self, gateway: StripeGateway, stripe: LocalStripe, proxy: StripeProxy, prepared: Prepare
    ) -> None:
        order = prepared(payment_method=stripe.card(ASKS_THE_CUSTOMER))
        proxy.next("cancel", faults.reset_before)
        answer = gateway.charge(order, deadline=soon())
        assert (answer.outcome, answer.advice) == (Outcome.UNKNOWN, Advice.LOOK_AGAIN)
        found = gateway.look_up_prepared(str(order.prepared), deadline=soon())
        assert (found.result, found.code) == (LookupResult.DECLINED, "authentication_required")

    def test_a_decline_whose_intent_can_still_charge_is_cancelled_first(
        self, gateway: StripeGateway, stripe: LocalStripe, proxy: StripeProxy, prepared: Prepare
    ) -> None:
        order = prepared()
        shown = {"id": order.prepared, "object": "payment_intent", "status": "requires_action"}
        body = {"type": "card_error", "code": "authentication_required", "payment_intent": shown}
        proxy.next("confirm", answering(error(402, **body)))
        answer = gateway.charge(order, deadline=soon())
        assert (answer.outcome, answer.code) == (Outcome.DECLINED, "authentication_required")
        assert stripe.intent(str(order.prepared))["status"] == "canceled"

    def test_a_charge_that_is_not_decided_is_looked_up(
        self, gateway: StripeGateway, stripe: LocalStripe, prepared: Prepare
    ) -> None:
        order = prepared(payment_method=stripe.direct_debit())
        answer = gateway.charge(order, deadline=soon())
        assert (answer.outcome, answer.advice) == (Outcome.UNKNOWN, Advice.LOOK_AGAIN)
        assert answer.code == "processing"
        intent = str(order.prepared)
        wait_until(lambda: stripe.intent(intent)["status"] != "processing")
        assert gateway.look_up_prepared(intent, deadline=soon()).result is LookupResult.DECLINED

    @pytest.mark.parametrize(
        ("fault", "found"),
        [
            (faults.reset_before, LookupResult.PREPARED),
            (faults.reset_after, LookupResult.SUCCEEDED),
            (faults.error_500_after, LookupResult.SUCCEEDED),
            (answering(error(500, type="api_error"), stored=True), LookupResult.PREPARED),
        ],
        ids=["reset before", "reset after", "500 after", "500 before"],
    )
    def test_a_lost_answer_is_unknown_and_the_look_up_by_id_decides(
        self,
        gateway: StripeGateway,
        proxy: StripeProxy,
        prepared: Prepare,
        fault: faults.Fault,
        found: LookupResult,
    ) -> None:
        order = prepared()
        proxy.next("confirm", fault)
        answer = gateway.charge(order, deadline=soon())
        assert (answer.outcome, answer.health) == (Outcome.UNKNOWN, Health.FAILURE)
        assert answer.code in {"ReadError", "api_error"}
        assert gateway.look_up_prepared(str(order.prepared), deadline=soon()).result is found

    def test_a_stored_500_is_repeated_and_spends_the_key(
        self, gateway: StripeGateway, proxy: StripeProxy, prepared: Prepare
    ) -> None:
        order = prepared()
        proxy.next("confirm", answering(error(500, type="api_error"), stored=True))
        answers = [gateway.charge(order, deadline=soon()) for _ in range(2)]
        assert [answer.spends_key for answer in answers] == [True, True]
        again = replace(order, idempotency_key=f"{order.idempotency_key}x")
        assert gateway.charge(again, deadline=soon()).outcome is Outcome.SUCCEEDED

    def test_a_cancelled_intent_is_looked_up(
        self, gateway: StripeGateway, proxy: StripeProxy, prepared: Prepare
    ) -> None:
        order = prepared()
        gateway.cancel(order, deadline=soon())
        answer = gateway.charge(order, deadline=soon())
        assert (answer.outcome, answer.spends_key) == (Outcome.UNKNOWN, True)
        found = gateway.look_up_prepared(str(order.prepared), deadline=soon())
        assert found.result is LookupResult.CANCELLED

    def test_a_charge_that_was_made_before_is_read(
        self, gateway: StripeGateway, stripe: LocalStripe, proxy: StripeProxy, prepared: Prepare
    ) -> None:
        """Its key is forgotten, so Stripe answers that an intent in this state cannot be confirmed."""
        order = prepared()
        stripe.ask("POST", f"/v1/payment_intents/{order.prepared}/confirm")
        assert gateway.charge(order, deadline=soon()).outcome is Outcome.SUCCEEDED
        assert proxy.actions()[-2:] == ["confirm", "read"]

    def test_a_refused_charge_that_cannot_be_read_proves_nothing(
        self, gateway: StripeGateway, stripe: LocalStripe, proxy: StripeProxy, prepared: Prepare
    ) -> None:
        order = prepared()
        stripe.ask("POST", f"/v1/payment_intents/{order.prepared}/confirm")
        proxy.next("read", faults.reset_before)
        answer = gateway.charge(order, deadline=soon())
        assert (answer.outcome, answer.advice) == (Outcome.UNKNOWN, Advice.STOP)

    def test_a_late_confirmation_after_a_cancel_charges_nothing(
        self, gateway: StripeGateway, stripe: LocalStripe, proxy: StripeProxy, prepared: Prepare
    ) -> None:
        order = prepared()
        proxy.next("confirm", faults.arrive_late)
        assert gateway.charge(order, deadline=soon(0.5)).outcome is Outcome.UNKNOWN
        assert gateway.cancel(order, deadline=soon()).result is LookupResult.CANCELLED
        wait_until(lambda: proxy.late)
        proxy.let_late_requests_arrive()
        assert stripe.intent(str(order.prepared))["status"] == "canceled"

    def test_an_answer_about_another_charge_proves_nothing(
        self, gateway: StripeGateway, stripe: LocalStripe, proxy: StripeProxy, prepared: Prepare
    ) -> None:
        other, order = prepared(), prepared()
        gateway.charge(other, deadline=soon())
        proxy.next("confirm", answering(Answer(200, json.dumps(stripe.intent(str(other.prepared))).encode())))
        assert gateway.charge(order, deadline=soon()).outcome is Outcome.UNKNOWN

    @pytest.mark.parametrize("code", [None, "lock_timeout"])
    def test_too_many_requests_are_throttled(
        self, gateway: StripeGateway, proxy: StripeProxy, prepared: Prepare, code: str | None
    ) -> None:
        order = prepared()
        proxy.next("confirm", answering(error(429, type="invalid_request_error", code=code)))
        assert gateway.charge(order, deadline=soon()).outcome is Outcome.THROTTLED
        assert gateway.charge(order, deadline=soon()).outcome is Outcome.SUCCEEDED


class TestLookUp:
    def test_finds_an_intent_that_is_not_confirmed(self, gateway: StripeGateway, prepared: Prepare) -> None:
        found = gateway.look_up_prepared(str(prepared().prepared), deadline=soon())
        assert found.result is LookupResult.PREPARED

    def test_finds_a_decline(self, gateway: StripeGateway, prepared: Prepare) -> None:
        order = prepared(payment_method=DECLINED)
        gateway.charge(order, deadline=soon())
        found = gateway.look_up_prepared(str(order.prepared), deadline=soon())
        assert (found.result, found.code) == (LookupResult.DECLINED, "card_declined")

    def test_an_id_that_is_not_found_is_a_wrong_setting_and_never_absent(
        self, gateway: StripeGateway
    ) -> None:
        found = gateway.look_up_prepared("pi_none", deadline=soon())
        assert (found.result, found.advice) == (LookupResult.UNAVAILABLE, Advice.RECONFIGURE)

    def test_by_key_sends_nothing_and_finds_nothing(self, gateway: StripeGateway, proxy: StripeProxy) -> None:
        assert gateway.look_up("k", deadline=soon()).result is LookupResult.UNAVAILABLE
        assert proxy.requests == []

    def test_a_refund_leaves_the_charge_as_it_was(
        self, gateway: StripeGateway, stripe: LocalStripe, prepared: Prepare
    ) -> None:
        order = prepared()
        paid = gateway.charge(order, deadline=soon())
        stripe.ask("POST", "/v1/refunds", charge=str(paid.charge_id), amount="400")
        found = verified(gateway.look_up_prepared(str(order.prepared), deadline=soon()), order)
        assert (found.result, found.charge_id) == (LookupResult.SUCCEEDED, paid.charge_id)


class TestCancel:
    def test_proves_that_nothing_will_be_charged(
        self, gateway: StripeGateway, stripe: LocalStripe, prepared: Prepare
    ) -> None:
        order = prepared()
        assert gateway.cancel(order, deadline=soon()).result is LookupResult.CANCELLED
        stripe.ask("POST", f"/v1/payment_intents/{order.prepared}/confirm")
        assert stripe.intent(str(order.prepared))["status"] == "canceled"

    def test_twice_says_the_same(self, gateway: StripeGateway, prepared: Prepare) -> None:
        order = prepared()
        answers = [gateway.cancel(order, deadline=soon()).result for _ in range(2)]
        assert answers == [LookupResult.CANCELLED] * 2

    def test_a_charge_that_succeeded_is_said_to_have(self, gateway: StripeGateway, prepared: Prepare) -> None:
        order = prepared()
        paid = gateway.charge(order, deadline=soon())
        cancelled = gateway.cancel(order, deadline=soon())
        assert (cancelled.result, cancelled.charge_id) == (LookupResult.SUCCEEDED, paid.charge_id)

    def test_a_decline_is_said(self, gateway: StripeGateway, prepared: Prepare) -> None:
        order = prepared(payment_method=DECLINED)
        gateway.charge(order, deadline=soon())
        assert gateway.cancel(order, deadline=soon()).result is LookupResult.DECLINED

    def test_of_an_order_whose_intent_is_not_known_proves_nothing_and_asks_nothing(
        self, gateway: StripeGateway, proxy: StripeProxy, new_order: Orders
    ) -> None:
        """After a day Stripe has forgotten the key: it would make another intent, and cancel that one."""
        assert gateway.cancel(new_order(), deadline=soon()).result is LookupResult.UNAVAILABLE
        assert proxy.requests == []

    @pytest.mark.parametrize("fault", [faults.reset_before, faults.reset_after], ids=["before", "after"])
    def test_without_an_answer_proves_nothing(
        self, gateway: StripeGateway, proxy: StripeProxy, prepared: Prepare, fault: faults.Fault
    ) -> None:
        proxy.next("cancel", fault)
        assert gateway.cancel(prepared(), deadline=soon()).result is LookupResult.UNAVAILABLE


class TestWhatIsSent:
    def test_the_order_with_its_details(
        self, gateway: StripeGateway, proxy: StripeProxy, new_order: Orders
    ) -> None:
        order = new_order(description="Two tickets", metadata={"seat": "4", "stripe_customer": "cus_1"})
        gateway.prepare(order, deadline=soon())
        assert proxy.requests[0].parameters == {
            "amount": "1000",
            "currency": "usd",
            "payment_method": "pm_card_visa",
            "customer": "cus_1",
            "description": "Two tickets",
            "automatic_payment_methods[enabled]": "true",
            "automatic_payment_methods[allow_redirects]": "never",
            "metadata[seat]": "4",
            "metadata[breakwall_order_id]": order.order_id,
            "metadata[breakwall_reference]": order.reference,
        }

    def test_two_requests_have_two_keys(
        self, gateway: StripeGateway, proxy: StripeProxy, prepared: Prepare
    ) -> None:
        order = prepared()
        gateway.charge(order, deadline=soon())
        keys = [sent.key for sent in proxy.requests]
        assert len(set(keys)) == 2
        assert all(str(key).startswith(order.idempotency_key) for key in keys)

    @pytest.mark.parametrize("off_session", [True, False])
    def test_whether_the_customer_is_there(
        self, make_gateway: Gateways, proxy: StripeProxy, new_order: Orders, off_session: bool
    ) -> None:
        make_gateway(off_session=off_session).charge(new_order(), deadline=soon())
        assert ("off_session" in proxy.requests[1].parameters) is off_session
        assert proxy.requests[1].parameters["error_on_requires_action"] == "true"

    def test_the_connected_account_the_key_and_the_version_with_each_request(
        self, make_gateway: Gateways, proxy: StripeProxy, new_order: Orders
    ) -> None:
        gateway = make_gateway(account="acct_1")
        order = new_order()
        created = gateway.prepare(order, deadline=soon())
        assert isinstance(created, Prepared)
        gateway.look_up_prepared(created.id, deadline=soon())
        gateway.cancel(replace(order, prepared=created.id), deadline=soon())
        for sent in proxy.requests:
            assert sent.headers["stripe-account"] == "acct_1"
            assert sent.headers["authorization"] == f"Bearer {SECRET_KEY}"
            assert sent.headers["stripe-version"] == "2026-10-28.endive"

    def test_a_new_api_key_with_the_next_request(
        self, make_gateway: Gateways, proxy: StripeProxy, new_order: Orders
    ) -> None:
        keys = iter(["sk_test_first1", "sk_test_second"])
        gateway = make_gateway(api_key=lambda: next(keys))
        for _ in range(2):
            gateway.prepare(new_order(), deadline=soon())
        sent = [request.headers["authorization"] for request in proxy.requests]
        assert sent == ["Bearer sk_test_first1", "Bearer sk_test_second"]

    def test_nothing_that_reports_our_calls_to_stripe(
        self, gateway: StripeGateway, proxy: StripeProxy, prepared: Prepare
    ) -> None:
        gateway.charge(prepared(), deadline=soon())
        for sent in proxy.requests:
            assert "x-stripe-client-telemetry" not in sent.headers
            assert "telemetry_id" not in sent.headers["x-stripe-client-user-agent"]
            assert "platform" not in sent.headers["x-stripe-client-user-agent"]


class TestSettings:
    def test_a_wrong_api_key_must_be_reconfigured(self, make_gateway: Gateways, new_order: Orders) -> None:
        answer = make_gateway(api_key=lambda: "rk_test_wr0ng").prepare(new_order(), deadline=soon())
        assert isinstance(answer, ChargeAnswer)
        assert (answer.outcome, answer.advice) == (Outcome.FAILED, Advice.RECONFIGURE)
        assert "wr0ng" not in repr(answer)

    def test_a_missing_permission_is_named(
        self, gateway: StripeGateway, proxy: StripeProxy, new_order: Orders
    ) -> None:
        text = "Having the 'rak_payment_intent_write' permission would allow this request to continue."
        proxy.next("create", answering(error(403, type="invalid_request_error", message=text)))
        answer = gateway.prepare(new_order(), deadline=soon())
        assert isinstance(answer, ChargeAnswer)
        assert answer.advice is Advice.RECONFIGURE
        assert "rak_payment_intent_write" in answer.detail


class TestAccess:
    def test_an_api_key_that_stripe_accepts_has_it(self, gateway: StripeGateway) -> None:
        assert gateway.check_access(deadline=soon()).result is LookupResult.ABSENT

    def test_another_one_has_not(self, make_gateway: Gateways) -> None:
        found = make_gateway(api_key=lambda: "rk_test_wr0ng").check_access(deadline=soon())
        assert (found.result, found.advice) == (LookupResult.UNAVAILABLE, Advice.RECONFIGURE)
        assert "BREAKWALL_PAYMENT_TOKEN" in found.detail
