"""Breakers of one circuit that write to the store at the same moment, and lose."""

from __future__ import annotations

import pytest
from breaker_doubles import Clock, FaultyStore, Fleet, fail_times, succeed_times

from breakwall.breaker import CircuitBreaker, CircuitBreakerConfig, CircuitBreakerError
from breakwall.breaker.stores import Record


def test_a_lost_race_applies_the_same_outcomes_to_the_newer_circuit(
    fleet: Fleet, store: FaultyStore, clock: Clock
) -> None:
    breaker, rival = fleet.breaker(), Fleet(clock, store.seen_from_elsewhere()).breaker()
    succeed_times(breaker, 1)
    store.before_swap = lambda: fail_times(rival, 1)
    fail_times(breaker, 1)
    assert breaker.status().failure_count == 2


def test_only_one_of_two_rivals_gets_the_last_lease(fleet: Fleet, store: FaultyStore, clock: Clock) -> None:
    breaker, rival = fleet.breaker(), Fleet(clock, store.seen_from_elsewhere()).breaker()
    fail_times(rival, 3)
    clock.sleep(30)
    breaker.status()
    store.before_swap = rival.acquire
    with pytest.raises(CircuitBreakerError):
        breaker.acquire()


def test_a_lease_that_a_crowd_kept_from_us_is_not_taken_later(
    fleet: Fleet, store: FaultyStore, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    breaker, watcher = fleet.breakers(2)
    fail_times(breaker, 3)
    clock.sleep(30)
    with monkeypatch.context() as patched:
        patched.setattr(store, "swap", lambda name, seen, version, text: (False, store.load(name)))
        with pytest.raises(CircuitBreakerError):
            breaker.acquire()
    clock.sleep(5)
    breaker.status()
    assert watcher.status().slots == 1


def test_a_crowd_that_wins_every_race_costs_no_outcome(
    fleet: Fleet, store: FaultyStore, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    breaker, watcher = fleet.breakers(2)
    swap = store.swap
    monkeypatch.setattr(store, "swap", lambda name, seen, version, text: (False, store.load(name)))
    fail_times(breaker, 2)
    monkeypatch.setattr(store, "swap", swap)
    clock.sleep(5)
    succeed_times(breaker, 1)
    assert watcher.status().failure_count == 2


def test_lost_races_keep_outcomes_back_for_a_while(
    clock: Clock, store: FaultyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A crowd is not thinned by those who come back at once."""
    breaker = CircuitBreaker("payment", CircuitBreakerConfig(failure_threshold=5000), store, clock=clock)
    succeed_times(breaker, 2)
    swaps: list[float] = []
    looks: list[float] = []
    load = store.load

    def look(name: str) -> Record:
        looks.append(clock.now)
        return load(name)

    def lose(name: str, seen: str, version: str, text: str) -> tuple[bool, Record]:
        swaps.append(clock.now)
        return False, load(name)

    monkeypatch.setattr(store, "swap", lose)
    monkeypatch.setattr(store, "load", look)
    for _ in range(1000):
        clock.sleep(0.01)
        fail_times(breaker, 1)
    assert len(set(swaps)) <= 10
    assert len(looks) <= 51
