"""What a process does while its store is gone, and when it is back. The store here fails at once; how one
that hangs is bounded is measured against real servers in the contract tests."""

from __future__ import annotations

import pytest

from breakwall.breaker import CircuitBreaker, CircuitBreakerError, CircuitState
from breakwall.breaker.circuit.state import Circuit
from breakwall.breaker.sync.replica_state import StoreStatus
from breakwall.breaker.sync.shared import SharedReplica
from tests.manual_clock import MonotonicClock
from tests.unit.breaker.doubles import EPOCH, FaultyStore, Fleet, answer, fail_times, setup_of, succeed_times


def fall(store: FaultyStore, clock: MonotonicClock, *breakers: CircuitBreaker) -> None:
    """Take the store down, and have the breakers notice."""
    store.down = True
    clock.sleep(0.3)
    for breaker in breakers:
        assert not breaker.status().store_ok


def rise(store: FaultyStore, clock: MonotonicClock, *breakers: CircuitBreaker) -> None:
    """Bring the store back, and have the breakers notice."""
    store.down = False
    clock.sleep(0.3)
    for breaker in breakers:
        assert breaker.status().store_ok


class TestWithoutStore:
    def test_calls_continue(self, fleet: Fleet, store: FaultyStore) -> None:
        store.down = True
        assert fleet.breaker().call(answer) == "answer"

    def test_the_local_circuit_opens_by_the_same_configuration(
        self, fleet: Fleet, store: FaultyStore, clock: MonotonicClock
    ) -> None:
        breaker = fleet.breaker()
        fall(store, clock, breaker)
        fail_times(breaker, 2)
        assert breaker.status().state is CircuitState.CLOSED
        fail_times(breaker, 1)
        assert breaker.status().state is CircuitState.OPEN

    def test_failures_from_before_the_loss_count(self, fleet: Fleet, store: FaultyStore) -> None:
        breaker = fleet.breaker()
        fail_times(breaker, 2)
        store.down = True
        fail_times(breaker, 1)
        assert breaker.status().state is CircuitState.OPEN

    def test_the_failure_that_found_the_store_gone_counts_once(
        self, fleet: Fleet, store: FaultyStore
    ) -> None:
        breaker = fleet.breaker()
        store.down = True
        fail_times(breaker, 1)
        assert breaker.status().failure_count == 1

    def test_the_failure_whose_reply_was_lost_counts_once(
        self, fleet: Fleet, store: FaultyStore, clock: MonotonicClock
    ) -> None:
        breaker, watcher = fleet.breakers(2)
        store.loses_replies = True
        fail_times(breaker, 1)
        store.loses_replies = False
        rise(store, clock, breaker)
        succeed_times(breaker, 1)
        assert watcher.status().failure_count == 1

    def test_an_open_circuit_stays_open(
        self, fleet: Fleet, store: FaultyStore, clock: MonotonicClock
    ) -> None:
        breaker = fleet.breaker()
        fail_times(breaker, 3)
        fall(store, clock, breaker)
        with pytest.raises(CircuitBreakerError) as refused:
            breaker.call(answer)
        assert refused.value.retry_after == pytest.approx(29.7)

    def test_it_recovers_through_a_local_probe(
        self, fleet: Fleet, store: FaultyStore, clock: MonotonicClock
    ) -> None:
        breaker = fleet.breaker()
        fail_times(breaker, 3)
        fall(store, clock, breaker)
        clock.sleep(30)
        probe = breaker.acquire()
        with pytest.raises(CircuitBreakerError):
            breaker.acquire()
        probe.record_success()
        assert breaker.status().state is CircuitState.CLOSED

    def test_the_store_is_tried_once_in_a_refresh_interval(
        self, fleet: Fleet, store: FaultyStore, clock: MonotonicClock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        breaker = fleet.breaker(failure_threshold=1000)
        fall(store, clock, breaker)
        attempts: list[float] = []
        monkeypatch.setattr(store, "_check", lambda: attempts.append(clock.now) or (1 / 0))
        for _ in range(100):
            clock.sleep(0.01)
            succeed_times(breaker, 1)
            fail_times(breaker, 1)
        assert 3 <= len(attempts) <= 5

    def test_the_status_names_the_error(
        self, fleet: Fleet, store: FaultyStore, clock: MonotonicClock
    ) -> None:
        breaker = fleet.breaker()
        fall(store, clock, breaker)
        assert breaker.status().store_error == "ConnectionError"

    def test_local_probes_leave_nothing_to_be_sent(
        self, fleet: Fleet, store: FaultyStore, clock: MonotonicClock
    ) -> None:
        breaker = fleet.breaker(failure_threshold=1)
        store.down = True
        for _ in range(50):
            fail_times(breaker, 1)
            clock.sleep(31)
            succeed_times(breaker, 1)
        assert breaker.status().open_count == 50
        assert not breaker._replica._state.pending


class TestConflictResolution:
    def test_the_fleets_circuit_counts_again(
        self, fleet: Fleet, store: FaultyStore, clock: MonotonicClock
    ) -> None:
        away, other = fleet.breakers(2)
        succeed_times(away, 1)
        fall(store, clock, away)
        store.down = False
        fail_times(other, 3)
        rise(store, clock, away)
        assert away.status().state is CircuitState.OPEN

    def test_a_circuit_that_opened_locally_is_stored_if_no_other_changed_it_meanwhile(
        self, fleet: Fleet, store: FaultyStore, clock: MonotonicClock
    ) -> None:
        away, other = fleet.breakers(2, failure_threshold=5)
        succeed_times(away, 2)
        fall(store, clock, away, other)
        fail_times(away, 5)
        rise(store, clock, away, other)
        clock.sleep(0.3)
        assert other.status().state is CircuitState.OPEN
        assert other.status().retry_after == pytest.approx(away.status().retry_after)

    def test_it_gives_way_to_a_fleet_that_has_moved_on(
        self, fleet: Fleet, store: FaultyStore, clock: MonotonicClock
    ) -> None:
        away, other = fleet.breakers(2)
        succeed_times(away, 1)
        fall(store, clock, away)
        fail_times(away, 3)
        store.down = False
        fail_times(other, 3)
        clock.sleep(30)
        other.call(answer)
        rise(store, clock, away)
        assert away.status().state is CircuitState.CLOSED

    def test_failures_from_the_time_without_store_are_not_counted_twice(
        self, fleet: Fleet, store: FaultyStore, clock: MonotonicClock
    ) -> None:
        away, other = fleet.breakers(2, failure_threshold=5)
        succeed_times(away, 1)
        fall(store, clock, away)
        fail_times(away, 4)
        rise(store, clock, away)
        fail_times(away, 1)
        assert other.status().failure_count <= 5

    def test_a_probe_that_ended_meanwhile_is_recorded(
        self, fleet: Fleet, store: FaultyStore, clock: MonotonicClock
    ) -> None:
        prober, other = fleet.half_open_breakers(2, half_open_max_calls=2)
        probe = prober.acquire()
        store.down = True
        probe.record_success()
        rise(store, clock, prober)
        other.call(answer)
        assert other.status().state is CircuitState.CLOSED

    def test_a_probe_whose_lease_the_store_may_hold_is_recorded_too(
        self, fleet: Fleet, store: FaultyStore, clock: MonotonicClock
    ) -> None:
        """The lease was granted, the reply was lost, and the probe ended before the store was back."""
        prober, watcher = fleet.breakers(2, failure_threshold=1)
        fail_times(prober, 1)
        clock.sleep(30)
        prober.status()
        store.loses_replies = True
        probe = prober.acquire()
        store.loses_replies, store.down = False, True
        probe.record_success()
        rise(store, clock, prober)
        assert watcher.status().state is CircuitState.CLOSED


class TestDataLoss:
    def test_an_emptied_store_gets_the_open_circuit_back(
        self, fleet: Fleet, store: FaultyStore, clock: MonotonicClock
    ) -> None:
        breaker, newcomer = fleet.breakers(2)
        fail_times(breaker, 3)
        store.wipe()
        clock.sleep(0.3)
        with pytest.raises(CircuitBreakerError):
            breaker.call(answer)
        assert newcomer.status().state is CircuitState.OPEN
        assert newcomer.status().retry_after == pytest.approx(29.7)

    def test_a_failover_that_lost_the_opening_gets_it_back(
        self, fleet: Fleet, store: FaultyStore, clock: MonotonicClock
    ) -> None:
        breaker, other = fleet.breakers(2)
        fail_times(breaker, 2)
        behind = dict(store._texts)
        fail_times(breaker, 1)
        store._texts.update(behind)
        clock.sleep(0.3)
        breaker.status()
        assert other.status().state is CircuitState.OPEN

    def test_one_that_missed_the_opening_does_not_undo_it_in_an_emptied_store(
        self, fleet: Fleet, store: FaultyStore, clock: MonotonicClock
    ) -> None:
        idle, breaker = fleet.breakers(2)
        succeed_times(idle, 1)
        fail_times(breaker, 3)
        store.wipe()
        clock.sleep(0.3)
        succeed_times(idle, 1)
        breaker.status()
        clock.sleep(0.3)
        assert idle.status().state is CircuitState.OPEN

    def test_garbage_is_overwritten(self, fleet: Fleet, store: FaultyStore) -> None:
        store._texts["payment"] = ("1", "garbage")
        breaker, other = fleet.breakers(2)
        fail_times(breaker, 3)
        assert other.status().state is CircuitState.OPEN

    def test_an_open_circuit_with_an_override_of_a_later_release_is_not_overwritten_as_closed(
        self, fleet: Fleet, store: FaultyStore, clock: MonotonicClock
    ) -> None:
        until = round((EPOCH + clock.now + 60) * 1000)
        text = f'{{"v":1,"s":"open","ou":{until},"o":{{"m":"slowed","r":"why","a":"kim","t":1}}}}'
        store._texts["payment"] = ("1", text)
        breaker = fleet.breaker()
        for _ in range(5):
            breaker.call(answer)
            clock.sleep(0.3)
        assert store._texts["payment"] == ("1", text)

    def test_what_a_later_release_wrote_is_left_alone(self, fleet: Fleet, store: FaultyStore) -> None:
        store._texts["payment"] = ("1", '{"v":99,"s":"melted"}')
        breaker = fleet.breaker()
        fail_times(breaker, 3)
        assert breaker.status().state is CircuitState.OPEN
        assert breaker.status().store_error == "NewerFormatError"
        assert store._texts["payment"] == ("1", '{"v":99,"s":"melted"}')


class TestEachChangeIsAnnouncedOnce:
    def test_though_another_change_comes_meanwhile(self, store: FaultyStore, clock: MonotonicClock) -> None:
        heard: list[object] = []

        def on_change(before: Circuit, after: Circuit, _: float) -> None:
            heard.append((before.generation, after.generation))
            if after.generation == 1:
                # As another thread would, between this change and the next.
                replica._state.circuit, replica._state.error = Circuit(generation=2), None
                replica._announce()

        replica = SharedReplica(setup_of(clock, on_change=on_change, on_store=heard.append), store)
        replica._state.circuit, replica._state.error = Circuit(generation=1), "TimeoutError"
        replica._announce()
        assert heard == [(0, 1), (1, 2), None, "TimeoutError"]

    def test_a_lost_store_though_its_error_changes(self, clock: MonotonicClock, store: FaultyStore) -> None:
        """A call is overdue, and then it fails."""
        heard: list[object] = []
        replica = SharedReplica(setup_of(clock, on_store=heard.append), store)
        replica._state.status = StoreStatus.LOST
        for replica._state.error in ("TimeoutError", "OperationalError", None):
            replica._announce()
        assert heard == ["TimeoutError", None]

    def test_but_no_outcomes_alone(self, clock: MonotonicClock, store: FaultyStore) -> None:
        heard: list[object] = []
        replica = SharedReplica(setup_of(clock, on_change=heard.append), store)
        replica._state.circuit = Circuit(last_failure_at=1.0)
        replica._announce()
        assert heard == []
