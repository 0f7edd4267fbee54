"""Each charge that was seen is listed once, and those that may be there."""

from dataclasses import replace

import pytest

from breakwall.payments.gateways import ChargeAnswer, Health, LookupAnswer, LookupResult, Outcome
from breakwall.rehearsal.charges import MadeCharges
from breakwall.rehearsal.requests import Requests
from tests.unit.rehearsal.doubles import ABSENT, BROKE_DOWN, REUSED, TERMS

REQUEST = Requests(TERMS, run="test").new()
PAID = ChargeAnswer(Outcome.SUCCEEDED, Health.SUCCESS, charge_id="ch_1")
FOUND = LookupAnswer(LookupResult.SUCCEEDED, Health.SUCCESS, charge_id="ch_1")


@pytest.fixture
def charges() -> MadeCharges:
    made = MadeCharges()
    made.sending(REQUEST)
    return made


def listed(charges: MadeCharges) -> list[str | None]:
    return [charge.charge_id for charge in charges.all()]


def test_a_request_may_have_charged_from_the_moment_that_it_is_sent(charges: MadeCharges) -> None:
    (perhaps,) = charges.all()
    assert (perhaps.charge_id, perhaps.key, perhaps.amount, perhaps.currency) == (
        None,
        REQUEST.idempotency_key,
        1,
        "USD",
    )


def test_a_payment_is_listed_once_however_often_it_is_seen(charges: MadeCharges) -> None:
    charges.answered(REQUEST, PAID)
    charges.looked_up(REQUEST, FOUND)
    assert listed(charges) == ["ch_1"]


def test_two_ids_for_one_key_are_two_charges(charges: MadeCharges) -> None:
    charges.answered(REQUEST, PAID)
    charges.looked_up(REQUEST, replace(FOUND, charge_id="ch_2"))
    assert listed(charges) == ["ch_1", "ch_2"]
    assert charges.ids(REQUEST) == {"ch_1", "ch_2"}


@pytest.mark.parametrize("result", [LookupResult.ABSENT, LookupResult.SUCCEEDED, LookupResult.CANCELLED])
def test_a_look_up_ends_the_uncertainty(charges: MadeCharges, result: LookupResult) -> None:
    charges.answered(REQUEST, BROKE_DOWN)
    assert listed(charges) == [None]
    charges.looked_up(REQUEST, LookupAnswer(result, Health.SUCCESS, charge_id="ch_1"))
    assert listed(charges) == (["ch_1"] if result is LookupResult.SUCCEEDED else [])


@pytest.mark.parametrize(("seconds", "number"), [(29.9, 1), (30.0, 0)])
def test_no_such_charge_says_nothing_before_it_is_true(seconds: float, number: int) -> None:
    made = MadeCharges(absent_after=30)
    made.sending(REQUEST)
    made.looked_up(REQUEST, ABSENT, 1000)
    made.answered(REQUEST, BROKE_DOWN, at=100)
    made.looked_up(REQUEST, ABSENT, 100 + seconds)
    assert len(made.all()) == number


def test_one_charge_that_is_found_is_that_of_one_request(charges: MadeCharges) -> None:
    charges.sending(REQUEST)
    charges.sending(REQUEST)
    for _ in range(3):
        charges.answered(REQUEST, BROKE_DOWN)
    charges.looked_up(REQUEST, FOUND)
    charges.looked_up(REQUEST, FOUND)
    assert listed(charges) == ["ch_1", None, None]


def test_of_a_request_that_was_delivered_twice_one_answer_is_seen() -> None:
    made = MadeCharges()
    made.sending(REQUEST, deliveries=2)
    made.answered(REQUEST, PAID, deliveries=2)
    assert listed(made) == ["ch_1", None]


def test_a_refusal_charged_nothing_only_beside_a_charge(charges: MadeCharges) -> None:
    charges.answered(REQUEST, REUSED)
    assert listed(charges) == [None]
    charges.sending(REQUEST)
    charges.answered(REQUEST, PAID)
    assert listed(charges) == ["ch_1"]


@pytest.mark.parametrize("result", [LookupResult.UNAVAILABLE, LookupResult.PROCESSING])
def test_a_look_up_that_says_nothing_does_not(charges: MadeCharges, result: LookupResult) -> None:
    charges.answered(REQUEST, BROKE_DOWN)
    charges.looked_up(REQUEST, LookupAnswer(result, Health.FAILURE))
    assert listed(charges) == [None]


def test_one_charge_for_two_keys_is_listed_once(charges: MadeCharges) -> None:
    other = replace(REQUEST, idempotency_key="other")
    charges.sending(other)
    charges.answered(REQUEST, PAID)
    charges.answered(other, PAID)
    assert listed(charges) == ["ch_1"]
    assert charges.keys_by_id() == {"ch_1": [REQUEST.idempotency_key, "other"]}
