"""Every bad variable is reported at once, by name, without its value."""

from __future__ import annotations

import pytest

from breakwall.settings import load_settings
from tests.unit.settings.problems import PASSWORD, problems


def test_nested_settings_use_two_underscores() -> None:
    assert load_settings({"BREAKWALL_BREAKER__FAILURE_THRESHOLD": "7"}).breaker.failure_threshold == 7


def test_other_programs_variables_are_none_of_ours() -> None:
    assert load_settings({"PATH": "/bin", "BREAK": "x"})


def test_an_unknown_setting_is_named_with_the_nearest_known_one() -> None:
    assert problems(DATABASE_UR="x") == [
        "BREAKWALL_DATABASE_UR: no such setting; did you mean BREAKWALL_DATABASE_URL?"
    ]


def test_every_bad_variable_is_reported_at_once() -> None:
    found = problems(RETRY__CAP="soon", PAYMENT_TIMEOUT="-1", NONSENSE="1", BROKER_URL="http://h")
    assert [problem.partition(":")[0] for problem in found] == [
        "BREAKWALL_NONSENSE",
        "BREAKWALL_BROKER_URL",
        "BREAKWALL_PAYMENT_TIMEOUT",
        "BREAKWALL_RETRY__CAP",
    ]


@pytest.mark.parametrize(
    "variable", ["DATABASE_URL", "BROKER_URL", "BREAKER_STORE_URL", "PAYMENT_URL", "PAYMENT_GATEWAY"]
)
@pytest.mark.parametrize(
    "value", [PASSWORD, f"mysql://u:{PASSWORD}@h/x", f"redis://u:{PASSWORD}@h:port", f"://{PASSWORD}"]
)
def test_a_bad_value_is_never_repeated(variable: str, value: str) -> None:
    assert PASSWORD not in "".join(problems(**{variable: value}))


def test_a_url_without_a_host_is_refused() -> None:
    assert "names no host" in problems(BROKER_URL="redis://")[0]


@pytest.mark.parametrize("value", ["nan", "inf", "-5", "0", "ten"])
def test_a_timeout_is_a_positive_finite_number(value: str) -> None:
    assert problems(PAYMENT_TIMEOUT=value)[0].startswith("BREAKWALL_PAYMENT_TIMEOUT: ")
