"""A service that says when to come back."""

from __future__ import annotations

import pytest

from breakwall.breaker import CircuitState, parse_retry_after
from tests.unit.breaker.doubles import Clock, Fleet, answer, fail_times


def test_one_throttled_call_opens_the_circuit_for_as_long_as_the_service_said(fleet: Fleet) -> None:
    breaker = fleet.breaker()
    breaker.acquire().record_failure(retry_after=120)
    assert (breaker.status().state, breaker.status().retry_after) == (CircuitState.OPEN, 120.0)


def test_a_throttled_probe_opens_it_again_for_at_least_as_long(fleet: Fleet, clock: Clock) -> None:
    breaker = fleet.breaker()
    fail_times(breaker, 3)
    clock.sleep(30)
    breaker.acquire().record_failure(retry_after=500)
    assert breaker.status().retry_after == 500.0


def test_the_growing_interval_counts_if_it_is_longer_than_the_pause(fleet: Fleet, clock: Clock) -> None:
    breaker = fleet.breaker()
    fail_times(breaker, 3)
    clock.sleep(30)
    breaker.acquire().record_failure(retry_after=1)
    assert breaker.status().retry_after == 60.0


def test_a_service_cannot_close_itself_off_for_ever(fleet: Fleet) -> None:
    breaker = fleet.breaker(max_retry_after=600.0)
    breaker.acquire().record_failure(retry_after=10**9)
    assert breaker.status().retry_after == 600.0


def test_a_pause_that_was_asked_for_before_the_last_transition_does_not_count(
    fleet: Fleet, clock: Clock
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
