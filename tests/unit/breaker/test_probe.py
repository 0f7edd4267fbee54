"""An operator lets the next call try the service now."""

from __future__ import annotations

import pytest

from breakwall.breaker import CircuitBreakerConfig, CircuitState, StoreLostError
from breakwall.breaker.circuit.operations import EndInterval
from breakwall.breaker.circuit.state import Circuit
from breakwall.breaker.operator_commands import why_no_probe
from tests.manual_clock import MonotonicClock
from tests.unit.breaker.doubles import FaultyStore, Fleet, answer, fail_times, succeed_times


def test_the_next_call_of_another_process_is_a_probe(fleet: Fleet, clock: MonotonicClock) -> None:
    operator, worker = fleet.breakers(2)
    fail_times(worker, 3)
    clock.sleep(0.2)
    assert operator.status().state is CircuitState.OPEN
    operator.probe()
    clock.sleep(0.2)
    assert worker.status().state is CircuitState.HALF_OPEN
    assert worker.call(answer) == "answer"


def test_it_ends_a_pause_that_the_service_asked_for(fleet: Fleet) -> None:
    breaker = fleet.breaker()
    breaker.acquire().record_failure(retry_after=600.0)
    assert breaker.status().retry_after > 100
    breaker.probe()
    assert breaker.status().retry_after == 0.0


def test_after_a_failed_probe_the_interval_grows_as_ever(fleet: Fleet) -> None:
    breaker = fleet.breaker()
    fail_times(breaker, 3)
    breaker.probe()
    fail_times(breaker, 1)
    assert (breaker.status().state, breaker.status().retry_after) == (CircuitState.OPEN, 60.0)


def test_it_changes_nothing_in_a_closed_circuit(fleet: Fleet) -> None:
    breaker = fleet.breaker()
    succeed_times(breaker, 1)
    before = breaker.status()
    breaker.probe()
    assert breaker.status() == before


def test_it_ends_no_later_interval_than_the_one_that_was_seen() -> None:
    later = Circuit(CircuitState.OPEN, generation=3, opened_at=100.0, open_until=130.0, open_count=2)
    assert EndInterval(1).apply(later, CircuitBreakerConfig(), 110.0, 0.0) == later


def test_no_process_says_of_a_lost_store_that_its_circuit_is_closed(store: FaultyStore, fleet: Fleet) -> None:
    breaker = fleet.breaker()
    store.down = True
    with pytest.raises(StoreLostError):
        breaker.probe()
    assert not breaker.status().store_ok
    assert why_no_probe(breaker.status()) is None


def test_a_lost_store_is_said(store: FaultyStore, fleet: Fleet) -> None:
    breaker = fleet.breaker()
    fail_times(breaker, 3)
    store.down = True
    with pytest.raises(StoreLostError, match="probe"):
        breaker.probe()


def test_the_transitions_to_each_state_are_counted_ever(fleet: Fleet, clock: MonotonicClock) -> None:
    breaker = fleet.breaker(half_open_max_calls=1)
    seen = []
    for work in (succeed_times, fail_times, fail_times, succeed_times):
        work(breaker, 3 if breaker.status().state is CircuitState.CLOSED else 1)
        status = breaker.status()
        seen.append((status.open_count, status.half_open_count, status.close_count))
        assert sum(seen[-1]) == status.generation
        clock.sleep(60)
        assert breaker.status().half_open_count == status.half_open_count, "waiting alone is no transition"
    assert seen == [(0, 0, 0), (1, 0, 0), (2, 1, 0), (2, 2, 1)]


def test_a_reset_lets_no_count_of_transitions_sink(fleet: Fleet) -> None:
    breaker = fleet.breaker()
    fail_times(breaker, 3)
    before = breaker.status()
    breaker.reset("a new day", "kim")
    after = breaker.status()
    assert after.open_count >= before.open_count
    assert after.half_open_count >= before.half_open_count
    assert after.close_count >= before.close_count
    assert after.open_count + after.half_open_count + after.close_count == after.generation
