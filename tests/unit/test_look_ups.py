"""How far "no such charge" is believed: not from a service that says so of a charge it has made."""

from __future__ import annotations

import pytest

from breakwall.payments.gateways.base import Health, LookUpAnswer, LookUpResult
from breakwall.payments.look_ups import DOUBT_SECONDS, LookUps
from tests.gateway import ABSENT, FOUND, NO_ANSWER, ScriptedGateway

WEB_PAGE = LookUpAnswer(LookUpResult.UNAVAILABLE, Health.NEUTRAL, code="http_404")
REFUNDED = LookUpAnswer(LookUpResult.UNAVAILABLE, Health.FAILURE, code="other_status")
DECLINED = LookUpAnswer(LookUpResult.DECLINED, Health.SUCCESS)
NO_ENDPOINT = LookUpAnswer(LookUpResult.UNAVAILABLE, Health.NEUTRAL, code="http_405")


class Desk:
    """A scripted service, a charge that it is known to have made, and a clock turned by hand."""

    def __init__(self) -> None:
        self.gateway = ScriptedGateway()
        self.known: str | None = "paid-before"
        self.seconds = 0.0
        self.look_ups = LookUps(self.gateway, lambda: self.known, lambda: self.seconds)

    def ask(self, *answers: LookUpAnswer) -> LookUpResult:
        return self.hear(*answers).result

    def hear(self, *answers: LookUpAnswer, settled: bool = True) -> LookUpAnswer:
        self.gateway.look_ups.extend(answers)
        return self.look_ups.look_up("cart-1", deadline=10.0, settled=settled)


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.mark.parametrize("not_found", [ABSENT, WEB_PAGE])
def test_a_404_is_believed_of_a_service_that_finds_a_charge_it_has_made(
    desk: Desk, not_found: LookUpAnswer
) -> None:
    assert desk.ask(not_found, FOUND, not_found) is LookUpResult.ABSENT
    assert desk.gateway.looked_up == ["cart-1", "paid-before", "cart-1"]


def test_the_charge_is_asked_for_again_because_the_way_may_have_come_back_before_the_trial(
    desk: Desk,
) -> None:
    assert desk.ask(ABSENT, FOUND, FOUND) is LookUpResult.SUCCEEDED
    assert desk.ask(ABSENT, FOUND, NO_ANSWER) is LookUpResult.UNAVAILABLE


@pytest.mark.parametrize("not_found", [ABSENT, WEB_PAGE])
def test_a_404_is_not_believed_of_a_service_that_says_so_of_every_charge(
    desk: Desk, not_found: LookUpAnswer
) -> None:
    assert desk.ask(not_found, not_found) is LookUpResult.UNAVAILABLE


def test_each_404_is_tried_out_because_the_way_to_a_look_up_that_has_worked_can_be_lost(desk: Desk) -> None:
    assert desk.ask(ABSENT, FOUND) is LookUpResult.ABSENT
    assert desk.ask(ABSENT, ABSENT) is LookUpResult.UNAVAILABLE


def test_before_the_settle_time_a_404_proves_nothing_and_is_not_tried_out(desk: Desk) -> None:
    assert desk.hear(ABSENT, settled=False).result is LookUpResult.ABSENT
    assert desk.gateway.looked_up == ["cart-1"]


@pytest.mark.parametrize("known_as", [REFUNDED, DECLINED])
def test_a_service_that_knows_the_charge_as_something_else_by_now_has_a_look_up(
    desk: Desk, known_as: LookUpAnswer
) -> None:
    assert desk.ask(ABSENT, known_as, ABSENT) is LookUpResult.ABSENT


def test_a_404_that_is_not_believed_is_no_sign_that_the_service_is_well(desk: Desk) -> None:
    assert desk.hear(ABSENT, ABSENT).health is Health.NEUTRAL


def test_a_charge_that_is_found_needs_no_trial(desk: Desk) -> None:
    assert desk.ask(FOUND) is LookUpResult.SUCCEEDED
    assert desk.gateway.looked_up == ["cart-1"]


def test_a_look_up_that_failed_its_trial_is_tried_again_later(desk: Desk) -> None:
    desk.ask(ABSENT, ABSENT)
    assert desk.ask(ABSENT) is LookUpResult.UNAVAILABLE
    desk.seconds += DOUBT_SECONDS
    assert desk.ask(ABSENT, FOUND) is LookUpResult.ABSENT


def test_a_trial_without_an_answer_has_shown_nothing_and_is_made_again_at_once(desk: Desk) -> None:
    assert desk.ask(ABSENT, NO_ANSWER) is LookUpResult.UNAVAILABLE
    assert desk.ask(ABSENT, FOUND) is LookUpResult.ABSENT


def test_with_nothing_to_try_it_out_with_the_form_of_the_answer_decides(desk: Desk) -> None:
    desk.known = None
    assert desk.ask(ABSENT) is LookUpResult.ABSENT
    assert desk.ask(WEB_PAGE) is LookUpResult.UNAVAILABLE


@pytest.mark.parametrize(
    "offered", [pytest.param(False, id="nothing-there"), pytest.param(None, id="silent")]
)
def test_with_nothing_to_try_it_out_with_an_address_that_leads_nowhere_is_not_believed(
    desk: Desk, offered: bool | None
) -> None:
    desk.known = None
    desk.gateway.offers = offered
    assert desk.ask(ABSENT) is LookUpResult.UNAVAILABLE


def test_a_service_that_offers_no_look_up_is_not_tried_out(desk: Desk) -> None:
    assert desk.ask(NO_ENDPOINT) is LookUpResult.UNAVAILABLE
    assert desk.gateway.looked_up == ["cart-1"]
