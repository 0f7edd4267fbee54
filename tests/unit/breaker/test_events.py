"""What listeners hear."""

from __future__ import annotations

import threading

import pytest

from breakwall.breaker import (
    CircuitBreakerError,
    CircuitState,
    Event,
    Refusal,
    StoreBack,
    StoreLost,
    Transition,
)
from tests.manual_clock import MonotonicClock
from tests.unit.breaker.doubles import FaultyStore, Fleet, answer, events_of, fail, fail_times, succeed_times


def test_they_hear_each_transition_once(fleet: Fleet, clock: MonotonicClock) -> None:
    breaker = fleet.breaker()
    heard = events_of(breaker)
    fail_times(breaker, 3)
    clock.sleep(30)
    probe = breaker.acquire()
    probe.record_success()
    states = [(e.before, e.after, e.generation) for e in heard if isinstance(e, Transition)]
    closed, opened, half_open = CircuitState.CLOSED, CircuitState.OPEN, CircuitState.HALF_OPEN
    assert states == [(closed, opened, 1), (opened, half_open, 2), (half_open, closed, 3)]


def test_an_opening_says_when_the_first_probe_may_go(fleet: Fleet) -> None:
    breaker = fleet.breaker()
    heard = events_of(breaker)
    fail_times(breaker, 3)
    assert heard == [Transition("payment", CircuitState.CLOSED, CircuitState.OPEN, 1, pytest.approx(30.0))]  # type: ignore[arg-type]


def test_they_hear_of_transitions_elsewhere(fleet: Fleet, clock: MonotonicClock) -> None:
    here, elsewhere = fleet.breakers(2)
    heard = events_of(here)
    here.status()
    fail_times(elsewhere, 3)
    clock.sleep(0.2)
    here.status()
    assert [type(event) for event in heard] == [Transition]


def test_they_hear_each_refusal(fleet: Fleet) -> None:
    breaker = fleet.breaker()
    fail_times(breaker, 3)
    heard = events_of(breaker)
    with pytest.raises(CircuitBreakerError):
        breaker.acquire()
    assert heard == [Refusal("payment", CircuitState.OPEN, pytest.approx(30.0))]  # type: ignore[arg-type]


def test_they_hear_when_the_store_is_lost_and_back_once_each(
    fleet: Fleet, store: FaultyStore, clock: MonotonicClock
) -> None:
    breaker = fleet.breaker()
    heard = events_of(breaker)
    succeed_times(breaker, 1)
    store.down = True
    for _ in range(20):
        clock.sleep(0.1)
        succeed_times(breaker, 1)
    store.down = False
    for _ in range(20):
        clock.sleep(0.1)
        succeed_times(breaker, 1)
    assert heard == [StoreLost("payment", "ConnectionError"), StoreBack("payment")]


def test_no_lock_is_held_while_they_listen(fleet: Fleet, clock: MonotonicClock) -> None:
    breaker = fleet.breaker()
    free: list[bool] = []

    def listen(_: Event) -> None:
        # Another thread can use the breaker meanwhile, which it could not if a lock were held.
        thread = threading.Thread(target=lambda: (breaker.status(), breaker.metrics()))
        thread.start()
        thread.join(5)
        free.append(not thread.is_alive())

    breaker.listen(listen)
    fail_times(breaker, 3)
    clock.sleep(30)
    breaker.call(answer)
    assert len(free) == 3
    assert all(free)


def test_one_that_raises_harms_neither_the_call_nor_the_others(fleet: Fleet) -> None:
    breaker = fleet.breaker()
    breaker.listen(lambda event: 1 / 0)
    heard = events_of(breaker)
    fail_times(breaker, 3)
    assert len(heard) == 1


def exiting(_: Event) -> None:
    raise SystemExit


def test_one_that_exits_in_a_worker_thread_does_not_replace_the_calls_result(fleet: Fleet) -> None:
    breaker = fleet.breaker()
    breaker.listen(exiting)
    results: list[object] = []
    thread = threading.Thread(target=lambda: results.extend(breaker.call(fail, fallback=n) for n in range(3)))
    thread.start()
    thread.join()
    assert results == [0, 1, 2]


def test_an_exit_in_the_main_thread_is_not_kept_from_the_program(fleet: Fleet) -> None:
    """It may be a signal's handler that raised it, and not the listener in which it happened to arrive."""
    breaker = fleet.breaker()
    breaker.listen(exiting)
    with pytest.raises(SystemExit):
        fail_times(breaker, 3)


def test_one_that_was_removed_hears_nothing(fleet: Fleet) -> None:
    breaker = fleet.breaker()
    heard: list[Event] = []
    leave = breaker.listen(heard.append)
    leave()
    fail_times(breaker, 3)
    assert heard == []
