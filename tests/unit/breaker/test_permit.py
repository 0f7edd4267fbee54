"""A service that asks for a pause."""

from __future__ import annotations

import pytest

from breakwall.breaker import CircuitState, parse_retry_after
from tests.manual_clock import MonotonicClock
from tests.unit.breaker.doubles import Fleet, answer, fail_times


@pytest.mark.parametrize(
    ("is_probe", "asked", "retry_after"),
    [(False, 120, 120.0), (False, 10**9, 600.0), (True, 500, 500.0), (True, 1, 60.0)],
    ids=["a call", "too long", "a probe", "a pause that is shorter than the next open interval"],
)
def test_a_throttled_call_opens_the_circuit_for_as_long_as_the_service_asked(
    fleet: Fleet, is_probe: bool, asked: float, retry_after: float
) -> None:
    breaker = (fleet.half_open if is_probe else fleet.breaker)(max_retry_after=600.0)
    breaker.acquire().record_failure(retry_after=asked)
    assert (breaker.status().state, breaker.status().retry_after) == (CircuitState.OPEN, retry_after)


def test_a_pause_that_was_asked_for_before_the_last_transition_does_not_count(
    fleet: Fleet, clock: MonotonicClock
) -> None:
    breaker = fleet.breaker()
    late = breaker.acquire()
    fail_times(breaker, 3)
    clock.sleep(30)
    breaker.call(answer)
    late.record_failure(retry_after=120)
    assert breaker.status().state is CircuitState.CLOSED


@pytest.mark.parametrize("seconds", [0, -1, float("nan")])
def test_no_pause_leaves_a_plain_failure(fleet: Fleet, seconds: float) -> None:
    """An error here would come out of the call, and might be counted as an answer of the service."""
    breaker = fleet.breaker()
    breaker.acquire().record_failure(retry_after=seconds)
    assert breaker.status().state is CircuitState.CLOSED
    assert breaker.metrics().failed_calls == 1


@pytest.mark.parametrize("header", ["0", "nan", "soon", "Wed, 21 Oct 2015 07:28:00 GMT", "-0000", ""])
def test_a_header_that_asks_for_no_pause_leaves_a_plain_failure(fleet: Fleet, header: str) -> None:
    breaker = fleet.breaker(expected_exception=OSError)
    with breaker.acquire() as permit:
        permit.record_failure(retry_after=parse_retry_after({"retry-after": header}))
    assert (breaker.metrics().failed_calls, breaker.status().state) == (1, CircuitState.CLOSED)
