"""Whether a prepared charge charges nothing, and a cancelled one never."""

from dataclasses import replace

import pytest

from breakwall.payments.gateways import ChargeRequest, Health, LookupAnswer, LookupResult
from breakwall.rehearsal.measurements import Verdict
from breakwall.rehearsal.preparing import ask_about_preparing
from tests.unit.rehearsal.doubles import PROFILE, PreparingDouble, asked

BOTH = replace(PROFILE, prepares=True, cancels=True)
HOLDS = Verdict.HOLDS


def verdicts(service: PreparingDouble) -> list[Verdict]:
    return [one.verdict for one in asked(ask_about_preparing, service)]


def test_a_service_that_keeps_both_promises_holds() -> None:
    assert verdicts(PreparingDouble(BOTH)) == [HOLDS, HOLDS, HOLDS, Verdict.NOTED]


@pytest.mark.parametrize(("profile", "number"), [({"cancels": False}, 1), ({"prepares": False}, 3)])
def test_only_what_the_profile_says_is_asked(profile: dict[str, bool], number: int) -> None:
    assert len(verdicts(PreparingDouble(replace(BOTH, **profile)))) == number


def test_a_preparation_that_charges_is_broken() -> None:
    found = asked(ask_about_preparing, PreparingDouble(BOTH, charges_early=True))
    assert (found[0].verdict, found[0].seen) == (Verdict.BROKEN, "succeeded")


def test_a_cancelled_charge_that_charges_is_broken() -> None:
    found = asked(ask_about_preparing, PreparingDouble(BOTH, charges_cancelled=True))
    assert (found[1].verdict, found[1].seen) == (Verdict.BROKEN, "cancelled, then succeeded")


class Forgetful(PreparingDouble):
    """Says of everything that it is cancelled."""

    def cancel(self, request: ChargeRequest, *, deadline: float) -> LookupAnswer:
        return LookupAnswer(LookupResult.CANCELLED, Health.SUCCESS)


def test_a_cancellation_that_is_said_and_not_done_is_broken() -> None:
    """Of a prepared charge, of one that was charged, and of a key that was never sent."""
    assert verdicts(Forgetful(BOTH)) == [HOLDS, *[Verdict.BROKEN] * 3]
