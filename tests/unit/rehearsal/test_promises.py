"""The words for what is relied on."""

import pytest

from breakwall.payments.gateways import GatewayProfile, profile_from_settings
from breakwall.rehearsal.measurements import Subject, Verdict
from breakwall.rehearsal.promises import Promises
from breakwall.settings import load_settings
from tests.unit.rehearsal.doubles import PROFILE


def promises(**variables: str) -> Promises:
    settings = load_settings({f"BREAKWALL_{name}": value for name, value in variables.items()})
    return Promises.of(settings, profile_from_settings(settings))


def test_of_http_the_settings_say_everything() -> None:
    said = promises(PAYMENT_DEDUPLICATES="true", PAYMENT_SETTLE_SECONDS="12.5")
    assert (said.deduplicates, said.absent_after, said.keys) == (
        "PAYMENT_DEDUPLICATES=true",
        "PAYMENT_SETTLE_SECONDS=12.5",
        "PAYMENT_KEYS=derived",
    )


def test_of_a_gateway_that_knows_its_service_the_profile_does_unless_a_setting_is_given() -> None:
    said = promises(PAYMENT_GATEWAY="stripe", PAYMENT_SETTLE_SECONDS="40", PAYMENT_KEYS="caller")
    assert (said.deduplicates, said.absent_after, said.keys) == (
        "profile: deduplicates=true",
        "PAYMENT_SETTLE_SECONDS=40",
        "PAYMENT_KEYS=caller",
    )


@pytest.mark.parametrize(("looks_up", "says"), [(True, "profile: looks_up"), (False, "profile: no look-up")])
def test_the_profile_says_whether_charges_are_found(looks_up: bool, says: str) -> None:
    assert Promises(GatewayProfile(True, 1, looks_up, 1)).finds_charges == says


def test_a_confirmation_is_measured_by_another_promise_than_a_key() -> None:
    said = Promises(PROFILE)
    assert said.about_repeats("?", "", False).subject is Subject.DEDUPLICATION
    assert said.about_repeats("?", "", False, confirmed=True).subject is Subject.PREPARING


@pytest.mark.parametrize(("caller_keys", "verdict"), [(True, Verdict.BROKEN), (False, Verdict.NOTED)])
def test_a_shape_of_keys_matters_only_if_the_callers_own_keys_are_sent(
    caller_keys: bool, verdict: Verdict
) -> None:
    assert Promises(PROFILE, caller_keys).about_keys("?", "", False).verdict is verdict
