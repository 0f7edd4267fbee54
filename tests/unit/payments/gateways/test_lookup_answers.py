"""What each answer to a look-up means."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from breakwall.payments.gateways import Advice, ChargeDetails, Health, LookupAnswer, LookupResult
from breakwall.payments.gateways.lookup_answers import OTHER_STATUS, classify_lookup, classify_lookup_error
from breakwall.payments.gateways.transport.errors import Phase, PoolFullError


def look(status: int, body: dict[str, object] | bytes | None = b"", **headers: str) -> LookupAnswer:
    raw = json.dumps(body).encode() if isinstance(body, dict) else body
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return classify_lookup(status, named, raw, now=0.0)


def test_a_charge_that_succeeded_is_found_with_its_id() -> None:
    seen = look(200, {"status": "succeeded", "charge_id": "ch_9"})
    assert seen == LookupAnswer(LookupResult.SUCCEEDED, Health.SUCCESS, "ch_9")


def test_capitals_and_numeric_ids_are_read() -> None:
    assert look(200, {"status": "SUCCEEDED", "charge_id": 17}).charge_id == "17"


@pytest.mark.parametrize(
    ("said", "result"),
    [
        ("declined", LookupResult.DECLINED),
        ("Declined", LookupResult.DECLINED),
        ("processing", LookupResult.PROCESSING),
        ("pending", LookupResult.PROCESSING),
    ],
)
def test_declined_and_processing_need_no_id(said: str, result: LookupResult) -> None:
    seen = look(200, {"status": said})
    assert (seen.result, seen.health) == (result, Health.SUCCESS)


@pytest.mark.parametrize("said", ["succeeded", "declined"])
def test_the_fields_that_name_the_charge_are_passed_on_unchanged(said: str) -> None:
    named = {"order_id": "o-9", "amount": 5, "currency": "krw"}
    assert look(200, {"status": said, "charge_id": "c", **named}).details == ChargeDetails("o-9", 5, "krw")


def test_a_decline_found_later_carries_its_code() -> None:
    assert look(200, {"status": "declined", "code": "card_expired"}).code == "card_expired"
    assert look(200, {"status": "declined", "error": {"code": "card_expired"}}).code == "card_expired"


def test_a_charge_that_was_refunded_since_is_known_and_neither_paid_nor_declined() -> None:
    seen = look(200, {"status": "refunded", "charge_id": "ch_9"})
    assert (seen.result, seen.health, seen.code) == (LookupResult.UNAVAILABLE, Health.NEUTRAL, OTHER_STATUS)
    assert "refunded" in seen.detail


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "its body is empty"),
        (b"<html>", "its body is no JSON: it begins with <html"),
        (None, "its body is longer than 65,536 bytes"),
        ({}, "its body has no `status`"),
        ({"status": "succeeded"}, "its `charge_id` is missing"),
        ({"status": "unheard_of"}, "its `status` is 'unheard_of', which the protocol does not know"),
    ],
)
def test_an_unreadable_200_is_no_answer_and_says_why(
    body: dict[str, object] | bytes | None, why: str
) -> None:
    seen = look(200, body)
    assert (seen.result, seen.health) == (LookupResult.UNAVAILABLE, Health.FAILURE)
    assert seen.detail == f"The look-up answered HTTP 200, but {why}."


@pytest.mark.parametrize("body", [b"", b'{"error": "no such charge"}'])
def test_a_404_of_the_service_itself_means_absent(body: bytes) -> None:
    assert (look(404, body).result, look(404, body).health) == (LookupResult.ABSENT, Health.SUCCESS)


@pytest.mark.parametrize("body", [b"<html>Not Found</html>", b"404 page not found", b'"no"', b"[]", None])
def test_a_404_that_is_not_the_services_own_is_not_trusted(body: bytes | None) -> None:
    seen = look(404, body)
    assert (seen.result, seen.health) == (LookupResult.UNAVAILABLE, Health.NEUTRAL)
    assert (seen.code, seen.advice) == ("http_404", Advice.RECONFIGURE)
    assert "BREAKWALL_PAYMENT_URL" in seen.detail


def test_an_empty_404_that_calls_itself_html_is_not_trusted() -> None:
    assert look(404, b"", content_type="text/HTML; charset=utf-8").result is LookupResult.UNAVAILABLE


@pytest.mark.parametrize(
    ("statuses", "health", "advice", "words"),
    [
        ((405, 501), Health.NEUTRAL, Advice.RETRY, "has no look-up"),
        (
            (301, 302, 400, 410, 421),
            Health.NEUTRAL,
            Advice.RECONFIGURE,
            "BREAKWALL_PAYMENT_URL",
        ),
        ((401, 403), Health.NEUTRAL, Advice.RECONFIGURE, "BREAKWALL_PAYMENT_TOKEN"),
        ((407,), Health.NEUTRAL, Advice.RECONFIGURE, "BREAKWALL_PAYMENT_PROXY"),
        ((409, 425), Health.NEUTRAL, Advice.RETRY, "failed"),
        ((429,), Health.THROTTLED, Advice.RETRY, "slow down"),
        ((204, 408, 460, 499, 500, 503), Health.FAILURE, Advice.RETRY, "failed"),
    ],
)
def test_any_other_status_is_no_answer(
    statuses: tuple[int, ...], health: Health, advice: Advice, words: str
) -> None:
    for status in statuses:
        seen = look(status)
        assert (seen.result, seen.health, seen.advice) == (LookupResult.UNAVAILABLE, health, advice)
        assert words in seen.detail
        assert ("BREAKWALL_PAYMENT_" in seen.detail) == (advice is Advice.RECONFIGURE)


def test_retry_after_is_honoured() -> None:
    assert look(429, retry_after="4").retry_after == look(503, retry_after="4").retry_after == 4


@pytest.mark.parametrize(
    ("error", "phase", "health"),
    [
        (PoolFullError(), Phase.WAITING, Health.NEUTRAL),
        (ConnectionRefusedError(), Phase.CONNECTING, Health.FAILURE),
        (TimeoutError(), Phase.SENT, Health.FAILURE),
    ],
)
def test_an_error_is_unavailable(error: Exception, phase: Phase, health: Health) -> None:
    seen = classify_lookup_error(error, phase)
    assert (seen.result, seen.health) == (LookupResult.UNAVAILABLE, health)


@given(status=st.integers(100, 999), body=st.none() | st.binary(), kind=st.text())
def test_absent_is_only_said_for_a_404(status: int, body: bytes | None, kind: str) -> None:
    seen = classify_lookup(status, {"content-type": kind}, body, now=0.0)
    assert seen.result is not LookupResult.ABSENT or status == 404
