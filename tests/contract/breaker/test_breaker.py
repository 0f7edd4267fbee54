"""The breaker's scenarios on every store, with real time: short ones, and waited for with a deadline."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from breakwall.breaker import CircuitBreakerError, CircuitState, Reset
from breakwall.breaker.stores import AnyStore, MemoryStore
from tests.contract.breaker.conftest import Join, fail_times
from tests.waiting import wait_until


def test_failures_of_all_processes_open_one_circuit(join: Join) -> None:
    breakers = [join(recovery_timeout=60.0) for _ in range(3)]
    for breaker in breakers:
        fail_times(breaker, 1)
    assert breakers[-1].status().state is CircuitState.OPEN
    for breaker in breakers:
        wait_until(lambda breaker=breaker: breaker.status().generation == 1)  # type: ignore[misc]


def test_failed_results_of_all_processes_open_one_circuit(join: Join) -> None:
    breakers = [join(is_failed_result=lambda status: status >= 500, recovery_timeout=60.0) for _ in range(3)]
    for breaker in breakers:
        assert breaker.call(lambda: 503) == 503
    assert breakers[-1].status().state is CircuitState.OPEN


def test_no_more_probes_than_configured_are_out_over_all_processes(join: Join) -> None:
    breakers = [join(half_open_max_calls=2, timeout=30.0) for _ in range(4)]
    fail_times(breakers[0], 3)
    wait_until(lambda: breakers[0].status().state is CircuitState.HALF_OPEN)
    admitted = 0
    for breaker in breakers * 2:
        try:
            breaker.acquire()
        except CircuitBreakerError:
            continue
        admitted += 1
    assert admitted == 2


def test_probes_of_different_processes_close_it_together(join: Join) -> None:
    first, second = (join(half_open_max_calls=2) for _ in range(2))
    fail_times(first, 3)
    wait_until(lambda: first.status().state is CircuitState.HALF_OPEN)
    first.call(int)
    wait_until(lambda: second.status().state is CircuitState.HALF_OPEN)
    second.call(int)
    assert second.status().state is CircuitState.CLOSED
    wait_until(lambda: first.status().state is CircuitState.CLOSED)


def test_a_reset_closes_the_circuit_for_all_processes(join: Join) -> None:
    first, second = join(recovery_timeout=60.0), join(recovery_timeout=60.0)
    heard = []
    second.listen(heard.append)
    fail_times(first, 3)
    wait_until(lambda: second.state is CircuitState.OPEN)
    first.reset("the service was repaired", "kim")
    assert first.state is CircuitState.CLOSED
    wait_until(lambda: second.state is CircuitState.CLOSED)
    assert second.call(int) == 0
    assert second.status().failure_count == 0
    assert Reset("payment", "the service was repaired", "kim") in heard


def test_a_probers_slot_is_free_again_after_its_lease(join: Join) -> None:
    killed, other = join(timeout=1.0), join(timeout=1.0)
    fail_times(killed, 3)
    wait_until(lambda: killed.status().state is CircuitState.HALF_OPEN)
    killed.acquire()
    wait_until(lambda: other.status().slots == 0)
    wait_until(lambda: other.status().slots == 1)
    assert other.call(int) == 0
    assert other.status().state is CircuitState.CLOSED


def test_a_failed_probe_makes_the_next_wait_longer_for_all_processes(join: Join) -> None:
    first, second = join(jitter=0.0), join(jitter=0.0)
    fail_times(first, 3)
    wait_until(lambda: first.status().state is CircuitState.HALF_OPEN)
    fail_times(first, 1)
    wait_until(lambda: second.status().generation == first.status().generation)
    status = second.status()
    assert status.opened_at is not None
    assert status.open_until is not None
    assert status.open_until - status.opened_at == pytest.approx(0.6, abs=0.01)


def test_successes_of_all_processes_hold_the_rate_down(join: Join) -> None:
    failing, healthy = join(failure_threshold=5), join(failure_threshold=5)
    for _ in range(40):
        healthy.call(int)
    wait_until(lambda: healthy.call(int) == 0 and failing.status().success_count >= 40)
    fail_times(failing, 10)
    assert failing.status().state is CircuitState.CLOSED


def test_a_newcomer_finds_the_open_circuit(join: Join) -> None:
    fail_times(join(recovery_timeout=30.0), 3)
    with pytest.raises(CircuitBreakerError):
        join().call(int)


def test_a_status_and_a_refusal_write_nothing(join: Join, open_store: Callable[[], AnyStore]) -> None:
    fail_times(join(recovery_timeout=30.0), 3)
    watcher, store = join(), open_store()
    before = stored(store)
    for _ in range(20):
        watcher.status()
        with pytest.raises(CircuitBreakerError):
            watcher.acquire()
        time.sleep(0.01)
    assert stored(store) == before


def stored(store: AnyStore) -> object:
    """Another value after each write."""
    if isinstance(store, MemoryStore):
        return store.circuit("payment").value
    return store.load("payment").version


def test_a_probe_that_an_operator_asks_for_is_let_through_in_every_process(join: Join) -> None:
    operator, worker = join(recovery_timeout=600.0), join(recovery_timeout=600.0)
    fail_times(worker, 3)
    wait_until(lambda: operator.status().state is CircuitState.OPEN)
    operator.probe()
    wait_until(lambda: worker.status().state is CircuitState.HALF_OPEN)
    assert worker.call(int) == 0
