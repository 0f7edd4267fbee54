"""What a look-up finds, and from when on."""

from dataclasses import replace

import pytest

from breakwall.payments.gateways import Health, LookupAnswer, LookupResult
from breakwall.rehearsal.lookups import ask_for_a_charge, ask_for_an_unknown_key
from breakwall.rehearsal.measurements import Verdict
from tests.unit.rehearsal.doubles import PROFILE, PreparingDouble, ServiceDouble, asked

UNAVAILABLE = LookupAnswer(LookupResult.UNAVAILABLE, Health.NEUTRAL, code="http_405")
SOMEBODYS = LookupAnswer(LookupResult.SUCCEEDED, Health.SUCCESS, charge_id="ch_of_another")


def test_a_charge_is_found_at_once() -> None:
    found, when = asked(ask_for_a_charge, ServiceDouble())
    assert (found.seen, found.verdict) == ("yes", Verdict.HOLDS)
    assert (when.seen, when.verdict) == ("at once", Verdict.HOLDS)


@pytest.mark.parametrize(("seconds", "verdict"), [(12, Verdict.HOLDS), (50, Verdict.BROKEN)])
def test_a_look_up_may_be_behind_for_less_than_absence_is_not_trusted(
    seconds: float, verdict: Verdict
) -> None:
    found, when = asked(ask_for_a_charge, ServiceDouble(delay=seconds))
    assert found.verdict is Verdict.HOLDS
    assert (when.verdict, when.says) == (verdict, "PAYMENT_SETTLE_SECONDS=30")
    assert "after" in when.seen


def test_a_settle_time_of_nothing_holds_where_a_charge_is_found_at_once() -> None:
    service = ServiceDouble(replace(PROFILE, absent_after=0))
    assert [one.verdict for one in asked(ask_for_a_charge, service)] == [Verdict.HOLDS] * 2


def test_a_charge_that_is_never_found_breaks_the_promise() -> None:
    (found,) = asked(ask_for_a_charge, ServiceDouble(find=lambda key: "nothing"))
    assert (found.verdict, found.seen) == (Verdict.BROKEN, "never: absent")


def test_another_charge_than_that_of_the_key_breaks_the_promise() -> None:
    service = ServiceDouble(unknown=SOMEBODYS, find=lambda key: "nothing")
    found, _ = asked(ask_for_a_charge, service)
    assert (found.verdict, found.seen) == (Verdict.BROKEN, "another charge is found")


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [
        (LookupAnswer(LookupResult.ABSENT, Health.SUCCESS), Verdict.HOLDS),
        (UNAVAILABLE, Verdict.BROKEN),
        (SOMEBODYS, Verdict.BROKEN),
    ],
)
def test_an_unknown_key_is_absent(answer: LookupAnswer, verdict: Verdict) -> None:
    (found,) = asked(ask_for_an_unknown_key, ServiceDouble(unknown=answer))
    assert found.verdict is verdict


def test_a_gateway_without_a_look_up_is_not_asked_for_one() -> None:
    service = ServiceDouble(replace(PROFILE, looks_up=False))
    found = asked(ask_for_a_charge, service) + asked(ask_for_an_unknown_key, service)
    assert [one.verdict for one in found] == [Verdict.NOT_ASKED] * 2
    assert service.booked == []


def test_a_prepared_charge_is_found_by_its_id() -> None:
    service = PreparingDouble(replace(PROFILE, looks_up=False, prepares=True), delay=3)
    found, when = asked(ask_for_a_charge, service)
    assert (found.question, found.verdict) == ("a charge is found by its id", Verdict.HOLDS)
    assert when.seen == "after 3.8 s"
