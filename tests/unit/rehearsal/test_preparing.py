"""Whether a prepared charge charges nothing, and a cancelled one never."""

from dataclasses import replace

import pytest

from breakwall.payments.gateways import ChargeAnswer, ChargeRequest, Health, LookupAnswer, LookupResult
from breakwall.rehearsal.measurements import Verdict
from breakwall.rehearsal.preparing import ask_about_preparing
from tests.unit.rehearsal.doubles import ABSENT, BROKE_DOWN, PROFILE, PreparingDouble, asked

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


class Unsure(PreparingDouble):
    """Charges what was cancelled, and its answer is lost. ``behind``: its look-up does not find it yet."""

    behind = False

    def charge(self, request: ChargeRequest, *, deadline: float) -> ChargeAnswer:
        if request.prepared in self.cancelled:
            self.cancelled.clear()
            if not self.behind:
                super().charge(request, deadline=deadline)
            return BROKE_DOWN
        return super().charge(request, deadline=deadline)


@pytest.mark.parametrize(("behind", "verdict"), [(False, Verdict.BROKEN), (True, Verdict.NOT_SHOWN)])
def test_a_lost_answer_after_a_cancellation_is_no_sign_that_nothing_was_charged(
    behind: bool, verdict: Verdict
) -> None:
    service = Unsure(BOTH)
    service.behind = behind
    assert verdicts(service)[1] is verdict


class Absent(PreparingDouble):
    """Knows nothing of what was prepared."""

    def look_up_prepared(self, prepared: str, *, deadline: float) -> LookupAnswer:
        return ABSENT


def test_a_prepared_charge_that_no_look_up_knows_shows_nothing() -> None:
    assert verdicts(Absent(BOTH))[0] is Verdict.NOT_SHOWN


class Forgetful(PreparingDouble):
    """Says of everything that it is cancelled."""

    def cancel(self, request: ChargeRequest, *, deadline: float) -> LookupAnswer:
        return LookupAnswer(LookupResult.CANCELLED, Health.SUCCESS)


def test_a_cancellation_that_is_said_and_not_done_is_broken() -> None:
    """Of a prepared charge, of one that was charged, and of a key that was never sent."""
    assert verdicts(Forgetful(BOTH)) == [HOLDS, *[Verdict.BROKEN] * 3]
