"""The bounds of the groups of settings."""

from __future__ import annotations

from breakwall.breaker.config import LEAST_WINDOW
from breakwall.settings import load_settings
from tests.unit.settings.problems import problems


def test_a_window_that_the_breaker_refuses_is_refused_with_what_would_be_right() -> None:
    (problem,) = problems(BREAKER__WINDOW="0.01")
    assert problem.startswith("BREAKWALL_BREAKER__WINDOW: ")
    assert problem.endswith(f" {LEAST_WINDOW}")
    assert load_settings({"BREAKWALL_BREAKER__WINDOW": f"{LEAST_WINDOW}"}).breaker.window == LEAST_WINDOW
