"""What a declined card and too many calls get."""

from dataclasses import replace

import pytest

from breakwall.payments.gateways import ChargeAnswer, Health, Outcome
from breakwall.rehearsal.measurements import Verdict
from breakwall.rehearsal.promises import Promises
from breakwall.rehearsal.refusals import ask_for_a_decline, ask_too_often
from tests.unit.rehearsal.doubles import BROKE_DOWN, BUSY, PROFILE, TERMS, ServiceDouble, asked, sandbox_of

CALLS = 20


def test_a_decline_is_understood_and_its_key_is_tried_with_a_good_card() -> None:
    declined, again = asked(ask_for_a_decline, ServiceDouble())
    assert (declined.seen, declined.verdict) == ("declined (card_declined)", Verdict.HOLDS)
    assert (again.seen, again.verdict) == ("succeeded", Verdict.NOTED)


@pytest.mark.parametrize("answer", [BROKE_DOWN, ChargeAnswer(Outcome.FAILED, Health.SUCCESS)])
def test_a_decline_that_the_gateway_does_not_understand_is_broken(answer: ChargeAnswer) -> None:
    assert asked(ask_for_a_decline, ServiceDouble(next=[answer]))[0].verdict is Verdict.BROKEN


def test_without_a_payment_method_that_is_declined_nothing_is_asked() -> None:
    service = ServiceDouble()
    (found,) = asked(ask_for_a_decline, service, terms=replace(TERMS, declined_payment_method=None))
    assert found.verdict is Verdict.NOT_ASKED
    assert service.booked == []


@pytest.mark.parametrize(
    ("answers", "seen", "verdict"),
    [
        ([], "all were charged", Verdict.NOTED),
        ([BUSY], "it asks for a pause, for 2 s", Verdict.HOLDS),
        ([replace(BUSY, retry_after=None)], "it asks for a pause, without a Retry-After", Verdict.HOLDS),
        ([BROKE_DOWN], "unknown (http_500)", Verdict.BROKEN),
        ([BUSY, BROKE_DOWN], "unknown (http_500)", Verdict.BROKEN),
    ],
)
def test_too_many_calls_get_a_pause_or_an_error(
    answers: list[ChargeAnswer], seen: str, verdict: Verdict
) -> None:
    service = ServiceDouble(next=list(answers))
    (found,) = ask_too_often(sandbox_of(service), CALLS)
    assert (found.seen, found.verdict) == (seen, verdict)
    assert len(service.booked) == (CALLS if not answers else 8 - len(answers)), (
        "it stops at the first refusal"
    )


def test_the_protocol_is_named_where_no_setting_says_anything() -> None:
    promises = Promises(PROFILE)
    found = [*ask_for_a_decline(sandbox_of(ServiceDouble()), promises)]
    assert found[0].says == "the gateway's protocol"
