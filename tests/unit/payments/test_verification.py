"""Which answers are trusted as proof of the order's own charge."""

from __future__ import annotations

from dataclasses import replace

import pytest

from breakwall.payments.gateways.base import (
    Advice,
    ChargeAnswer,
    ChargeDetails,
    ChargeRequest,
    Health,
    LookupAnswer,
    LookupResult,
    Outcome,
)
from breakwall.payments.verification import WRONG_CHARGE, contradicted, verified
from tests.gateway import ABSENT, DECLINED, DOWN, FOUND, LOST, NO_ANSWER, PAID

REQUEST = ChargeRequest("o1", "u1", 10_000, "KRW", "cart-1")
FOUND_DECLINED = LookupAnswer(LookupResult.DECLINED, Health.SUCCESS, code="card_declined")

OWN = [
    ChargeDetails(),
    ChargeDetails("o1", 10_000, "KRW"),
    ChargeDetails(order_id="o1"),
    ChargeDetails(amount=10_000),
    ChargeDetails(amount="10000"),
    ChargeDetails(amount="010000"),
    ChargeDetails(currency="krw"),
    ChargeDetails(currency=" KRW "),
]
ANOTHERS = [
    ChargeDetails(order_id="o2"),
    ChargeDetails(order_id=""),
    ChargeDetails(order_id=1),
    ChargeDetails("o2", 10_000, "KRW"),
]
OTHER_MONEY = [
    ChargeDetails(amount=10_001),
    ChargeDetails(amount=-10_000),
    ChargeDetails(amount=0),
    ChargeDetails(amount=10_000.0),
    ChargeDetails(amount="10000.00"),
    ChargeDetails(amount="100.00"),
    ChargeDetails(amount="10,000"),
    ChargeDetails(amount="١٠٠٠٠"),
    ChargeDetails(amount="9" * 5_000),
    ChargeDetails(amount=True),
    ChargeDetails(amount=[10_000]),
    ChargeDetails(amount={}),
    ChargeDetails(currency="USD"),
    ChargeDetails(currency=""),
    ChargeDetails(currency=410),
    ChargeDetails("o1", 10_000, "USD"),
]


@pytest.mark.parametrize("details", OWN, ids=repr)
@pytest.mark.parametrize("answer", [PAID, DECLINED, FOUND, FOUND_DECLINED], ids=str)
def test_an_answer_that_names_what_was_asked_for_is_accepted(
    answer: ChargeAnswer | LookupAnswer, details: ChargeDetails
) -> None:
    told = replace(answer, details=details)
    assert verified(told, REQUEST) is told


@pytest.mark.parametrize("details", [*ANOTHERS, *OTHER_MONEY], ids=lambda details: repr(details)[:60])
class TestAnAnswerThatNamesSomethingElse:
    @pytest.mark.parametrize("answer", [PAID, DECLINED])
    def test_to_a_charge_proves_nothing_and_is_a_persons(
        self, answer: ChargeAnswer, details: ChargeDetails
    ) -> None:
        told = verified(replace(answer, details=details), REQUEST)
        assert (told.outcome, told.advice) == (Outcome.UNKNOWN, Advice.REVIEW)
        assert (told.code, told.spends_key) == (WRONG_CHARGE, True)

    @pytest.mark.parametrize("answer", [FOUND, FOUND_DECLINED])
    def test_to_a_look_up_proves_nothing_and_is_a_persons(
        self, answer: LookupAnswer, details: ChargeDetails
    ) -> None:
        told = verified(replace(answer, details=details), REQUEST)
        assert (told.result, told.advice) == (LookupResult.UNAVAILABLE, Advice.REVIEW)
        assert told.code == WRONG_CHARGE

    def test_says_what_it_names_and_what_was_asked_for(self, details: ChargeDetails) -> None:
        told = verified(replace(PAID, details=details), REQUEST).contradiction
        assert told is not None
        assert "ch_1" in told
        assert "10,000" in told
        assert len(told) < 300

    def test_keeps_the_charges_id(self, details: ChargeDetails) -> None:
        assert verified(replace(PAID, details=details), REQUEST).charge_id == "ch_1"


@pytest.mark.parametrize("answer", [LOST, DOWN, ABSENT, NO_ANSWER])
def test_an_answer_that_tells_of_no_charge_is_left_as_it_is(answer: ChargeAnswer | LookupAnswer) -> None:
    told = replace(answer, details=ChargeDetails(order_id="o2", amount=1))
    assert verified(told, REQUEST) is told


def test_a_charge_without_an_id_is_not_accepted() -> None:
    assert verified(replace(PAID, charge_id=None), REQUEST).contradiction is not None


@pytest.mark.parametrize(
    "named", ["01234567-89ab-cdef-0123-456789abcdef", "0123456789ABCDEF0123456789ABCDEF", "cart-1"]
)
def test_an_orders_id_is_the_same_as_columns_write_it_and_so_is_its_reference(named: str) -> None:
    request = ChargeRequest(
        "0123456789abcdef0123456789abcdef", "u1", 10_000, "KRW", "k" * 32, reference="cart-1"
    )
    told = replace(PAID, details=ChargeDetails(order_id=named))
    assert verified(told, request) is told


def test_what_a_service_names_reaches_no_terminal_as_it_is() -> None:
    named = ChargeDetails(order_id="\x1b[2J" + "o" * 500, currency="\u202eUSD")
    told = verified(replace(PAID, details=named), REQUEST).contradiction
    assert told is not None
    assert told.isprintable()
    assert "\u202e" not in told


def test_the_charge_of_another_order_is_contradicted_in_a_sentence() -> None:
    told = contradicted(PAID, "the charge ch_1 is the charge of order o2")
    assert told.contradiction == "the charge ch_1 is the charge of order o2"
    assert told.contradiction in told.detail
