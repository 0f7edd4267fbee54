"""What each answer to a charge means: the protocol's table, row by row."""

import errno
import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from breakwall.payments.gateways import Advice, ChargeAnswer, ChargeDetails, Health, Outcome
from breakwall.payments.gateways.charge_answers import classify_charge, classify_charge_error
from breakwall.payments.gateways.transport.errors import (
    CertificateExpiredError,
    CertificateMissingError,
    CertificateRefusedError,
    DeadlinePassedError,
    Phase,
    PoolFullError,
    ProxyCredentialsError,
)

Body = dict[str, object] | bytes | None

PAID: Body = {"status": "succeeded", "charge_id": "ch_1"}
HTML = b"<html><body>Something</body></html>"


def answer(status: int, body: Body = b"", **headers: str) -> ChargeAnswer:
    raw = json.dumps(body).encode() if isinstance(body, dict) else body
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return classify_charge(status, named, raw, now=0.0)


def meaning(status: int, body: Body = b"") -> tuple[Outcome, Health, Advice]:
    seen = answer(status, body)
    return seen.outcome, seen.health, seen.advice


@pytest.mark.parametrize("status", [200, 201])
def test_a_success_with_a_charge_id_succeeded(status: int) -> None:
    assert answer(status, PAID) == ChargeAnswer(Outcome.SUCCEEDED, Health.SUCCESS, charge_id="ch_1")


@pytest.mark.parametrize("word", ["SUCCEEDED", "Succeeded", " succeeded "])
def test_a_success_may_be_written_in_any_case(word: str) -> None:
    assert answer(200, {"status": word, "charge_id": "ch_1"}).outcome is Outcome.SUCCEEDED


def test_a_numeric_charge_id_becomes_its_text() -> None:
    assert answer(200, {"status": "succeeded", "charge_id": 20_250_017}).charge_id == "20250017"


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "its body is empty"),
        (None, "its body is longer than 65,536 bytes"),
        (HTML, "its body is no JSON: it begins with <html"),
        (b'{"status": "succeeded", "charge_id": "ch_1"', "its body is no JSON"),
        (b"[" * 60_000, "its body is no JSON"),
        (b"9" * 5000, "its body is no JSON"),
        (b"\xff\xfe\x00", "its body is not UTF-8"),
        (b'["succeeded"]', "its body is JSON, but not an object"),
        ({}, "its body has no `status`"),
        ({"charge_id": "ch_1"}, "its body has no `status`"),
        ({"status": 7}, "its `status` is not a text"),
        ({"status": "paid"}, "its `status` is 'paid', which the protocol does not know"),
        (
            {"status": "\x1b" + "x" * 99},
            f"its `status` is '\\x1b{'x' * 39}', which the protocol does not know",
        ),
        ({"status": "succeeded"}, "its `charge_id` is missing"),
        ({"status": "succeeded", "charge_id": None}, "its `charge_id` is missing"),
        ({"status": "succeeded", "charge_id": ""}, "its `charge_id` is empty"),
        ({"status": "succeeded", "charge_id": "  "}, "its `charge_id` is empty"),
        ({"status": "succeeded", "charge_id": True}, "its `charge_id` is neither a text nor a whole number"),
        ({"status": "succeeded", "charge_id": 1.0}, "its `charge_id` is neither a text nor a whole number"),
        ({"status": "succeeded", "charge_id": ["c"]}, "its `charge_id` is neither a text nor a whole number"),
        ({"status": "succeeded", "charge_id": "a\x00b"}, "its `charge_id` has control characters in it"),
        ({"status": "succeeded", "charge_id": "a\u202eb"}, "its `charge_id` has control characters in it"),
        ({"status": "succeeded", "charge_id": "\ud800"}, "its `charge_id` has control characters in it"),
        ({"status": "succeeded", "charge_id": "x" * 256}, "its `charge_id` is longer than 255 characters"),
        ({"status": "succeeded", "charge_id": 10**255}, "its `charge_id` is longer than 255 characters"),
    ],
)
def test_a_success_that_cannot_be_read_is_unknown_and_says_why(body: Body, why: str) -> None:
    assert meaning(200, body) == (Outcome.UNKNOWN, Health.FAILURE, Advice.RETRY)
    assert answer(200, body).detail == f"The payment service answered HTTP 200, but {why}."


@pytest.mark.parametrize("status", [202, 204, 206])
def test_other_successes_are_unknown(status: int) -> None:
    assert meaning(status, PAID) == (Outcome.UNKNOWN, Health.FAILURE, Advice.RETRY)
    assert "only 200 and 201" in answer(status, PAID).detail


@pytest.mark.parametrize("status", [200, 201, 202])
@pytest.mark.parametrize("word", ["processing", "pending", "Pending"])
def test_a_charge_in_progress_is_looked_up_again_soon(status: int, word: str) -> None:
    assert meaning(status, {"status": word}) == (Outcome.UNKNOWN, Health.SUCCESS, Advice.LOOK_AGAIN)


@pytest.mark.parametrize("body", [{"error": "No money left"}, {"status": 402}, {"status": "failed"}, {}])
def test_a_402_with_any_object_is_a_decline(body: Body) -> None:
    seen = answer(402, body)
    assert (seen.outcome, seen.health, seen.code) == (Outcome.DECLINED, Health.SUCCESS, "declined")


@pytest.mark.parametrize("status", [200, 201, 202])
def test_a_decline_may_come_as_a_success(status: int) -> None:
    seen = answer(status, {"status": "Declined", "code": "no_funds"})
    assert (seen.outcome, seen.health, seen.code) == (Outcome.DECLINED, Health.SUCCESS, "no_funds")


@pytest.mark.parametrize(
    "body",
    [
        {"code": "no_funds"},
        {"decline_code": "no_funds", "code": "card_declined"},
        {"failure_code": "no_funds"},
        {"reason": "no_funds", "message": "There is no money left."},
        {"error": "no_funds"},
        {"error": {"code": "no_funds"}},
        {"error": {"code": "card_declined", "decline_code": "no_funds"}},
        {"code": "There is no money", "error": {"reason": "no_funds"}},
        {"errors": [{"code": "no_funds"}]},
        {"failure": {"code": "no_funds"}},
    ],
)
def test_the_code_of_a_decline_is_found_where_services_put_it(body: Body) -> None:
    assert answer(402, body).code == "no_funds"


@pytest.mark.parametrize("code", [None, 7, "", "4111 1111 1111 1111", "4111111111111111", "x" * 65, "a\nb"])
def test_a_decline_without_a_plain_code_is_called_declined(code: object) -> None:
    assert answer(402, {"status": "declined", "code": code}).code == "declined"


@pytest.mark.parametrize("body", [b"", HTML, None, b'["card_declined"]'])
def test_a_402_without_an_object_is_no_decline(body: Body) -> None:
    assert meaning(402, body) == (Outcome.UNKNOWN, Health.FAILURE, Advice.RETRY)


@pytest.mark.parametrize("word", ["succeeded", "SUCCEEDED", "processing", "pending"])
def test_a_402_that_contradicts_itself_is_no_decline(word: str) -> None:
    assert meaning(402, {"status": word}) == (Outcome.UNKNOWN, Health.FAILURE, Advice.RETRY)
    assert answer(402, {"status": word}).detail.endswith(f"its `status` is '{word}', which contradicts it.")


@pytest.mark.parametrize(("status", "word"), [(200, "succeeded"), (200, "declined"), (402, "declined")])
def test_the_fields_that_name_the_charge_are_passed_on_unchanged(status: int, word: str) -> None:
    named = {"order_id": "o-9", "amount": "10000", "currency": ["KRW"]}
    seen = answer(status, {"status": word, "charge_id": "ch_1", **named})
    assert seen.details == ChargeDetails("o-9", "10000", ["KRW"])


def test_only_the_answers_own_fields_name_the_charge() -> None:
    body: Body = {"status": "succeeded", "charge_id": "c", "amount": None, "order": {"order_id": "o-9"}}
    assert answer(200, body).details == ChargeDetails()


BY_STATUS = {
    (Outcome.UNKNOWN, Health.NEUTRAL, Advice.RECONFIGURE): (300, 301, 302, 303, 304, 307, 308, 404, 410),
    (Outcome.FAILED, Health.NEUTRAL, Advice.RECONFIGURE): (401, 403, 405, 407, 421),
    (Outcome.UNKNOWN, Health.NEUTRAL, Advice.STOP): (400, 406, 411, 412, 413, 415, 418, 424, 431, 451, 498),
    (Outcome.UNKNOWN, Health.SUCCESS, Advice.LOOK_AGAIN): (409,),
    (Outcome.UNKNOWN, Health.SUCCESS, Advice.REVIEW): (422,),
    (Outcome.FAILED, Health.NEUTRAL, Advice.RETRY): (425,),
    (Outcome.THROTTLED, Health.THROTTLED, Advice.RETRY): (429,),
    (Outcome.UNKNOWN, Health.FAILURE, Advice.RETRY): (
        101,
        408,
        460,
        499,
        500,
        502,
        503,
        504,
        520,
        599,
        600,
        999,
    ),
}


@pytest.mark.parametrize("body", [b"", PAID, HTML, None, {"error": "in progress"}])
@pytest.mark.parametrize(
    ("status", "expected"), [(status, expected) for expected, those in BY_STATUS.items() for status in those]
)
def test_any_other_answer_means_what_its_status_says(
    status: int, expected: tuple[Outcome, Health, Advice], body: Body
) -> None:
    assert meaning(status, body) == expected


@pytest.mark.parametrize("status", [302, 401, 403, 404, 405, 407, 410, 421])
def test_an_answer_that_only_other_settings_change_names_the_setting(status: int) -> None:
    assert "BREAKWALL_PAYMENT_" in answer(status, HTML).detail
    assert str(status) in answer(status, HTML).detail


def test_a_refusal_promises_a_lookup_and_no_proof() -> None:
    """Toss Payments says with a 400 that it has charged already."""
    detail = answer(400, {"code": "ALREADY_PROCESSED_PAYMENT"}).detail
    assert "looked up" in detail
    assert "nothing was charged" not in detail


@pytest.mark.parametrize("status", [400, 401, 404, 409, 422, 429, 500, 599])
def test_each_status_carries_the_services_own_code(status: int) -> None:
    assert answer(status, {"error": {"code": "its_own"}}).code == "its_own"
    assert answer(status, HTML).code == f"http_{status}"


KEEPS_ITS_KEY = (200, 302, 401, 402, 403, 404, 405, 407, 408, 409, 410, 421, 425, 429, 460, 499)


@pytest.mark.parametrize(
    ("status", "spends"),
    [(status, True) for status in (400, 412, 413, 422, 500, 502, 503, 504, 599)]
    + [(status, False) for status in KEEPS_ITS_KEY],
)
def test_an_answer_that_may_be_stored_under_its_key_spends_it(status: int, spends: bool) -> None:
    assert answer(status).spends_key is spends


@pytest.mark.parametrize("status", [400, 401, 408, 409, 422, 425, 429, 500, 502, 503, 504])
def test_every_answer_that_leads_to_another_attempt_honours_retry_after(status: int) -> None:
    assert answer(status, b"", retry_after="17").retry_after == 17


@pytest.mark.parametrize(
    ("phase", "health"), [(Phase.WAITING, Health.NEUTRAL), (Phase.CONNECTING, Health.FAILURE)]
)
def test_an_error_before_the_first_byte_sent_nothing(phase: Phase, health: Health) -> None:
    seen = classify_charge_error(ConnectionResetError("reset"), phase)
    assert (seen.outcome, seen.health, seen.code) == (Outcome.NOT_SENT, health, "ConnectionResetError")


@pytest.mark.parametrize("error", [ConnectionRefusedError(), TimeoutError(), PoolFullError(), ValueError()])
def test_an_error_after_the_first_byte_is_unknown_whatever_it_is(error: Exception) -> None:
    seen = classify_charge_error(error, Phase.SENT)
    assert (seen.outcome, seen.health) == (Outcome.UNKNOWN, Health.FAILURE)


@pytest.mark.parametrize("error", [PoolFullError(), DeadlinePassedError()])
def test_our_own_limits_say_nothing_about_health(error: Exception) -> None:
    assert classify_charge_error(error, Phase.WAITING).health is Health.NEUTRAL


@pytest.mark.parametrize(
    ("phase", "outcome"), [(Phase.CONNECTING, Outcome.NOT_SENT), (Phase.SENT, Outcome.UNKNOWN)]
)
def test_what_this_process_has_exhausted_says_nothing_about_health(phase: Phase, outcome: Outcome) -> None:
    seen = classify_charge_error(OSError(errno.EMFILE, "Too many open files"), phase)
    assert (seen.outcome, seen.health) == (outcome, Health.NEUTRAL)


def test_what_the_service_wrote_is_not_repeated_in_the_detail() -> None:
    leaky = {"status": "declined", "code": "Bearer s3cret!", "message": "s3cret"}
    unreadable: list[Body] = [
        b"s3cret",
        b"<a token='s3cret'>",
        {"status": "succeeded", "charge_id": "s3cret\n"},
    ]
    for body in unreadable:
        assert "s3cret" not in repr(answer(200, body))
    for status in (200, 302, 400, 401, 402, 409, 422, 429, 500):
        assert "s3cret" not in repr(answer(status, leaky))
    assert "s3cret" not in repr(classify_charge_error(ValueError("illegal header: s3cret"), Phase.SENT))


REFUSALS_THAT_PROVE = {401, 403, 405, 407, 421, 425, 429}

bodies = (
    st.none()
    | st.binary(max_size=64)
    | st.fixed_dictionaries(
        {},
        optional={
            "status": st.sampled_from(["succeeded", "Declined", "pending", "failed", 1, None]),
            "charge_id": st.text(max_size=3) | st.integers() | st.none(),
            "code": st.text(max_size=5) | st.none(),
        },
    ).map(lambda said: json.dumps(said).encode())
)
headers = st.dictionaries(
    st.sampled_from(["retry-after", "date", "content-type", "content-encoding"]), st.text()
)


@given(status=st.integers(100, 999), headers=headers, body=bodies)
@example(status=402, headers={}, body=b"")
@example(status=503, headers={}, body=b'{"status": "failed"}')
def test_no_charge_is_only_said_where_it_is_proven(
    status: int, headers: dict[str, str], body: bytes | None
) -> None:
    seen = classify_charge(status, headers, body, now=0.0)
    if seen.outcome.proves_no_charge:
        assert status in REFUSALS_THAT_PROVE
    if seen.outcome is Outcome.SUCCEEDED:
        assert status in {200, 201}
        assert seen.charge_id
    if seen.outcome is Outcome.DECLINED:
        assert body is not None
        said = json.loads(body)
        assert status == 402 or (200 <= status < 300 and said["status"].lower() == "declined")
        assert said.get("status") not in {"succeeded", "pending"}


@given(
    error=st.sampled_from([OSError, TimeoutError, ValueError, RuntimeError, PoolFullError]),
    phase=st.sampled_from(Phase),
)
def test_an_error_proves_no_charge_only_before_the_first_byte(error: type[Exception], phase: Phase) -> None:
    assert classify_charge_error(error(), phase).outcome.proves_no_charge == (phase is not Phase.SENT)


REFUSALS = [CertificateRefusedError, CertificateMissingError, CertificateExpiredError]


@pytest.mark.parametrize("kind", REFUSALS)
@pytest.mark.parametrize(
    ("phase", "unread", "outcome"),
    [
        (Phase.CONNECTING, False, Outcome.NOT_SENT),
        (Phase.SENT, True, Outcome.FAILED),
        (Phase.SENT, False, Outcome.UNKNOWN),
    ],
)
def test_a_refused_certificate_is_a_matter_of_the_settings_and_proves_what_its_handshake_proves(
    kind: type[CertificateRefusedError], phase: Phase, unread: bool, outcome: Outcome
) -> None:
    error = kind("alert")
    error.unread = unread
    seen = classify_charge_error(error, phase)
    assert (seen.outcome, seen.health, seen.advice) == (outcome, Health.NEUTRAL, Advice.RECONFIGURE)
    assert (seen.code, seen.spends_key) == (kind.__name__, False)


def test_a_proxy_that_does_not_know_us_is_a_matter_of_the_settings() -> None:
    seen = classify_charge_error(ProxyCredentialsError("HTTP 407"), Phase.CONNECTING)
    assert (seen.outcome, seen.health, seen.advice) == (
        Outcome.NOT_SENT,
        Health.NEUTRAL,
        Advice.RECONFIGURE,
    )
