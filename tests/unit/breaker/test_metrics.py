"""A breaker's status and metrics."""

from __future__ import annotations

import pytest

from breakwall.breaker import CircuitState
from tests.manual_clock import MonotonicClock
from tests.unit.breaker.doubles import FaultyStore, Fleet, answer, fail_times, succeed_times


class TestStatus:
    def test_a_closed_circuit_lets_any_number_of_calls_through(self, fleet: Fleet) -> None:
        status = fleet.breaker().status()
        assert (status.state, status.slots, status.retry_after) == (CircuitState.CLOSED, None, 0.0)
        assert status.store_ok

    def test_an_open_one_says_for_how_long(self, fleet: Fleet, clock: MonotonicClock) -> None:
        breaker = fleet.breaker()
        fail_times(breaker, 3)
        clock.sleep(10)
        status = breaker.status()
        assert (status.state, status.slots, status.retry_after) == (CircuitState.OPEN, 0, 20.0)
        assert (status.failure_count, status.generation, status.open_count) == (3, 1, 1)

    def test_when_the_interval_is_over_it_shows_the_free_probes(self, fleet: Fleet) -> None:
        breaker = fleet.half_open(half_open_max_calls=2)
        assert (breaker.status().state, breaker.status().slots) == (CircuitState.HALF_OPEN, 2)
        breaker.acquire()
        assert breaker.status().slots == 1

    def test_it_sees_what_others_did_after_a_refresh_interval(
        self, fleet: Fleet, clock: MonotonicClock
    ) -> None:
        watcher, worker = fleet.breakers(2)
        assert watcher.status().state is CircuitState.CLOSED
        fail_times(worker, 3)
        clock.sleep(0.2)
        assert watcher.status().state is CircuitState.OPEN

    def test_it_asks_the_store_once_in_a_refresh_interval(self, fleet: Fleet, store: FaultyStore) -> None:
        breaker = fleet.breaker()
        fail_times(breaker, 3)
        before = store.operations
        for _ in range(10):
            breaker.status()
        assert store.operations == before


class TestMetrics:
    def test_they_count_this_process(self, fleet: Fleet) -> None:
        breaker = fleet.breaker()
        succeed_times(breaker, 1)
        fail_times(breaker, 3)
        breaker.call(answer, fallback="refused")
        metrics = breaker.metrics()
        assert (metrics.total_calls, metrics.successful_calls, metrics.failed_calls) == (4, 1, 3)
        assert (metrics.rejected_calls, metrics.success_rate) == (1, 0.25)
        assert (metrics.state, metrics.failure_count) == (CircuitState.OPEN, 3)
        assert metrics.circuit_open_count == 1
        assert metrics.last_failure_time == pytest.approx(1_700_000_100.0)

    def test_before_the_first_call_nothing_has_failed(self, fleet: Fleet) -> None:
        metrics = fleet.breaker().metrics()
        assert (metrics.total_calls, metrics.success_rate, metrics.last_failure_time) == (0, 1.0, None)

    def test_a_call_that_ends_some_generations_later_is_counted_too(
        self, fleet: Fleet, clock: MonotonicClock
    ) -> None:
        breaker = fleet.breaker()
        late = breaker.acquire()
        for _ in range(5):
            fail_times(breaker, 3)
            clock.sleep(30)
            breaker.call(answer)
        late.record_success()
        assert breaker.metrics().successful_calls == 6

    def test_reading_them_changes_no_count(self, fleet: Fleet) -> None:
        breaker = fleet.breaker()
        succeed_times(breaker, 5)
        assert [breaker.metrics().successful_calls for _ in range(3)] == [5, 5, 5]
