"""Whether a repeated key charges again."""

from dataclasses import replace

import pytest

from breakwall.payments.gateways import Advice, ChargeAnswer, Health, Outcome
from breakwall.rehearsal.measurements import Measurement, Verdict
from breakwall.rehearsal.questions import Ask
from breakwall.rehearsal.repeats import ask_again, ask_another_amount, ask_at_once
from tests.unit.rehearsal.doubles import BROKE_DOWN, NOTHING, PROFILE, PreparingDouble, ServiceDouble, asked

QUESTIONS = pytest.mark.parametrize("ask", [ask_again, ask_at_once, ask_another_amount])
CAREFUL = replace(PROFILE, deduplicates=False)
PREPARING = replace(PROFILE, looks_up=False, prepares=True)
REFUSED = ChargeAnswer(Outcome.UNKNOWN, Health.NEUTRAL, code="already_processed", advice=Advice.STOP)


def only(found: list[Measurement]) -> Measurement:
    (measurement,) = found
    return measurement


@QUESTIONS
def test_a_service_that_deduplicates_holds_what_is_promised(ask: Ask) -> None:
    assert only(asked(ask, ServiceDouble())).verdict is Verdict.HOLDS


@QUESTIONS
def test_a_service_that_charges_each_time_breaks_the_promise(ask: Ask) -> None:
    found = only(asked(ask, ServiceDouble(deduplicates=False)))
    assert found.verdict is Verdict.BROKEN
    assert found.says == "PAYMENT_DEDUPLICATES=true"
    assert found.seen in {"2 charges", "3 charges"}


@QUESTIONS
@pytest.mark.parametrize(("deduplicates", "verdict"), [(False, Verdict.HOLDS), (True, Verdict.UNUSED)])
def test_settings_that_promise_nothing_are_never_broken(
    ask: Ask, deduplicates: bool, verdict: Verdict
) -> None:
    service = ServiceDouble(CAREFUL, deduplicates=deduplicates)
    assert only(asked(ask, service)).verdict is verdict


@QUESTIONS
def test_a_repeat_that_is_refused_is_no_second_charge(ask: Ask) -> None:
    found = only(asked(ask, ServiceDouble(repeated=REFUSED)))
    assert found.verdict is Verdict.HOLDS
    assert found.seen == "one charge; a repeat was refused (already_processed)"


@QUESTIONS
def test_a_repeat_that_fails_shows_nothing(ask: Ask) -> None:
    found = only(asked(ask, ServiceDouble(repeated=BROKE_DOWN)))
    assert (found.verdict, found.seen) == (Verdict.NOT_SHOWN, "one charge; a repeat failed (http_500)")


@QUESTIONS
def test_an_answer_that_a_charged_key_has_charged_nothing_breaks_the_promise(ask: Ask) -> None:
    assert only(asked(ask, ServiceDouble(repeated=NOTHING))).verdict is Verdict.BROKEN


@pytest.mark.parametrize(
    "answer",
    [
        replace(REFUSED, code="http_404", advice=Advice.RECONFIGURE),
        replace(REFUSED, code="amount", outcome=Outcome.NOT_SENT),
    ],
)
@QUESTIONS
def test_what_something_before_the_service_answers_and_what_was_not_sent_show_nothing(
    ask: Ask, answer: ChargeAnswer
) -> None:
    assert only(asked(ask, ServiceDouble(repeated=answer))).verdict is Verdict.NOT_SHOWN


@QUESTIONS
@pytest.mark.parametrize("deduplicates", [True, False])
def test_ids_that_are_our_own_show_nothing(ask: Ask, deduplicates: bool) -> None:
    found = only(asked(ask, ServiceDouble(deduplicates=deduplicates, ids_are_keys=True)))
    assert found.verdict is Verdict.NOT_SHOWN


def test_the_first_charge_given_back_for_another_amount_is_no_second_charge() -> None:
    found = only(asked(ask_another_amount, ServiceDouble(same_amount_only=False)))
    assert (found.verdict, found.seen) == (Verdict.HOLDS, "one charge")


def test_what_a_preparation_denies_is_true_and_what_a_confirmation_denies_is_not() -> None:
    refused = replace(NOTHING, advice=Advice.REVIEW)
    found = asked(ask_again, PreparingDouble(PREPARING, repeated=refused))
    assert [measurement.verdict for measurement in found] == [Verdict.HOLDS, Verdict.BROKEN]


@pytest.mark.parametrize(("deduplicates", "verdict"), [(True, Verdict.HOLDS), (False, Verdict.BROKEN)])
def test_a_prepared_charge_is_confirmed_twice_too(deduplicates: bool, verdict: Verdict) -> None:
    service = PreparingDouble(PREPARING, deduplicates=deduplicates)
    found = asked(ask_again, service) + asked(ask_at_once, service)
    assert [measurement.verdict for measurement in found] == [verdict] * 3
    assert [measurement.says for measurement in found[1:]] == ["profile: prepares"] * 2
