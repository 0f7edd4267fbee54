"""Breakers of one circuit that write to the store at the same moment, and lose."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest

from breakwall.breaker import CircuitBreaker, CircuitBreakerError
from breakwall.breaker.sync.cas import MOST_ROUNDS
from tests.manual_clock import MonotonicClock
from tests.unit.breaker.doubles import FaultyStore, Fleet, answer, fail_times, succeed_times
from tests.waiting import wait_until

NEVER_OPENS = {"failure_threshold": 1000}


def elsewhere(fleet: Fleet) -> Fleet:
    """The same circuits through connections of their own."""
    return Fleet(fleet.clock, fleet.store.seen_from_elsewhere())


def lose_races(fleet: Fleet, breaker: CircuitBreaker, races: int) -> None:
    """One failure of ``breaker``, between whose reads and swaps others swap ``races`` times."""

    def rival() -> None:
        nonlocal races
        races -= 1
        fail_times(elsewhere(fleet).breaker(**NEVER_OPENS), 1)
        fleet.store.before_swap = rival if races else None

    fleet.store.before_swap = rival
    fail_times(breaker, 1)


def lose_a_slow_race(fleet: Fleet, breaker: CircuitBreaker) -> None:
    """Two lost races, the second of which keeps a call waiting for longer than it will."""

    def rival_and_wait() -> None:
        fail_times(elsewhere(fleet).breaker(**NEVER_OPENS), 1)
        time.sleep(4 * breaker.config.store_timeout)

    def rival() -> None:
        fail_times(elsewhere(fleet).breaker(**NEVER_OPENS), 1)
        fleet.store.before_swap = rival_and_wait

    fleet.store.before_swap = rival
    fail_times(breaker, 1)


def failures_in_store(fleet: Fleet) -> int:
    return elsewhere(fleet).breaker(**NEVER_OPENS).status().failure_count


@pytest.mark.parametrize("races", [0, 1, 5])
def test_a_lost_race_applies_the_same_outcomes_to_the_newer_circuit(fleet: Fleet, races: int) -> None:
    breaker = fleet.breaker(**NEVER_OPENS)
    succeed_times(breaker, 2)
    if races:
        lose_races(fleet, breaker, races)
    else:
        fail_times(breaker, 1)
    assert failures_in_store(fleet) == races + 1


def test_only_one_of_two_rivals_gets_the_last_lease(
    fleet: Fleet, store: FaultyStore, clock: MonotonicClock
) -> None:
    breaker, rival = fleet.breaker(), elsewhere(fleet).breaker()
    fail_times(rival, 3)
    clock.sleep(30)
    breaker.status()
    store.before_swap = rival.acquire
    with pytest.raises(CircuitBreakerError):
        breaker.acquire()


def test_a_process_that_lost_to_the_swap_that_opened_it_knows_at_once(
    fleet: Fleet, store: FaultyStore
) -> None:
    process, rivals = fleet.breaker(), elsewhere(fleet).breakers(2)
    fail_times(process, 1)

    def open_it() -> None:
        fail_times(rivals[0], 1)
        fail_times(rivals[1], 2)

    store.before_swap = open_it
    fail_times(process, 1)
    swaps = store.swaps
    assert process.call(answer, fallback="refused") == "refused"
    assert store.swaps == swaps


class TestACrowdThatWinsEveryRace:
    def comes(self, store: FaultyStore, crowd: pytest.MonkeyPatch) -> None:
        crowd.setattr(store, "swap", lambda name, seen, version, text: (False, store.load(name)))

    def test_a_lease_that_it_kept_from_us_is_not_taken_later(
        self, fleet: Fleet, store: FaultyStore, clock: MonotonicClock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        breaker, watcher = fleet.half_open_breakers(2)
        self.comes(store, monkeypatch)
        with pytest.raises(CircuitBreakerError):
            breaker.acquire()
        monkeypatch.undo()
        clock.sleep(5)
        breaker.status()
        assert watcher.status().slots == 1

    def test_it_costs_no_outcome(
        self, fleet: Fleet, store: FaultyStore, clock: MonotonicClock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        breaker, watcher = fleet.breakers(2)
        self.comes(store, monkeypatch)
        fail_times(breaker, 2)
        monkeypatch.undo()
        clock.sleep(5)
        succeed_times(breaker, 1)
        assert watcher.status().failure_count == 2

    def test_no_call_races_without_end(
        self, fleet: Fleet, store: FaultyStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        breaker = fleet.breaker()
        succeed_times(breaker, 2)
        self.comes(store, monkeypatch)
        before = store.loads
        fail_times(breaker, 1)
        assert store.loads - before <= MOST_ROUNDS + 1


class RealTime(MonotonicClock):
    """Passes by itself."""

    now = property(lambda _: time.monotonic(), lambda *_: None)  # type: ignore[assignment]


class RemoteStore(FaultyStore):
    remote = True


class TestWithoutAnotherCall:
    """On a store's thread and on the real clock: every failure is stored, although no further call comes."""

    @pytest.fixture
    def fleet(self) -> Fleet:
        clock = RealTime()
        return Fleet(clock, RemoteStore(clock))

    @pytest.fixture
    def process(self, fleet: Fleet) -> Iterator[CircuitBreaker]:
        with closing(fleet.breaker(**NEVER_OPENS)) as process:
            succeed_times(process, 2)
            yield process

    def test_what_came_while_a_race_was_on_is_stored(self, fleet: Fleet, process: CircuitBreaker) -> None:
        lose_a_slow_race(fleet, process)
        fail_times(process, 2)
        wait_until(lambda: failures_in_store(fleet) == 3 + 2)

    def test_what_lost_every_race_is_stored(
        self, fleet: Fleet, process: CircuitBreaker, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("breakwall.breaker.sync.cas.MOST_ROUNDS", 2)
        lose_races(fleet, process, 2)
        wait_until(lambda: failures_in_store(fleet) == 3)

    def test_failures_after_lost_races_are_gathered_and_stored_together(
        self, fleet: Fleet, process: CircuitBreaker
    ) -> None:
        lose_races(fleet, process, 2)
        swaps = fleet.store.swaps
        fail_times(process, 5)
        wait_until(lambda: failures_in_store(fleet) == 3 + 5)
        assert fleet.store.swaps <= swaps + 2

    def test_gathering_ends_before_the_copy_is_due(self, fleet: Fleet, process: CircuitBreaker) -> None:
        for _ in range(10):
            lose_races(fleet, process, 2)
            assert 0 < process._replica._state.schedule.gather_for <= process.config.refresh_interval / 2

    def test_one_that_lost_to_an_old_copy_only_gathers_nothing(
        self, fleet: Fleet, process: CircuitBreaker
    ) -> None:
        lose_races(fleet, process, 1)
        fail_times(process, 1)
        assert failures_in_store(fleet) == 3

    def test_a_call_that_needs_the_store_does_not_wait_for_the_gathering(
        self, fleet: Fleet, process: CircuitBreaker
    ) -> None:
        lose_races(fleet, process, 2)
        fail_times(process, 5)
        process.force_close("a false alarm", "kim")
        assert failures_in_store(fleet) == 3 + 5

    @pytest.mark.parametrize("lose", [lambda fleet, process: lose_races(fleet, process, 2), lose_a_slow_race])
    def test_closing_stores_what_was_gathered_or_came_while_a_race_was_on(
        self, fleet: Fleet, process: CircuitBreaker, lose: Callable[[Fleet, CircuitBreaker], None]
    ) -> None:
        lose(fleet, process)
        fail_times(process, 2)
        process.close()
        assert failures_in_store(fleet) == 3 + 2
