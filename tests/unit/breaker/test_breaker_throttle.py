"""A service that says when to come back."""

from __future__ import annotations

import pytest
from breaker_doubles import Clock, Fleet, answer, fail_times

from breakwall.breaker import CircuitState


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


def test_the_growing_interval_goes_before_a_shorter_word(fleet: Fleet, clock: Clock) -> None:
    breaker = fleet.breaker()
    fail_times(breaker, 3)
    clock.sleep(30)
    breaker.acquire().record_failure(retry_after=1)
    assert breaker.status().retry_after == 60.0


def test_a_service_cannot_close_itself_off_for_ever(fleet: Fleet) -> None:
    breaker = fleet.breaker(max_retry_after=600.0)
    breaker.acquire().record_failure(retry_after=10**9)
    assert breaker.status().retry_after == 600.0


def test_a_word_from_before_the_last_transition_is_not_heard(fleet: Fleet, clock: Clock) -> None:
    breaker = fleet.breaker()
    late = breaker.acquire()
    fail_times(breaker, 3)
    clock.sleep(30)
    breaker.call(answer)
    late.record_failure(retry_after=120)
    assert breaker.status().state is CircuitState.CLOSED


@pytest.mark.parametrize("seconds", [0, -1, float("nan")])
def test_a_pause_is_above_0(fleet: Fleet, seconds: float) -> None:
    with pytest.raises(ValueError, match="retry_after should be"):
        fleet.breaker().acquire().record_failure(retry_after=seconds)
