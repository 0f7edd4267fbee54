"""What a PaymentIntent says about its charge."""

from dataclasses import replace

import pytest

from breakwall.payments.decisions import (
    STORED_ERRORS,
    Progress,
    Step,
    after_attempt,
    after_look_up,
    next_step,
)
from breakwall.payments.gateways.base import Advice, ChargeDetails, ChargeRequest, LookupResult, Outcome
from breakwall.payments.gateways.stripe import profile_from_settings
from breakwall.payments.gateways.stripe.intents import (
    as_charge,
    can_still_charge,
    details_of,
    intent_id,
    needs_the_customer,
    read_intent,
)
from breakwall.payments.orders import OrderStatus
from breakwall.payments.retry_policy import RetryPolicy
from breakwall.payments.verification import verified
from breakwall.settings import Settings
from tests.unit.payments.gateways.stripe.answers import INSUFFICIENT_FUNDS, ORDER_ID, intent

STRIPE = profile_from_settings(Settings())
ORDER = ChargeRequest(ORDER_ID, "u-1", 1000, "USD", "k")


@pytest.mark.parametrize(
    ("status", "result", "outcome"),
    [
        ("succeeded", LookupResult.SUCCEEDED, Outcome.SUCCEEDED),
        ("processing", LookupResult.PROCESSING, Outcome.UNKNOWN),
        ("requires_capture", LookupResult.PROCESSING, Outcome.UNKNOWN),
        ("requires_action", LookupResult.PROCESSING, Outcome.UNKNOWN),
        ("requires_confirmation", LookupResult.PREPARED, Outcome.UNKNOWN),
        ("requires_payment_method", LookupResult.PREPARED, Outcome.UNKNOWN),
        ("canceled", LookupResult.CANCELLED, Outcome.UNKNOWN),
        ("requires_something_new", LookupResult.UNAVAILABLE, Outcome.UNKNOWN),
    ],
)
def test_the_status_decides(status: str, result: LookupResult, outcome: Outcome) -> None:
    found = read_intent(intent(status))
    assert found.result is result
    assert as_charge(found).outcome is outcome


@pytest.mark.parametrize("status", ["processing", "requires_capture", "requires_action"])
def test_a_charge_that_is_not_finished_is_asked_for_again_soon(status: str) -> None:
    assert as_charge(read_intent(intent(status))).advice is Advice.LOOK_AGAIN


def test_a_confirmation_of_a_cancelled_intent_leads_to_a_look_up_and_then_to_another_key() -> None:
    """Also if an earlier attempt under its key is unknown: the same key would find the same intent for ever."""
    found = read_intent(intent("canceled"))
    answer, policy = as_charge(found), RetryPolicy()
    assert answer.spends_key
    before = Progress(unresolved=True, prepared=True, stored_errors=STORED_ERRORS, key_spent=True)
    decision = after_attempt(answer, replace(before, stored_errors=0), STRIPE, policy, 0)
    assert (decision.status, decision.uncharged) == (OrderStatus.QUEUED, False)
    assert next_step(before, STRIPE, policy) is Step.LOOK_UP
    assert after_look_up(found, before, STRIPE, policy, 0) is None
    # Such an attempt is no refusal: the order is charged, and does not end.
    refused = answer.advice is Advice.STOP
    assert next_step(replace(before, refused=refused).proven_absent(), STRIPE, policy) is Step.SEND


@pytest.mark.parametrize("latest", ["ch_3N1", {"id": "ch_3N1", "object": "charge"}])
def test_the_recorded_id_is_that_of_the_charge_as_reports_have_it(latest: object) -> None:
    assert read_intent(intent("succeeded", latest_charge=latest)).charge_id == "ch_3N1"


@pytest.mark.parametrize("latest", [None, "", " ", 7, {}, "x" * 256, "ch\x1b[1m"])
def test_a_success_without_a_charge_is_not_believed(latest: object) -> None:
    assert read_intent(intent("succeeded", latest_charge=latest)).result is LookupResult.UNAVAILABLE


@pytest.mark.parametrize("status", ["requires_payment_method", "canceled"])
def test_the_error_that_a_decline_leaves_is_a_decline(status: str) -> None:
    """Also when the intent was cancelled afterwards: the order must not be charged again under another key."""
    found = read_intent(intent(status, last_payment_error=INSUFFICIENT_FUNDS))
    assert (found.result, found.code) == (LookupResult.DECLINED, "insufficient_funds")


def test_an_intent_that_can_be_confirmed_again_is_no_decline() -> None:
    found = read_intent(intent("requires_confirmation", last_payment_error=INSUFFICIENT_FUNDS))
    assert found.result is LookupResult.PREPARED


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"amount_received": 400}, "400 usd"),  # a part was captured
        ({"amount_received": 0}, "0 usd"),
        ({"amount": 2000, "amount_received": 2000}, "2000 usd"),
        ({"currency": "eur"}, "1000 eur"),
        ({"metadata": {"breakwall_order_id": "another"}}, "another"),
    ],
)
def test_another_amount_currency_or_order_is_a_contradiction(fields: dict[str, object], named: str) -> None:
    found = verified(read_intent(intent("succeeded", **fields)), ORDER)
    assert found.result is LookupResult.UNAVAILABLE
    assert found.contradiction is not None
    assert named.split()[0] in found.contradiction


@pytest.mark.parametrize("metadata", [{}, None, {"other": "1"}, "text"])
def test_an_intent_without_our_metadata_names_no_order(metadata: object) -> None:
    assert details_of(intent("succeeded", metadata=metadata)) == ChargeDetails(None, 1000, "usd")


def test_details_are_in_our_units() -> None:
    assert details_of(intent("processing", amount=500, currency="isk")).amount == 5


@pytest.mark.parametrize("value", [None, 7, "", "x" * 256, "pi\n1"])
def test_an_unusable_id_is_none(value: object) -> None:
    assert intent_id({"id": value}) is None


def test_only_an_intent_with_a_payment_method_can_still_charge() -> None:
    statuses = ["requires_payment_method", "requires_confirmation", "requires_action", "canceled"]
    assert [can_still_charge(intent(status)) for status in statuses] == [False, True, True, False]
    assert [needs_the_customer(intent(status)) for status in statuses] == [False, False, True, False]
