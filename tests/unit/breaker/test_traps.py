"""Faults of circuit breakers that people use, each seen in a real library, as tests of this one."""

from __future__ import annotations

import inspect
import re
import threading
from pathlib import Path

import pytest

import breakwall.breaker
from breakwall.breaker import CircuitBreakerError, CircuitState
from tests.manual_clock import MonotonicClock
from tests.unit.breaker.doubles import (
    FaultyStore,
    Fleet,
    ServiceError,
    answer,
    fail,
    fail_times,
    succeed_times,
)


def sources() -> str:
    folder = Path(inspect.getfile(breakwall.breaker)).parent
    files = [path for path in folder.rglob("*.py") if path.name != "retry_after.py"]
    return "\n".join(path.read_text("utf-8") for path in files)


@pytest.mark.parametrize("is_probe", [False, True], ids=["call", "probe"])
def test_trap_1_no_lock_is_held_during_a_call(fleet: Fleet, is_probe: bool) -> None:
    breaker = (fleet.half_open if is_probe else fleet.breaker)(half_open_max_calls=3)
    # Passes only when all three are inside the protected function at the same time.
    together = threading.Barrier(3)
    threads = [threading.Thread(target=breaker.call, args=(together.wait, 10)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert breaker.metrics().successful_calls == 3
    assert breaker.status().state is CircuitState.CLOSED


def test_trap_2_no_signal_is_ever_used() -> None:
    assert not re.search(r"^\s*(import|from)\s+signal|SIGALRM|setitimer", sources(), re.MULTILINE)


class TestTrap3LateResults:
    def test_a_late_success_does_not_close_a_circuit_that_has_just_opened(
        self, fleet: Fleet, clock: MonotonicClock
    ) -> None:
        breaker = fleet.breaker()
        late = breaker.acquire()
        fail_times(breaker, 3)
        late.record_success()
        clock.sleep(1)
        assert breaker.status().state is CircuitState.OPEN

    @pytest.mark.parametrize("record", ["record_success", "record_failure"])
    def test_late_results_count_for_no_later_generation(
        self, fleet: Fleet, clock: MonotonicClock, record: str
    ) -> None:
        breaker = fleet.breaker()
        late = [breaker.acquire() for _ in range(50)]
        fail_times(breaker, 3)
        clock.sleep(30)
        breaker.call(answer)
        for permit in late:
            getattr(permit, record)()
        status = breaker.status()
        assert (status.state, status.failure_count) == (CircuitState.CLOSED, 0)
        fail_times(breaker, 3)
        assert breaker.status().state is CircuitState.OPEN

    def test_a_call_that_began_before_the_opening_counts_for_no_probe(
        self, fleet: Fleet, clock: MonotonicClock
    ) -> None:
        breaker = fleet.breaker(half_open_max_calls=2)
        late = breaker.acquire()
        fail_times(breaker, 3)
        clock.sleep(30)
        breaker.call(answer)
        late.record_success()
        assert breaker.status().state is CircuitState.HALF_OPEN


def test_trap_4_a_decline_is_the_service_answering(fleet: Fleet) -> None:
    class DeclinedError(Exception):
        pass

    def decline() -> None:
        raise DeclinedError

    breaker = fleet.breaker(expected_exception=ServiceError)
    for _ in range(20):
        with pytest.raises(DeclinedError):
            breaker.call(decline)
    assert breaker.status().state is CircuitState.CLOSED
    assert breaker.metrics().success_rate == 1.0


def test_trap_5_cancellation_gives_the_permit_back(fleet: Fleet) -> None:
    breaker = fleet.half_open()
    with pytest.raises(KeyboardInterrupt), breaker.acquire():
        raise KeyboardInterrupt
    assert breaker.status().slots == 1
    assert breaker.metrics().failed_calls == 3


class TestTrap6Counting:
    def test_80_percent_failures_open_it_although_every_fifth_call_succeeds(self, fleet: Fleet) -> None:
        breaker = fleet.breaker(failure_threshold=5)
        for call in range(20):
            breaker.call(answer if call % 5 == 0 else fail, fallback=None if call % 5 == 0 else "failed")
            if breaker.status().state is CircuitState.OPEN:
                break
        assert breaker.status().state is CircuitState.OPEN

    @pytest.mark.parametrize("milliseconds_between_calls", [0.1, 1, 20])
    def test_one_always_failing_host_in_50_does_not_open_it(
        self, fleet: Fleet, clock: MonotonicClock, milliseconds_between_calls: float
    ) -> None:
        broken, *healthy = fleet.breakers(50, failure_threshold=20)
        for _ in range(100):
            broken.call(fail, fallback="failed")
            for breaker in healthy:
                clock.sleep(milliseconds_between_calls / 1000)
                succeed_times(breaker, 1)
        clock.sleep(1)
        assert broken.status().state is CircuitState.CLOSED
        assert broken.metrics().rejected_calls == 0

    def test_24_processes_with_two_failures_each_open_it(self, fleet: Fleet) -> None:
        breakers = fleet.breakers(24, failure_threshold=48)
        for breaker in breakers:
            fail_times(breaker, 2)
        assert breakers[-1].status().state is CircuitState.OPEN

    def test_half_a_fleet_that_fails_opens_it_for_the_other_half(
        self, fleet: Fleet, clock: MonotonicClock
    ) -> None:
        breakers = fleet.breakers(10, failure_threshold=10)
        for _ in range(5):
            for number, breaker in enumerate(breakers):
                breaker.call(fail if number % 2 else answer, fallback="failed or refused")
        clock.sleep(0.2)
        assert all(breaker.status().state is CircuitState.OPEN for breaker in breakers)


class TestTrap7LostProbers:
    def test_a_prober_that_dies_costs_one_lease(self, fleet: Fleet, clock: MonotonicClock) -> None:
        killed, other = fleet.half_open_breakers(2, timeout=10.0)
        killed.acquire()
        with pytest.raises(CircuitBreakerError):
            other.call(answer)
        clock.sleep(killed.config.lease_seconds)
        assert other.call(answer) == "answer"
        assert other.status().state is CircuitState.CLOSED

    def test_a_refused_request_writes_nothing(
        self, fleet: Fleet, clock: MonotonicClock, store: FaultyStore
    ) -> None:
        prober, other = fleet.half_open_breakers(2)
        prober.acquire()
        before = store.load("payment")
        swaps = store.swaps
        for _ in range(20):
            clock.sleep(0.3)
            with pytest.raises(CircuitBreakerError):
                other.acquire()
        assert store.load("payment").text == before.text
        assert store.swaps == swaps


def test_trap_8_every_transition_clears_the_window(fleet: Fleet) -> None:
    breaker = fleet.half_open()
    breaker.call(answer)
    fail_times(breaker, 1)
    assert breaker.status().state is CircuitState.CLOSED


def test_trap_9_open_intervals_end_at_different_instants(fleet: Fleet) -> None:
    ends = set()
    for number in range(20):
        breaker = breakwall.breaker.CircuitBreaker(f"circuit {number}")
        fail_times(breaker, 5)
        status = breaker.status()
        assert status.open_until is not None
        assert status.opened_at is not None
        ends.add(round(status.open_until - status.opened_at, 3))
    assert len(ends) > 10
    assert all(27 <= seconds <= 30 for seconds in ends)


class TestTrap12StoreErrors:
    def test_a_store_that_fails_after_the_call_does_not_replace_its_result(
        self, fleet: Fleet, store: FaultyStore, clock: MonotonicClock
    ) -> None:
        breaker = fleet.breaker()
        succeed_times(breaker, 1)
        clock.sleep(1)

        def pay() -> str:
            store.down = True
            return "paid"

        assert breaker.call(pay) == "paid"

    def test_nor_its_error(self, fleet: Fleet, store: FaultyStore) -> None:
        breaker = fleet.breaker()
        store.down = True
        with pytest.raises(ServiceError):
            breaker.call(fail)

    def test_nor_a_probes_result(self, fleet: Fleet, store: FaultyStore) -> None:
        breaker = fleet.half_open()
        with breaker.acquire():
            store.down = True


def test_trap_13_no_driver_waits_for_ever() -> None:
    from breakwall.breaker.stores.redis import RedisStore
    from breakwall.breaker.stores.sql import POSTGRESQL_OPTIONS

    store = RedisStore("redis://127.0.0.1:1/0")
    options = store._client.connection_pool.connection_kwargs
    assert 0 < options["socket_timeout"] <= 1
    assert 0 < options["socket_connect_timeout"] <= 1
    assert int(POSTGRESQL_OPTIONS["connect_timeout"]) <= 2


def test_trap_13_a_step_of_the_hosts_wall_clock_changes_nothing() -> None:
    """But for a date in ``Retry-After``, which is on a wall clock itself."""
    assert not re.search(r"\btime\.time\(\)(?! - time\.monotonic)", sources())


def test_trap_14_the_status_of_an_open_circuit_does_not_change_it(
    fleet: Fleet, clock: MonotonicClock, store: FaultyStore
) -> None:
    watcher, worker = fleet.breakers(2)
    fail_times(worker, 3)
    clock.sleep(30)
    text = store.load("payment").text
    for _ in range(50):
        clock.sleep(0.3)
        watcher.status()
        watcher.metrics()
    assert store.load("payment").text == text
    assert worker.call(answer) == "answer"


def test_trap_14_nor_does_the_status_of_one_that_a_lasting_suspicion_has_opened(
    fleet: Fleet, clock: MonotonicClock, store: FaultyStore
) -> None:
    """A suspicion that was not refuted in time is stored with the next call, not by a status."""
    failing, healthy, watcher = fleet.breakers(3, failure_threshold=5)
    succeed_times(healthy, 3)
    clock.sleep(0.3)
    succeed_times(healthy, 1)
    fail_times(failing, 5)
    clock.sleep(0.3)
    text = store.load("payment").text
    for _ in range(5):
        assert watcher.status().state is CircuitState.OPEN
        clock.sleep(0.3)
    assert store.load("payment").text == text
    assert healthy.call(answer, fallback="refused") == "refused"
    assert store.load("payment").text != text


class TestSuspicionThatHasLasted:
    """A suspicion has lasted, and no process has stored that yet: all processes see the same."""

    @pytest.fixture
    def watcher(self, fleet: Fleet, clock: MonotonicClock) -> breakwall.breaker.CircuitBreaker:
        """One process has failed, another has succeeded, and no call came since."""
        failing, healthy, watcher = fleet.breakers(3, failure_threshold=5)
        succeed_times(healthy, 3)
        clock.sleep(0.3)
        succeed_times(healthy, 1)
        fail_times(failing, 5)
        clock.sleep(0.3)
        return watcher

    def test_its_open_interval_runs_for_a_process_that_only_reads_the_status(
        self, watcher: breakwall.breaker.CircuitBreaker, clock: MonotonicClock
    ) -> None:
        status = watcher.status()
        assert (status.state, status.slots) == (CircuitState.OPEN, 0)
        clock.sleep(10)
        assert watcher.status().retry_after == pytest.approx(status.retry_after - 10)

    def test_a_process_that_waits_for_a_slot_before_calling_gets_one_and_recovers(
        self, watcher: breakwall.breaker.CircuitBreaker, clock: MonotonicClock
    ) -> None:
        clock.sleep(watcher.status().retry_after)
        assert watcher.status().slots == 1
        assert watcher.call(answer) == "answer"
        assert watcher.status().state is CircuitState.CLOSED

    def test_no_call_goes_that_the_status_refuses(self, fleet: Fleet, clock: MonotonicClock) -> None:
        """Also with a fresh copy, from before the suspicion had lasted."""
        other, failing, breaker = fleet.breakers(3)
        succeed_times(other, 3)
        fail_times(failing, 4)
        clock.sleep(0.15)
        succeed_times(breaker, 2)
        clock.sleep(0.1)
        assert breaker.status().slots == 0
        assert breaker.call(answer, fallback="refused") == "refused"
        assert breaker.status().generation == 1

    def test_nor_when_it_was_decided_before_the_interval_was_over(
        self, fleet: Fleet, clock: MonotonicClock
    ) -> None:
        """The process that succeeded left the window meanwhile."""
        other, failing, breaker = fleet.breakers(3, window=1.0)
        succeed_times(other, 3)
        clock.sleep(0.95)
        fail_times(failing, 4)
        assert [breaker.status().slots for _ in range(2)] == [None, None]
        clock.sleep(0.1)
        assert breaker.status().slots == 0
        assert breaker.call(answer, fallback="refused") == "refused"

    def test_one_that_came_to_nothing_is_forgotten_with_the_next_call(
        self, fleet: Fleet, clock: MonotonicClock
    ) -> None:
        """A later failure, while others succeed, has to be suspect for an interval of its own."""
        healthy, failing = fleet.breakers(2, failure_threshold=1, recent_calls=1)
        succeed_times(healthy, 100)
        clock.sleep(0.3)
        succeed_times(healthy, 1)
        clock.sleep(1)
        fail_times(failing, 1)
        clock.sleep(1)
        fail_times(failing, 1)
        assert failing.status().state is CircuitState.CLOSED

    def test_it_opens_with_the_next_call_also_when_it_is_ripe_before_its_interval_is_over(
        self, fleet: Fleet, clock: MonotonicClock, store: FaultyStore
    ) -> None:
        """A window shorter than the interval: the successes of the process that succeeded are too old."""
        other, breaker = fleet.breakers(2, window=1.0, refresh_interval=5.0)
        succeed_times(other, 3)
        clock.sleep(0.9)
        fail_times(breaker, 4)
        clock.sleep(0.2)
        other.status()
        breaker.close()
        fresh = fleet.breaker(window=1.0, refresh_interval=5.0)
        assert fresh.status().slots == 0
        assert fresh.call(answer, fallback="refused") == "refused"
        assert fresh.status().generation == 1
