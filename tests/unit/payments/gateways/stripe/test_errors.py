"""What Stripe's errors mean for a confirmation, a preparation and a look-up."""

from typing import Any

import pytest

from breakwall.payments.gateways.base import Advice, ChargeAnswer, Health, LookupResult, Outcome
from breakwall.payments.gateways.charge_answers import DEFAULT_BOUNDS
from breakwall.payments.gateways.stripe.errors import (
    Failure,
    LibraryLogsError,
    charge_failed,
    look_up_failed,
    prepare_failed,
)
from breakwall.payments.gateways.transport.errors import ConnectError, Phase, PoolFullError, ReadTimeout
from tests.unit.payments.gateways.stripe import answers
from tests.unit.payments.gateways.stripe.answers import intent

Described = dict[str, Any]


def failure(status: int, error: Described, **headers: str) -> Failure:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Failure(status, named, {"error": error})


def confirmed(failed: Failure) -> ChargeAnswer:
    return charge_failed(failed, now=0.0, bounds=DEFAULT_BOUNDS)


def prepared(failed: Failure) -> ChargeAnswer:
    return prepare_failed(failed, now=0.0, bounds=DEFAULT_BOUNDS)


UNKNOWN, FAILED, DECLINED, THROTTLED = Outcome.UNKNOWN, Outcome.FAILED, Outcome.DECLINED, Outcome.THROTTLED

CASES = [  # the answer; what a confirmation and what a preparation make of it; the advice and the health of both
    (402, answers.DECLINED, DECLINED, DECLINED, Advice.RETRY, Health.SUCCESS),
    (402, answers.AUTHENTICATION_REQUIRED, DECLINED, DECLINED, Advice.RETRY, Health.SUCCESS),
    (400, answers.UNEXPECTED_STATE, UNKNOWN, FAILED, Advice.STOP, Health.NEUTRAL),
    (400, answers.NO_SUCH_METHOD, UNKNOWN, FAILED, Advice.STOP, Health.NEUTRAL),
    (400, answers.TOO_SMALL, UNKNOWN, FAILED, Advice.STOP, Health.NEUTRAL),
    (400, answers.OTHER_MODE, UNKNOWN, FAILED, Advice.RECONFIGURE, Health.NEUTRAL),
    (404, answers.OTHER_MODE, UNKNOWN, FAILED, Advice.RECONFIGURE, Health.NEUTRAL),
    (401, answers.INVALID_KEY, FAILED, FAILED, Advice.RECONFIGURE, Health.NEUTRAL),
    (403, answers.NO_PERMISSION, FAILED, FAILED, Advice.RECONFIGURE, Health.NEUTRAL),
    (403, answers.NO_ACCESS, FAILED, FAILED, Advice.RECONFIGURE, Health.NEUTRAL),
    (400, answers.NO_ACCESS, UNKNOWN, FAILED, Advice.RECONFIGURE, Health.NEUTRAL),
    (429, answers.TOO_MANY, THROTTLED, THROTTLED, Advice.RETRY, Health.THROTTLED),
    (400, answers.TOO_MANY, THROTTLED, THROTTLED, Advice.RETRY, Health.THROTTLED),
    (429, answers.LOCK_TIMEOUT, THROTTLED, THROTTLED, Advice.RETRY, Health.NEUTRAL),
    (409, answers.KEY_IN_USE, UNKNOWN, UNKNOWN, Advice.LOOK_AGAIN, Health.SUCCESS),
    (500, answers.API_ERROR, UNKNOWN, FAILED, Advice.RETRY, Health.FAILURE),
    (503, answers.API_ERROR, UNKNOWN, FAILED, Advice.RETRY, Health.FAILURE),
]


@pytest.mark.parametrize(("status", "error", "charge", "prepare", "advice", "health"), CASES)
def test_each_error_has_its_meaning(
    status: int, error: Described, charge: Outcome, prepare: Outcome, advice: Advice, health: Health
) -> None:
    for answer, outcome in (
        (confirmed(failure(status, error)), charge),
        (prepared(failure(status, error)), prepare),
    ):
        assert (answer.outcome, answer.advice, answer.health) == (outcome, advice, health)


@pytest.mark.parametrize(("status", "error"), [(status, error) for status, error, *_ in CASES])
def test_no_secret_of_stripes_text_is_repeated(status: int, error: Described) -> None:
    failed = failure(status, error)
    look_up = look_up_failed(failed, now=0.0, bounds=DEFAULT_BOUNDS)
    for shown in map(repr, (confirmed(failed), prepared(failed), look_up)):
        assert not any(secret in shown for secret in ("pm_s3cret", "wr0ng", "abc"))


@pytest.mark.parametrize(("status", "error"), [(status, error) for status, error, *_ in CASES])
def test_a_failed_look_up_never_says_absent(status: int, error: Described) -> None:
    found = look_up_failed(failure(status, error), now=0.0, bounds=DEFAULT_BOUNDS)
    assert found.result is LookupResult.UNAVAILABLE
    assert found.advice in {Advice.RETRY, Advice.RECONFIGURE}


def test_a_decline_has_the_decline_code_and_the_charges_details() -> None:
    answer = confirmed(failure(402, answers.DECLINED))
    assert (answer.code, answer.details.amount) == ("insufficient_funds", 1000)


@pytest.mark.parametrize("status", ["succeeded", "processing", "requires_capture"])
def test_a_decline_beside_a_charge_that_may_have_succeeded_is_not_believed(status: str) -> None:
    answer = confirmed(failure(402, {**answers.DECLINED, "payment_intent": intent(status)}))
    assert (answer.outcome, answer.advice) == (UNKNOWN, Advice.LOOK_AGAIN)


def test_a_key_with_other_parameters_is_looked_up_after_a_confirmation_and_reviewed_after_a_preparation() -> (
    None
):
    failed = failure(400, answers.OTHER_PARAMETERS)
    charge, prepare = confirmed(failed), prepared(failed)
    assert (charge.outcome, charge.advice, charge.spends_key) == (UNKNOWN, Advice.LOOK_AGAIN, True)
    assert (prepare.outcome, prepare.advice) == (UNKNOWN, Advice.REVIEW)


def test_the_missing_permission_is_named() -> None:
    assert (
        "lacks the permission rak_payment_intent_write"
        in confirmed(failure(403, answers.NO_PERMISSION)).detail
    )


def test_the_other_mode_is_named() -> None:
    assert "it is in live mode" in confirmed(failure(404, answers.OTHER_MODE)).detail


def test_an_intent_that_is_not_found_is_a_wrong_setting() -> None:
    answer = confirmed(failure(404, answers.NO_SUCH_INTENT))
    assert (answer.outcome, answer.advice) == (UNKNOWN, Advice.RECONFIGURE)


def test_what_a_preparation_does_not_find_is_in_its_request() -> None:
    answer = prepared(failure(404, answers.NO_SUCH_METHOD))
    assert (answer.outcome, answer.advice) == (FAILED, Advice.STOP)
    assert "payment_method" in answer.detail


def test_a_refusal_without_a_parameter_says_where_to_read_on() -> None:
    """An imitation of Stripe names no parameter."""
    error = {"type": "invalid_request_error", "message": "Unexpected automatic_payment_methods"}
    refused, missing = prepared(failure(400, error)), prepared(failure(404, error))
    assert refused.detail == "Stripe refused this request. docs/stripe.md says what an order needs."
    assert missing.detail.startswith(
        "Stripe refused this request: it knows no such payment method or customer."
    )


@pytest.mark.parametrize("status", [500, 502, 503])
def test_a_server_error_may_be_stored(status: int) -> None:
    assert confirmed(failure(status, answers.API_ERROR)).spends_key
    assert prepared(failure(status, answers.API_ERROR)).spends_key


def test_a_preparation_that_is_repeated_from_the_keys_store_says_so() -> None:
    assert prepared(failure(500, answers.API_ERROR, idempotent_replayed="true")).replayed
    assert not prepared(failure(500, answers.API_ERROR)).replayed


def test_an_error_page_of_something_between_is_no_replay() -> None:
    assert not prepared(Failure(502, {"idempotent-replayed": "true"}, None)).replayed


def test_retry_after_and_the_request_id_are_kept() -> None:
    answer = confirmed(failure(429, answers.TOO_MANY, retry_after="7", request_id="req_Ab1"))
    assert answer.retry_after == 7.0
    assert "req_Ab1" in answer.detail


def test_a_request_id_that_is_none_is_not_repeated() -> None:
    assert "evil" not in confirmed(failure(429, answers.TOO_MANY, request_id="req_\x1b[1m evil")).detail


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (200, UNKNOWN),
        (402, UNKNOWN),
        (302, UNKNOWN),
        (403, FAILED),
        (407, FAILED),
        (429, THROTTLED),
        (502, UNKNOWN),
    ],
)
@pytest.mark.parametrize("body", [None, {}, {"error": "text"}, {"message": "nginx"}])
def test_an_answer_that_is_not_stripes_means_what_its_status_says(
    status: int, outcome: Outcome, body: Described | None
) -> None:
    assert confirmed(Failure(status, {}, body)).outcome is outcome
    assert prepared(Failure(status, {}, body)).outcome is not UNKNOWN


@pytest.mark.parametrize(
    ("error", "phase", "charge", "prepare"),
    [
        (ReadTimeout(), Phase.SENT, UNKNOWN, FAILED),
        (ConnectError("refused"), Phase.CONNECTING, Outcome.NOT_SENT, Outcome.NOT_SENT),
        (PoolFullError(), Phase.WAITING, Outcome.NOT_SENT, Outcome.NOT_SENT),
    ],
)
def test_without_an_answer_the_phase_decides(
    error: Exception, phase: Phase, charge: Outcome, prepare: Outcome
) -> None:
    failed = Failure(no_answer=(error, phase))
    assert confirmed(failed).outcome is charge
    assert prepared(failed).outcome is prepare
    found = look_up_failed(failed, now=0.0, bounds=DEFAULT_BOUNDS)
    assert (found.result, found.code) == (LookupResult.UNAVAILABLE, type(error).__name__)


def test_a_library_that_would_print_our_requests_is_a_wrong_setting() -> None:
    failed = Failure(no_answer=(LibraryLogsError("unset STRIPE_LOG"), Phase.WAITING))
    look_up = look_up_failed(failed, now=0.0, bounds=DEFAULT_BOUNDS)
    assert confirmed(failed).outcome is Outcome.NOT_SENT
    assert confirmed(failed).advice is look_up.advice is Advice.RECONFIGURE
    assert "STRIPE_LOG" in look_up.detail
