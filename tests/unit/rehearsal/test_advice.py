"""The settings to use."""

from dataclasses import replace

import pytest

from breakwall.rehearsal.advice import settings_to_use
from breakwall.rehearsal.lookups import found_after
from breakwall.rehearsal.measurements import Measurement, Subject, not_asked
from breakwall.rehearsal.promises import Promises
from tests.unit.rehearsal.doubles import PROFILE

PROMISES = Promises(PROFILE)
ONCE, TWICE = (PROMISES.about_repeats("?", "", shown) for shown in (True, False))
UNCLEAR = PROMISES.about_repeats("?", "", None)
UNASKED = not_asked("?", "", "", Subject.DEDUPLICATION)


def values(*measurements: Measurement, slowest: float = 0.0, complete: bool = True) -> dict[str, str]:
    return {
        one.name.removeprefix("BREAKWALL_PAYMENT_"): one.value
        for one in settings_to_use(measurements, PROMISES, slowest, complete=complete)
    }


@pytest.mark.parametrize(
    ("measurements", "value"),
    [([ONCE, ONCE], "true"), ([ONCE, UNASKED], "true"), ([ONCE, TWICE], "false"), ([ONCE, UNCLEAR], "false")],
)
def test_a_service_deduplicates_if_every_question_showed_it(
    measurements: list[Measurement], value: str
) -> None:
    assert values(*measurements) == {"DEDUPLICATES": value}


def test_no_key_is_trusted_before_everything_was_asked() -> None:
    assert values(ONCE, complete=False) == {}
    assert values(ONCE, TWICE, complete=False) == {"DEDUPLICATES": "false"}


def test_about_what_was_not_asked_nothing_is_said() -> None:
    assert values(UNASKED) == {}


def test_a_profile_that_is_more_careful_by_itself_gets_no_advice() -> None:
    promises = Promises(replace(PROFILE, deduplicates=False), set_by_us=frozenset())
    assert settings_to_use([ONCE], promises, 0, complete=True) == []
    assert settings_to_use([TWICE], promises, 0, complete=True)[0].value == "false"


@pytest.mark.parametrize(("slowest", "value"), [(0.0, "30"), (9.9, "30"), (10.1, "31"), (50.0, "150")])
def test_the_settle_time_has_a_margin_above_the_slowest_look_up(slowest: float, value: str) -> None:
    when = found_after("?", slowest, PROMISES)
    assert values(when, slowest=slowest) == {"SETTLE_SECONDS": value}


def test_a_safe_settle_time_is_never_lowered() -> None:
    promises = Promises(replace(PROFILE, absent_after=3600))
    (advised,) = settings_to_use([found_after("?", 1, promises)], promises, 1, complete=True)
    assert advised.value == "3600"


def test_no_settle_time_is_advised_if_a_charge_was_never_found() -> None:
    assert values(found_after("?", 1, PROMISES), found_after("?", None, PROMISES)) == {}


def test_derived_keys_are_advised_if_the_callers_own_are_not_kept_apart() -> None:
    bad, good = (PROMISES.about_keys("?", "", shown) for shown in (False, True))
    assert values(good, bad) == {"KEYS": "derived"}
    assert values(good) == {}


def test_each_line_says_why() -> None:
    advised = settings_to_use([ONCE, replace(ONCE, shown=False)], PROMISES, 1, complete=True)
    assert all(one.why.endswith(".") for one in advised)
