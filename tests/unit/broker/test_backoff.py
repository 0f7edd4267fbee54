"""After a failure there is a pause, and then one try."""

from __future__ import annotations

import pytest

from breakwall.broker.backoff import PAUSE, Backoff
from tests.manual_clock import MonotonicClock


@pytest.fixture
def backoff(clock: MonotonicClock) -> Backoff:
    return Backoff(clock=clock)


def tries(backoff: Backoff) -> list[bool]:
    return [backoff.try_enter() for _ in range(3)]


def test_it_is_failing_from_a_failure_to_the_next_success(backoff: Backoff, clock: MonotonicClock) -> None:
    seen = [backoff.is_failing]
    backoff.record_failure()
    clock.now += 10 * PAUSE
    seen.append(backoff.is_failing)
    backoff.record_success()
    assert [*seen, backoff.is_failing] == [False, True, False]


def test_every_thread_may_try_before_a_failure_and_after_a_success(
    backoff: Backoff, clock: MonotonicClock
) -> None:
    assert tries(backoff) == [True, True, True]
    backoff.record_failure()
    backoff.record_success()
    assert tries(backoff) == [True, True, True]


def test_no_thread_may_try_during_the_pause(backoff: Backoff, clock: MonotonicClock) -> None:
    backoff.record_failure()
    clock.now += PAUSE - 0.01
    assert not backoff.is_over()
    assert not backoff.try_enter()


def test_one_thread_may_try_after_the_pause_and_the_others_wait_for_its_result(
    backoff: Backoff, clock: MonotonicClock
) -> None:
    backoff.record_failure()
    clock.now += PAUSE
    assert backoff.is_over()
    assert tries(backoff) == [True, False, False]


def test_another_thread_may_try_if_the_first_one_never_reports(
    backoff: Backoff, clock: MonotonicClock
) -> None:
    backoff.record_failure()
    for _ in range(2):
        clock.now += PAUSE
        assert backoff.try_enter()


def test_only_the_first_failure_of_an_outage_is_reported_as_the_first(backoff: Backoff) -> None:
    assert [backoff.record_failure(), backoff.record_failure()] == [True, False]
    backoff.record_success()
    assert backoff.record_failure()
