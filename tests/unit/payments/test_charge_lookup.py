"""When "no such charge" is trusted: not from a service that says so of a charge it has made."""

from __future__ import annotations

from dataclasses import replace

import pytest

from breakwall.payments.charge_lookup import DISTRUST_SECONDS, ChargeLookup
from breakwall.payments.gateways.base import ChargeDetails, ChargeRequest, Health, LookupAnswer, LookupResult
from breakwall.payments.keys import key_shape
from breakwall.payments.ledger.charges import KnownCharge
from tests.gateway import ABSENT, FOUND, NO_ANSWER, PLAIN, ScriptedGateway

WEB_PAGE = LookupAnswer(LookupResult.UNAVAILABLE, Health.NEUTRAL, code="http_404")
REFUNDED = LookupAnswer(LookupResult.UNAVAILABLE, Health.FAILURE, charge_id="ch_1", code="other_status")
UNREADABLE_ANSWER = LookupAnswer(LookupResult.UNAVAILABLE, Health.FAILURE, code="unexpected_body")
PROCESSING = LookupAnswer(LookupResult.PROCESSING, Health.SUCCESS)
DECLINED = LookupAnswer(LookupResult.DECLINED, Health.SUCCESS)
NO_ENDPOINT = LookupAnswer(LookupResult.UNAVAILABLE, Health.NEUTRAL, code="http_405")

SETTLE_SECONDS = PLAIN.absent_after


class Desk:
    """A scripted service, a known charge, and a clock turned by hand."""

    def __init__(self) -> None:
        self.gateway = ScriptedGateway()
        self.key = "cart-1"
        self.known = {key_shape("paid-1"): [KnownCharge("paid-1", "ch_1")]}
        self.seconds = 0.0
        self.lookup = ChargeLookup(
            self.gateway, lambda shape: self.known.get(shape, []), lambda: self.seconds
        )

    def ask(self, *answers: LookupAnswer) -> LookupResult:
        return self.hear(*answers).result

    def hear(self, *answers: LookupAnswer, age: float = SETTLE_SECONDS) -> LookupAnswer:
        self.gateway.lookups.extend(answers)
        request = ChargeRequest("o1", "u1", 10_000, "KRW", self.key)
        return self.lookup.look_up(request, deadline=10.0, age=age)


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.mark.parametrize("not_found", [ABSENT, WEB_PAGE])
def test_a_404_is_trusted_of_a_service_that_finds_a_charge_it_has_made(
    desk: Desk, not_found: LookupAnswer
) -> None:
    assert desk.ask(not_found, FOUND, FOUND, not_found) is LookupResult.ABSENT
    assert desk.gateway.looked_up == ["cart-1", "paid-1", "paid-1", "cart-1"]


def test_the_charge_is_looked_up_again_because_the_route_may_have_been_restored_before_the_test(
    desk: Desk,
) -> None:
    assert desk.ask(ABSENT, FOUND, FOUND, FOUND) is LookupResult.SUCCEEDED
    assert desk.ask(ABSENT, FOUND, FOUND, NO_ANSWER) is LookupResult.UNAVAILABLE


@pytest.mark.parametrize("not_found", [ABSENT, WEB_PAGE])
def test_a_404_is_not_trusted_of_a_service_that_says_so_of_every_charge(
    desk: Desk, not_found: LookupAnswer
) -> None:
    assert desk.ask(not_found, not_found) is LookupResult.UNAVAILABLE


def test_each_404_is_tested_because_a_look_up_that_has_worked_can_become_unreachable(desk: Desk) -> None:
    assert desk.ask(ABSENT, FOUND, FOUND) is LookupResult.ABSENT
    assert desk.ask(ABSENT, ABSENT) is LookupResult.UNAVAILABLE


def test_before_the_settle_time_a_404_proves_nothing_and_is_not_tested(desk: Desk) -> None:
    assert desk.hear(ABSENT, age=SETTLE_SECONDS - 1).result is LookupResult.ABSENT
    assert desk.gateway.looked_up == ["cart-1"]


def test_a_service_that_knows_the_charge_as_one_that_was_refunded_has_a_look_up(desk: Desk) -> None:
    assert desk.ask(ABSENT, REFUNDED, REFUNDED, ABSENT) is LookupResult.ABSENT


@pytest.mark.parametrize("without_its_id", [DECLINED, PROCESSING, UNREADABLE_ANSWER])
def test_a_known_charge_that_is_not_named_by_its_id_is_not_found(
    desk: Desk, without_its_id: LookupAnswer
) -> None:
    assert desk.ask(ABSENT, without_its_id) is LookupResult.UNAVAILABLE


def test_an_older_known_charge_shows_it_where_the_newest_is_not_named(desk: Desk) -> None:
    desk.known[key_shape("paid-1")].append(KnownCharge("paid-0", "ch_0"))
    older = replace(FOUND, charge_id="ch_0")
    assert desk.ask(ABSENT, UNREADABLE_ANSWER, older, older, ABSENT) is LookupResult.ABSENT


def test_no_older_one_shows_it_where_the_newest_is_denied(desk: Desk) -> None:
    """Part of the service's data may be unavailable, and the charge in question with it."""
    desk.known[key_shape("paid-1")].append(KnownCharge("paid-0", "ch_0"))
    assert desk.ask(ABSENT, ABSENT) is LookupResult.UNAVAILABLE


def test_of_two_servers_that_take_turns_one_that_finds_nothing_is_noticed(desk: Desk) -> None:
    assert desk.ask(ABSENT, FOUND, ABSENT) is LookupResult.UNAVAILABLE


def test_a_known_charge_that_cannot_be_read_is_no_sign_that_the_service_is_ill(desk: Desk) -> None:
    assert desk.hear(ABSENT, UNREADABLE_ANSWER).health is Health.NEUTRAL


def test_a_404_that_is_not_trusted_is_no_sign_that_the_service_is_well(desk: Desk) -> None:
    assert desk.hear(ABSENT, ABSENT).health is Health.NEUTRAL


def test_a_charge_that_is_found_needs_no_test(desk: Desk) -> None:
    assert desk.ask(FOUND) is LookupResult.SUCCEEDED
    assert desk.gateway.looked_up == ["cart-1"]


def test_a_look_up_that_failed_its_test_is_tested_again_later(desk: Desk) -> None:
    desk.ask(ABSENT, ABSENT)
    assert desk.ask(ABSENT) is LookupResult.UNAVAILABLE
    desk.seconds += DISTRUST_SECONDS
    assert desk.ask(ABSENT, FOUND, FOUND) is LookupResult.ABSENT


def test_a_test_without_an_answer_has_shown_nothing_and_is_made_again_at_once(desk: Desk) -> None:
    assert desk.ask(ABSENT, NO_ANSWER) is LookupResult.UNAVAILABLE
    assert desk.ask(ABSENT, FOUND, FOUND) is LookupResult.ABSENT


@pytest.mark.parametrize("not_found", [ABSENT, WEB_PAGE])
def test_with_no_known_charge_to_test_it_with_nothing_is_trusted(desk: Desk, not_found: LookupAnswer) -> None:
    desk.known.clear()
    assert desk.ask(not_found) is LookupResult.UNAVAILABLE


@pytest.mark.parametrize("key", ["shop/17", "shop.17", "Cart-1", "cart-00000000001", "17", "cart-", "ca--rt"])
def test_a_known_charge_of_another_shape_of_key_proves_nothing(desk: Desk, key: str) -> None:
    desk.key = key
    assert desk.ask(ABSENT, FOUND) is LookupResult.UNAVAILABLE
    assert desk.gateway.looked_up == [key]


def test_a_known_charge_of_the_same_shape_does(desk: Desk) -> None:
    desk.known[key_shape("shop/9")] = [KnownCharge("shop/9", "ch_1")]
    desk.key = "sh/17"
    assert desk.ask(ABSENT, FOUND, FOUND, ABSENT) is LookupResult.ABSENT
    assert desk.gateway.looked_up == ["sh/17", "shop/9", "shop/9", "sh/17"]


def test_a_shape_that_failed_its_test_casts_no_doubt_on_another(desk: Desk) -> None:
    desk.known[key_shape("shop/9")] = [KnownCharge("shop/9", "ch_1")]
    desk.ask(ABSENT, ABSENT)
    desk.key = "shop/17"
    assert desk.ask(ABSENT, FOUND, FOUND, ABSENT) is LookupResult.ABSENT


def test_a_service_that_finds_another_charge_under_the_known_key_is_not_trusted(desk: Desk) -> None:
    assert desk.ask(ABSENT, replace(FOUND, charge_id="ch_2")) is LookupResult.UNAVAILABLE


def test_a_refunded_charge_of_another_id_is_not_the_known_one_either(desk: Desk) -> None:
    assert desk.ask(ABSENT, replace(REFUNDED, charge_id="ch_2")) is LookupResult.UNAVAILABLE


def test_a_charge_that_is_said_to_be_of_another_order_is_not_accepted(desk: Desk) -> None:
    found = desk.hear(replace(FOUND, details=ChargeDetails(order_id="another")))
    assert found.result is LookupResult.UNAVAILABLE
    assert found.contradiction is not None


def test_a_service_that_offers_no_look_up_is_not_tested(desk: Desk) -> None:
    assert desk.ask(NO_ENDPOINT) is LookupResult.UNAVAILABLE
    assert desk.gateway.looked_up == ["cart-1"]
