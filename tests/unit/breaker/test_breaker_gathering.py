"""What a member does with its failures when the whole fleet fails at once and races for one circuit."""

from __future__ import annotations

import pytest
from breaker_doubles import Clock, FaultyStore, Fleet, answer, fail_times, succeed_times

from breakwall.breaker import CircuitBreaker
from tests.waiting import wait_until

NEVER_OPENS = {"failure_threshold": 1000}


@pytest.fixture
def breaker(fleet: Fleet) -> CircuitBreaker:
    breaker = fleet.breaker(**NEVER_OPENS)
    # A member's first outcome tells the others that it is there.
    succeed_times(breaker, 2)
    return breaker


def lose_races(fleet: Fleet, breaker: CircuitBreaker, races: int) -> None:
    """One failure of ``breaker``, between whose looks and swaps others swap ``races`` times."""

    elsewhere = Fleet(fleet.clock, fleet.store.seen_from_elsewhere())

    def rival() -> None:
        nonlocal races
        races -= 1
        fail_times(elsewhere.breaker(**NEVER_OPENS), 1)
        fleet.store.before_swap = rival if races else None

    fleet.store.before_swap = rival
    fail_times(breaker, 1)


def shared_failures(fleet: Fleet) -> int:
    return fleet.breaker(**NEVER_OPENS).status().failure_count


def test_a_failure_that_nobody_races_with_is_told_at_once(fleet: Fleet, breaker: CircuitBreaker) -> None:
    for number in range(1, 4):
        fail_times(breaker, 1)
        assert shared_failures(fleet) == number


def test_a_swap_of_an_old_copy_is_no_race(fleet: Fleet, breaker: CircuitBreaker) -> None:
    lose_races(fleet, breaker, 1)
    fail_times(breaker, 1)
    assert shared_failures(fleet) == 3


def test_after_lost_races_failures_are_gathered(
    fleet: Fleet, breaker: CircuitBreaker, store: FaultyStore
) -> None:
    lose_races(fleet, breaker, 2)
    before = store.operations
    fail_times(breaker, 5)
    assert store.operations == before


def test_what_was_gathered_is_told_within_half_a_refresh_interval(
    fleet: Fleet, breaker: CircuitBreaker, clock: Clock
) -> None:
    lose_races(fleet, breaker, 2)
    fail_times(breaker, 5)
    clock.sleep(breaker.config.refresh_interval / 2)
    fail_times(breaker, 1)
    assert shared_failures(fleet) == 3 + 6


def test_what_was_gathered_is_told_with_the_refresh_if_no_more_failures_come(
    fleet: Fleet, breaker: CircuitBreaker, clock: Clock
) -> None:
    lose_races(fleet, breaker, 2)
    fail_times(breaker, 5)
    clock.sleep(breaker.config.refresh_interval)
    breaker.call(answer)
    assert shared_failures(fleet) == 3 + 5


def test_a_breaker_that_is_closed_tells_what_it_has_gathered(fleet: Fleet, breaker: CircuitBreaker) -> None:
    lose_races(fleet, breaker, 2)
    fail_times(breaker, 5)
    breaker.close()
    assert shared_failures(fleet) == 3 + 5


def test_what_was_gathered_is_told_if_no_more_calls_come(fleet: Fleet, store: FaultyStore) -> None:
    store.remote = True
    breaker = fleet.breaker(**NEVER_OPENS)
    succeed_times(breaker, 2)
    lose_races(fleet, breaker, 2)
    fail_times(breaker, 5)
    fleet.clock.sleep(breaker.config.refresh_interval / 2)
    wait_until(lambda: shared_failures(fleet) == 3 + 5)


def test_who_lost_to_the_swap_that_opened_it_knows_at_once(
    fleet: Fleet, clock: Clock, store: FaultyStore
) -> None:
    member, rivals = fleet.breaker(), Fleet(clock, store.seen_from_elsewhere()).breakers(2)
    fail_times(member, 1)

    def open_it() -> None:
        fail_times(rivals[0], 1)
        fail_times(rivals[1], 2)

    store.before_swap = open_it
    fail_times(member, 1)
    swaps = store.swaps
    assert member.call(answer, fallback="refused") == "refused"
    assert store.swaps == swaps
