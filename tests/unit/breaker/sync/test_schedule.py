"""For how long, and for how many calls, an opening elsewhere is not noticed."""

from __future__ import annotations

import pytest

from breakwall.breaker import CircuitBreaker, CircuitBreakerConfig, CircuitBreakerError
from breakwall.breaker.stores import StoredCircuit
from tests.manual_clock import MonotonicClock
from tests.unit.breaker.doubles import OPENED, FaultyStore, Fleet, answer, fail_times, succeed_times


def let_through(breaker: CircuitBreaker, clock: MonotonicClock) -> int:
    """The calls, at 100 a second, before one is refused."""
    for calls in range(1000):
        try:
            breaker.call(answer)
        except CircuitBreakerError:
            return calls
        clock.sleep(0.01)
    raise AssertionError("it was never noticed")


@pytest.mark.parametrize("calls_a_second", [20, 2000])
def test_after_the_circuit_opened_elsewhere_calls_continue_for_at_most_one_refresh_interval(
    fleet: Fleet, clock: MonotonicClock, calls_a_second: int
) -> None:
    here, elsewhere, further_on = fleet.breakers(3)
    succeed_times(here, 3)
    fail_times(elsewhere, 3)
    fail_times(further_on, 3)
    calls = 0
    while here.call(answer, fallback="refused") == "answer":
        calls += 1
        clock.sleep(1 / calls_a_second)
    assert calls <= here.config.refresh_interval * calls_a_second + 1


def test_with_the_defaults_it_is_20_calls(clock: MonotonicClock, store: FaultyStore) -> None:
    breaker = CircuitBreaker("payment", store=store, clock=clock)
    succeed_times(breaker, 2)
    store.overwrite(OPENED)
    assert let_through(breaker, clock) <= 20


def test_with_a_store_as_slow_as_a_call_waits_for_it_is_25_calls(
    clock: MonotonicClock, store: FaultyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other threads call, ten times every 100 ms, while one waits for the answer."""
    breaker = CircuitBreaker("payment", store=store, clock=clock)
    succeed_times(breaker, 2)
    load, beside = store.load, []

    def slow_load(name: str) -> StoredCircuit:
        for _ in range(5):
            beside.append("a call")
            clock.sleep(0.01)
        return load(name)

    monkeypatch.setattr(store, "load", slow_load)
    store.overwrite(OPENED)
    assert let_through(breaker, clock) + len(beside) <= 25


def test_lost_races_for_the_store_do_not_make_it_longer(
    clock: MonotonicClock, store: FaultyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    breaker = CircuitBreaker("payment", CircuitBreakerConfig(failure_threshold=50), store, clock=clock)
    succeed_times(breaker, 2)
    monkeypatch.setattr(store, "swap", lambda name, seen, version, text: (False, store.load(name)))
    for _ in range(20):
        clock.sleep(0.3)
        fail_times(breaker, 1)
    store.overwrite(OPENED)
    assert let_through(breaker, clock) <= 20
