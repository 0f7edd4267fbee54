"""What a process does while its store is gone, and when it is back. The store here fails at once; how one
that hangs is bounded is measured against real servers in the contract tests."""

from __future__ import annotations

import time

import pytest
from breaker_doubles import EPOCH, Clock, FaultyStore, Fleet, answer, fail_times, succeed_times

from breakwall.breaker import CircuitBreaker, CircuitBreakerConfig, CircuitBreakerError, CircuitState
from breakwall.breaker.stores import Record


class SlowStore(FaultyStore):
    """Answers from another thread, and not at once."""

    remote = True

    def load(self, name: str) -> Record:
        time.sleep(0.05)
        return super().load(name)


def fall(store: FaultyStore, clock: Clock, *breakers: CircuitBreaker) -> None:
    """Take the store down, and have the breakers notice."""
    store.down = True
    clock.sleep(0.3)
    for breaker in breakers:
        assert not breaker.status().store_ok


def rise(store: FaultyStore, clock: Clock, *breakers: CircuitBreaker) -> None:
    """Bring the store back, and have the breakers notice."""
    store.down = False
    clock.sleep(0.3)
    for breaker in breakers:
        assert breaker.status().store_ok


class TestWithoutStore:
    def test_calls_go_on(self, fleet: Fleet, store: FaultyStore) -> None:
        store.down = True
        assert fleet.breaker().call(answer) == "answer"

    def test_the_local_circuit_opens_by_the_same_configuration(
        self, fleet: Fleet, store: FaultyStore, clock: Clock
    ) -> None:
        breaker = fleet.breaker()
        fall(store, clock, breaker)
        fail_times(breaker, 2)
        assert breaker.status().state is CircuitState.CLOSED
        fail_times(breaker, 1)
        assert breaker.status().state is CircuitState.OPEN

    def test_failures_from_before_the_loss_count(
        self, fleet: Fleet, store: FaultyStore, clock: Clock
    ) -> None:
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
        self, fleet: Fleet, store: FaultyStore, clock: Clock
    ) -> None:
        breaker, watcher = fleet.breakers(2)
        store.loses_replies = True
        fail_times(breaker, 1)
        store.loses_replies = False
        rise(store, clock, breaker)
        succeed_times(breaker, 1)
        assert watcher.status().failure_count == 1

    def test_an_open_circuit_stays_open(self, fleet: Fleet, store: FaultyStore, clock: Clock) -> None:
        breaker = fleet.breaker()
        fail_times(breaker, 3)
        fall(store, clock, breaker)
        with pytest.raises(CircuitBreakerError) as refused:
            breaker.call(answer)
        assert refused.value.retry_after == pytest.approx(29.7)

    def test_it_recovers_through_a_local_probe(self, fleet: Fleet, store: FaultyStore, clock: Clock) -> None:
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
        self, fleet: Fleet, store: FaultyStore, clock: Clock, monkeypatch: pytest.MonkeyPatch
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

    def test_it_says_so(self, fleet: Fleet, store: FaultyStore, clock: Clock) -> None:
        breaker = fleet.breaker()
        fall(store, clock, breaker)
        assert breaker.status().store_error == "ConnectionError"


def test_the_first_look_is_at_least_as_patient_as_a_call(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("breakwall.breaker.breaker.FIRST_SIGHT_PATIENCE", 0.001)
    config = CircuitBreakerConfig(store_timeout=60.0)
    assert CircuitBreaker("payment", config, SlowStore(clock), clock=clock).status().store_ok


class TestRejoining:
    def test_the_fleets_circuit_counts_again(self, fleet: Fleet, store: FaultyStore, clock: Clock) -> None:
        away, other = fleet.breakers(2)
        succeed_times(away, 1)
        fall(store, clock, away)
        store.down = False
        fail_times(other, 3)
        rise(store, clock, away)
        assert away.status().state is CircuitState.OPEN

    def test_a_circuit_that_opened_locally_is_the_fleets_if_nobody_moved_it_meanwhile(
        self, fleet: Fleet, store: FaultyStore, clock: Clock
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
        self, fleet: Fleet, store: FaultyStore, clock: Clock
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
        self, fleet: Fleet, store: FaultyStore, clock: Clock
    ) -> None:
        away, other = fleet.breakers(2, failure_threshold=5)
        succeed_times(away, 1)
        fall(store, clock, away)
        fail_times(away, 4)
        rise(store, clock, away)
        fail_times(away, 1)
        assert other.status().failure_count <= 5

    def test_a_probe_that_ended_meanwhile_is_settled(
        self, fleet: Fleet, store: FaultyStore, clock: Clock
    ) -> None:
        prober, other = fleet.breakers(2, half_open_max_calls=2)
        fail_times(prober, 3)
        clock.sleep(30)
        probe = prober.acquire()
        store.down = True
        probe.record_success()
        rise(store, clock, prober)
        other.call(answer)
        assert other.status().state is CircuitState.CLOSED


class TestDataLoss:
    def test_an_emptied_store_gets_the_open_circuit_back(
        self, fleet: Fleet, store: FaultyStore, clock: Clock
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
        self, fleet: Fleet, store: FaultyStore, clock: Clock
    ) -> None:
        breaker, other = fleet.breakers(2)
        fail_times(breaker, 2)
        behind = dict(store._texts)
        fail_times(breaker, 1)
        store._texts.update(behind)
        clock.sleep(0.3)
        breaker.status()
        assert other.status().state is CircuitState.OPEN

    def test_one_who_missed_the_opening_does_not_undo_it_in_an_emptied_store(
        self, fleet: Fleet, store: FaultyStore, clock: Clock
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

    def test_an_open_circuit_with_a_word_of_a_later_release_is_not_overwritten_as_closed(
        self, fleet: Fleet, store: FaultyStore, clock: Clock
    ) -> None:
        until = round((EPOCH + clock.now + 60) * 1000)
        text = f'{{"v":1,"s":"open","ou":{until},"o":{{"m":"slowed","r":"why","a":"kim","t":1}}}}'
        store._texts["payment"] = ("1", text)
        breaker = fleet.breaker()
        for _ in range(5):
            breaker.call(answer)
            clock.sleep(0.3)
        assert store._texts["payment"] == ("1", text)

    def test_what_a_later_release_wrote_is_left_alone(
        self, fleet: Fleet, store: FaultyStore, clock: Clock
    ) -> None:
        store._texts["payment"] = ("1", '{"v":99,"s":"melted"}')
        breaker = fleet.breaker()
        fail_times(breaker, 3)
        assert breaker.status().state is CircuitState.OPEN
        assert breaker.status().store_error == "NewerFormatError"
        assert store._texts["payment"] == ("1", '{"v":99,"s":"melted"}')


class TestConflicts:
    def test_a_lost_race_applies_the_same_outcomes_to_the_newer_circuit(
        self, fleet: Fleet, store: FaultyStore, clock: Clock
    ) -> None:
        breaker, rival = fleet.breaker(), Fleet(clock, store.seen_from_elsewhere()).breaker()
        succeed_times(breaker, 1)
        store.before_swap = lambda: fail_times(rival, 1)
        fail_times(breaker, 1)
        assert breaker.status().failure_count == 2

    def test_only_one_of_two_rivals_gets_the_last_lease(
        self, fleet: Fleet, store: FaultyStore, clock: Clock
    ) -> None:
        breaker, rival = fleet.breaker(), Fleet(clock, store.seen_from_elsewhere()).breaker()
        fail_times(rival, 3)
        clock.sleep(30)
        breaker.status()
        store.before_swap = rival.acquire
        with pytest.raises(CircuitBreakerError):
            breaker.acquire()

    def test_a_lease_that_a_crowd_kept_from_us_is_not_taken_later(
        self, fleet: Fleet, store: FaultyStore, clock: Clock, monkeypatch: pytest.MonkeyPatch
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
        self, fleet: Fleet, store: FaultyStore, clock: Clock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        breaker, watcher = fleet.breakers(2)
        swap = store.swap
        monkeypatch.setattr(store, "swap", lambda name, seen, version, text: (False, store.load(name)))
        fail_times(breaker, 2)
        monkeypatch.setattr(store, "swap", swap)
        clock.sleep(5)
        succeed_times(breaker, 1)
        assert watcher.status().failure_count == 2


class TestTraffic:
    def test_a_fresh_copy_asks_the_store_nothing(self, fleet: Fleet, store: FaultyStore) -> None:
        breaker = fleet.breaker()
        succeed_times(breaker, 2)
        before = store.operations
        succeed_times(breaker, 1000)
        assert store.operations == before

    @pytest.mark.parametrize("calls_a_second", [50, 5000])
    def test_round_trips_a_second_do_not_depend_on_the_rate_of_calls(
        self, fleet: Fleet, store: FaultyStore, clock: Clock, calls_a_second: int
    ) -> None:
        breaker = fleet.breaker()
        succeed_times(breaker, 2)
        before = store.operations
        for _ in range(10 * calls_a_second):
            clock.sleep(1 / calls_a_second)
            succeed_times(breaker, 1)
        assert 40 <= store.operations - before <= 52

    def test_refusals_ask_the_store_once_in_a_refresh_interval(
        self, fleet: Fleet, store: FaultyStore, clock: Clock
    ) -> None:
        breaker = fleet.breaker()
        fail_times(breaker, 3)
        before = store.operations
        for _ in range(1000):
            clock.sleep(0.01)
            breaker.call(answer, fallback="refused")
        assert 40 <= store.operations - before <= 52

    @pytest.mark.parametrize("calls_a_second", [20, 2000])
    def test_after_the_circuit_opened_elsewhere_calls_go_on_for_one_refresh_interval_at_most(
        self, fleet: Fleet, clock: Clock, calls_a_second: int
    ) -> None:
        here, elsewhere, further_on = fleet.breakers(3)
        succeed_times(here, 3)
        fail_times(elsewhere, 3)
        fail_times(further_on, 3)
        let_through = 0
        while here.call(answer, fallback="refused") == "answer":
            let_through += 1
            clock.sleep(1 / calls_a_second)
        assert let_through <= here.config.refresh_interval * calls_a_second + 1
