"""`CircuitBreaker.reset`: what it clears, what it keeps, and who hears of it."""

from __future__ import annotations

import logging

import pytest

from breakwall.breaker import CircuitBreakerError, CircuitState, Reset, StoreLostError, Transition
from tests.manual_clock import MonotonicClock
from tests.unit.breaker.doubles import FaultyStore, Fleet, answer, events_of, fail_times, succeed_times


def test_it_closes_an_open_circuit_in_all_processes(fleet: Fleet, clock: MonotonicClock) -> None:
    here, elsewhere = fleet.breakers(2)
    fail_times(here, 3)
    assert elsewhere.state is CircuitState.OPEN
    here.reset()
    assert here.call(answer) == "answer"
    clock.sleep(0.2)
    assert elsewhere.call(answer) == "answer"


def test_the_open_interval_begins_anew_at_its_first_length(fleet: Fleet) -> None:
    breaker = fleet.half_open()
    fail_times(breaker, 1)
    assert breaker.status().retry_after == 60.0
    breaker.reset()
    fail_times(breaker, 3)
    assert breaker.status().retry_after == 30.0


def test_failures_and_successes_of_before_count_no_more(fleet: Fleet) -> None:
    breaker = fleet.breaker()
    succeed_times(breaker, 1)
    fail_times(breaker, 2)
    breaker.reset()
    assert (breaker.status().failure_count, breaker.status().success_count) == (0, 0)
    fail_times(breaker, 2)
    assert breaker.state is CircuitState.CLOSED


def test_a_call_that_began_before_it_changes_nothing(fleet: Fleet) -> None:
    breaker = fleet.half_open()
    probe = breaker.acquire()
    breaker.reset()
    probe.record_failure()
    assert breaker.state is CircuitState.CLOSED


def test_a_pause_that_the_service_asked_for_is_over(fleet: Fleet) -> None:
    breaker = fleet.breaker()
    breaker.acquire().record_failure(retry_after=600)
    breaker.reset()
    assert breaker.call(answer) == "answer"


def test_a_limit_is_gone_and_no_slow_start_follows(fleet: Fleet) -> None:
    breaker = fleet.half_open(adaptive_limit=True)
    breaker.call(answer)
    assert breaker.status().limit == 2
    breaker.reset()
    assert breaker.status().limit is None


def test_an_operators_override_stays(fleet: Fleet) -> None:
    breaker = fleet.breaker()
    breaker.force_open("maintenance", "kim")
    breaker.reset()
    with pytest.raises(CircuitBreakerError, match="maintenance"):
        breaker.call(answer)


def test_the_counts_of_openings_and_of_calls_stay(fleet: Fleet) -> None:
    breaker = fleet.breaker()
    fail_times(breaker, 3)
    failed_at = breaker.status().last_failure_at
    breaker.reset()
    assert (breaker.status().open_count, breaker.status().last_failure_at) == (1, failed_at)
    assert breaker.metrics().failed_calls == 3


def test_listeners_hear_who_and_why_and_then_the_transition(fleet: Fleet, clock: MonotonicClock) -> None:
    here, elsewhere = fleet.breakers(2)
    fail_times(here, 3)
    elsewhere.status()
    heard = events_of(elsewhere)
    here.reset("the service was repaired", "kim")
    clock.sleep(0.2)
    elsewhere.status()
    closed = Transition("payment", CircuitState.OPEN, CircuitState.CLOSED, 2, 0.0)
    assert heard == [Reset("payment", "the service was repaired", "kim"), closed]


def test_of_a_closed_circuit_it_is_no_transition(fleet: Fleet) -> None:
    breaker = fleet.breaker()
    heard = events_of(breaker)
    breaker.reset(actor="kim")
    assert heard == [Reset("payment", None, "kim")]


def test_each_one_is_heard_once(fleet: Fleet, clock: MonotonicClock) -> None:
    breaker = fleet.breaker()
    heard = events_of(breaker)
    breaker.reset("one")
    clock.sleep(5)
    succeed_times(breaker, 1)
    breaker.reset("two")
    fail_times(breaker, 3)
    assert [event.reason for event in heard if isinstance(event, Reset)] == ["one", "two"]


def test_one_from_before_a_process_began_is_no_news_to_it(fleet: Fleet, clock: MonotonicClock) -> None:
    fleet.breaker().reset("yesterday", "kim")
    clock.sleep(86_400)
    newcomer = fleet.breaker()
    heard = events_of(newcomer)
    newcomer.status()
    assert [event for event in heard if isinstance(event, Reset)] == []


def test_it_is_logged(fleet: Fleet, caplog: pytest.LogCaptureFixture) -> None:
    breaker = fleet.breaker()
    with caplog.at_level(logging.INFO, "breakwall.breaker"):
        breaker.reset("the service was repaired", "kim")
        breaker.reset()
    assert caplog.messages == [
        "circuit 'payment': reset by kim: the service was repaired",
        "circuit 'payment': reset",
    ]


def test_a_store_that_does_not_confirm_it_is_reported(fleet: Fleet, store: FaultyStore) -> None:
    breaker = fleet.breaker()
    fail_times(breaker, 3)
    store.down = True
    with pytest.raises(StoreLostError, match="did not confirm the reset in time"):
        breaker.reset()
    assert breaker.state is CircuitState.OPEN
