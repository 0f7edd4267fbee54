"""How often a breaker asks its store."""

from __future__ import annotations

import pytest

from tests.manual_clock import MonotonicClock
from tests.unit.breaker.doubles import FaultyStore, Fleet, answer, fail_times, succeed_times


def test_a_fresh_copy_asks_the_store_nothing(fleet: Fleet, store: FaultyStore) -> None:
    breaker = fleet.breaker()
    succeed_times(breaker, 2)
    before = store.operations
    succeed_times(breaker, 1000)
    assert store.operations == before


@pytest.mark.parametrize("calls_a_second", [50, 5000])
def test_round_trips_a_second_do_not_depend_on_the_rate_of_calls(
    fleet: Fleet, store: FaultyStore, clock: MonotonicClock, calls_a_second: int
) -> None:
    breaker = fleet.breaker()
    succeed_times(breaker, 2)
    before = store.operations
    for _ in range(10 * calls_a_second):
        clock.sleep(1 / calls_a_second)
        succeed_times(breaker, 1)
    assert 40 <= store.operations - before <= 52


def test_refusals_ask_the_store_once_in_a_refresh_interval(
    fleet: Fleet, store: FaultyStore, clock: MonotonicClock
) -> None:
    breaker = fleet.breaker()
    fail_times(breaker, 3)
    before = store.operations
    for _ in range(1000):
        clock.sleep(0.01)
        breaker.call(answer, fallback="refused")
    assert 40 <= store.operations - before <= 52
