from __future__ import annotations

import math
from typing import Any

import pytest

from breakwall.breaker import CircuitBreakerConfig


async def is_failed_later(_: object) -> bool:
    """A coroutine is always true."""
    return False


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("failure_threshold", 0),
        ("failure_threshold", 2.5),
        ("failure_threshold", True),
        ("half_open_max_calls", -1),
        ("minimum_calls", 0),
        ("recent_calls", 0),
        ("recovery_timeout", 0),
        ("recovery_timeout", "30"),
        ("recovery_timeout", 1e308),
        ("max_recovery_timeout", 2e9),
        ("timeout", math.inf),
        ("window", math.nan),
        ("window", -1),
        ("window", 0.019),
        ("refresh_interval", 0),
        ("store_timeout", None),
        ("slow_call_duration", 0),
        ("failure_rate", 0),
        ("failure_rate", 1.1),
        ("jitter", -0.1),
        ("expected_exception", "OSError"),
        ("expected_exception", (OSError, 3)),
        ("neutral_exception", int),
        ("max_recovery_timeout", 5),
        ("adaptive_limit", 1),
        ("is_failure", True),
        ("is_neutral", OSError),
        ("is_failed_result", "status >= 500"),
        ("is_failed_result", is_failed_later),
    ],
)
def test_a_bad_value_is_refused_with_the_fields_name_and_what_would_be_right(field: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"^{field} should be "):
        CircuitBreakerConfig(**{field: value})


def test_a_window_whose_twentieths_are_shorter_than_a_millisecond_is_refused() -> None:
    CircuitBreakerConfig(window=0.02)
    with pytest.raises(ValueError, match=r"window should be at least 0\.02 seconds"):
        CircuitBreakerConfig(window=0.01)


def test_several_kinds_of_exception_may_be_expected() -> None:
    CircuitBreakerConfig(expected_exception=(OSError, TimeoutError))
