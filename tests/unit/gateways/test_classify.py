"""What each answer to a charge means: the protocol's table, row by row."""

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from breakwall.payments.gateways import Advice, Answer, Health, Outcome
from breakwall.payments.gateways.answers import (
    DeadlinePassedError,
    Phase,
    PoolFullError,
    classify,
    classify_error,
)

Body = dict[str, object] | bytes | None

PAID: Body = {"status": "succeeded", "charge_id": "ch_1"}
HTML = b"<html><body>Something</body></html>"


def answer(status: int, body: Body = b"", **headers: str) -> Answer:
    raw = json.dumps(body).encode() if isinstance(body, dict) else body
    return classify(status, {name.replace("_", "-"): value for name, value in headers.items()}, raw, now=0.0)


def verdict(status: int, body: Body = b"") -> tuple[Outcome, Health, Advice]:
    seen = answer(status, body)
    return seen.outcome, seen.health, seen.advice


@pytest.mark.parametrize("status", [200, 201])
def test_a_success_with_a_charge_id_succeeded(status: int) -> None:
    assert answer(status, PAID) == Answer(Outcome.SUCCEEDED, Health.SUCCESS, charge_id="ch_1")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        HTML,
        None,
        b'{"status": "succeeded", "charge_id": "ch_1"',
        b"[" * 60_000,
        b'["succeeded"]',
        b"9" * 5000,
        b"\xff\xfe\x00",
        {"status": "succeeded"},
        {"status": "succeeded", "charge_id": ""},
        {"status": "succeeded", "charge_id": "  "},
        {"status": "succeeded", "charge_id": 7},
        {"status": "succeeded", "charge_id": None},
        {"status": "succeeded", "charge_id": "a\x00b"},
        {"status": "succeeded", "charge_id": "\ud800"},
        {"status": "succeeded", "charge_id": "x" * 256},
        {"status": "Succeeded", "charge_id": "ch_1"},
        {"status": "declined", "code": "card_declined"},
        {"charge_id": "ch_1"},
        {},
    ],
)
def test_a_success_that_cannot_be_read_is_unknown(body: Body) -> None:
    assert verdict(200, body) == (Outcome.UNKNOWN, Health.FAILURE, Advice.RETRY)


@pytest.mark.parametrize("status", [202, 204, 206])
def test_other_successes_are_unknown(status: int) -> None:
    assert verdict(status, PAID) == (Outcome.UNKNOWN, Health.FAILURE, Advice.RETRY)


@pytest.mark.parametrize("status", [200, 202])
def test_a_charge_still_being_processed_is_looked_at_again(status: int) -> None:
    assert verdict(status, {"status": "processing"}) == (Outcome.UNKNOWN, Health.SUCCESS, Advice.LOOK_AGAIN)


def test_a_decline_is_the_service_answering() -> None:
    seen = answer(402, {"status": "declined", "code": "insufficient_funds"})
    assert (seen.outcome, seen.health, seen.code) == (Outcome.DECLINED, Health.SUCCESS, "insufficient_funds")


@pytest.mark.parametrize("code", [None, 7, "", "4111 1111 1111 1111", "x" * 65, "a\nb"])
def test_a_decline_without_a_plain_code_is_called_declined(code: object) -> None:
    assert answer(402, {"status": "declined", "code": code}).code == "declined"


@pytest.mark.parametrize("body", [b"", HTML, None, {"error": "your plan has ended"}, {"status": "succeeded"}])
def test_a_402_without_the_protocols_body_is_no_decline(body: Body) -> None:
    assert verdict(402, body) == (Outcome.UNKNOWN, Health.FAILURE, Advice.RETRY)


@pytest.mark.parametrize("body", [b"", HTML, {"error": "in progress"}])
def test_the_same_key_still_running_is_looked_at_again(body: Body) -> None:
    assert verdict(409, body) == (Outcome.UNKNOWN, Health.SUCCESS, Advice.LOOK_AGAIN)


def test_the_same_key_with_another_payload_goes_to_a_person() -> None:
    assert verdict(422) == (Outcome.UNKNOWN, Health.SUCCESS, Advice.REVIEW)


def test_being_throttled_says_nothing_about_health() -> None:
    assert verdict(429) == (Outcome.THROTTLED, Health.THROTTLED, Advice.RETRY)


def test_too_early_is_tried_again() -> None:
    assert verdict(425) == (Outcome.FAILED, Health.NEUTRAL, Advice.RETRY)


@pytest.mark.parametrize("status", [401, 403, 404, 405, 407, 421])
@pytest.mark.parametrize("body", [b"", HTML, None])
def test_a_wrong_configuration_names_the_setting_and_may_be_retried(status: int, body: Body) -> None:
    seen = answer(status, body)
    assert (seen.outcome, seen.health, seen.advice) == (Outcome.FAILED, Health.NEUTRAL, Advice.RETRY)
    assert "BREAKWALL_PAYMENT_URL" in seen.detail
    assert str(status) in seen.detail


@pytest.mark.parametrize("status", [400, 406, 410, 413, 415, 418, 431, 451, 498])
def test_other_refusals_stop_the_order(status: int) -> None:
    assert verdict(status) == (Outcome.FAILED, Health.NEUTRAL, Advice.STOP)


def test_a_refusal_carries_the_services_own_code() -> None:
    assert answer(400, {"code": "amount_too_small"}).code == "amount_too_small"
    assert answer(400, HTML).code == "http_400"


@pytest.mark.parametrize("status", [422, 500, 599])
def test_what_is_known_by_its_status_goes_by_it_whatever_the_service_calls_it(status: int) -> None:
    seen = answer(status, {"code": "a_name_of_its_own"})
    assert seen.code == f"http_{status}"
    assert "a_name_of_its_own" in seen.detail


@pytest.mark.parametrize("status", [300, 301, 302, 303, 304, 307, 308])
def test_a_redirect_proves_nothing_and_names_the_setting(status: int) -> None:
    seen = answer(status, PAID, location="https://elsewhere.example/")
    assert (seen.outcome, seen.health) == (Outcome.UNKNOWN, Health.NEUTRAL)
    assert "BREAKWALL_PAYMENT_URL" in seen.detail


@pytest.mark.parametrize("status", [101, 408, 460, 499, 500, 501, 502, 503, 504, 507, 520, 599, 600, 999])
@pytest.mark.parametrize("body", [b"", PAID, HTML, None])
def test_an_answer_that_may_follow_a_charge_is_unknown(status: int, body: Body) -> None:
    assert verdict(status, body) == (Outcome.UNKNOWN, Health.FAILURE, Advice.RETRY)


@pytest.mark.parametrize("status", [400, 401, 408, 409, 422, 425, 429, 500, 502, 503, 504])
def test_every_answer_that_leads_to_another_attempt_honours_retry_after(status: int) -> None:
    assert answer(status, b"", retry_after="17").retry_after == 17


@pytest.mark.parametrize(
    ("phase", "health"), [(Phase.WAITING, Health.NEUTRAL), (Phase.CONNECTING, Health.FAILURE)]
)
def test_an_error_before_the_first_byte_sent_nothing(phase: Phase, health: Health) -> None:
    seen = classify_error(ConnectionResetError("reset"), phase)
    assert (seen.outcome, seen.health, seen.code) == (Outcome.NOT_SENT, health, "ConnectionResetError")


@pytest.mark.parametrize("error", [ConnectionRefusedError(), TimeoutError(), PoolFullError(), ValueError()])
def test_an_error_after_the_first_byte_is_unknown_whatever_it_is(error: Exception) -> None:
    seen = classify_error(error, Phase.SENT)
    assert (seen.outcome, seen.health) == (Outcome.UNKNOWN, Health.FAILURE)


@pytest.mark.parametrize("error", [PoolFullError(), DeadlinePassedError()])
def test_our_own_limits_say_nothing_about_health(error: Exception) -> None:
    assert classify_error(error, Phase.WAITING).health is Health.NEUTRAL


def test_what_the_service_wrote_is_not_repeated_in_the_detail() -> None:
    leaky = {"status": "declined", "code": "Bearer s3cret!", "message": "s3cret"}
    for status in (200, 302, 400, 401, 402, 409, 422, 429, 500):
        assert "s3cret" not in repr(answer(status, leaky))
    assert "s3cret" not in repr(classify_error(ValueError("illegal header: s3cret"), Phase.SENT))


REFUSALS_THAT_PROVE = set(range(400, 500)) - {402, 408, 409, 422, 460, 499}

bodies = (
    st.none()
    | st.binary(max_size=64)
    | st.fixed_dictionaries(
        {},
        optional={
            "status": st.sampled_from(["succeeded", "declined", "processing", "failed", 1, None]),
            "charge_id": st.text(max_size=3) | st.integers() | st.none(),
            "code": st.text(max_size=5) | st.none(),
        },
    ).map(lambda said: json.dumps(said).encode())
)
headers = st.dictionaries(st.sampled_from(["retry-after", "date", "content-type", "location"]), st.text())


@given(status=st.integers(100, 999), headers=headers, body=bodies)
@example(status=402, headers={}, body=b"")
@example(status=503, headers={}, body=b'{"status": "failed"}')
def test_no_charge_is_only_said_where_it_is_proven(
    status: int, headers: dict[str, str], body: bytes | None
) -> None:
    seen = classify(status, headers, body, now=0.0)
    if seen.outcome.proves_no_charge:
        assert status in REFUSALS_THAT_PROVE
    if seen.outcome is Outcome.SUCCEEDED:
        assert status in {200, 201}
        assert seen.charge_id
    if seen.outcome is Outcome.DECLINED:
        assert status == 402
        assert body is not None
        assert json.loads(body)["status"] == "declined"


@given(
    error=st.sampled_from([OSError, TimeoutError, ValueError, RuntimeError, PoolFullError]),
    phase=st.sampled_from(Phase),
)
def test_an_error_proves_no_charge_only_before_the_first_byte(error: type[Exception], phase: Phase) -> None:
    assert classify_error(error(), phase).outcome.proves_no_charge == (phase is not Phase.SENT)
