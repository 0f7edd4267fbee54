"""What a member does with its failures when the whole fleet fails at once and races for one circuit."""

from __future__ import annotations

import gc
import time
import weakref
from collections.abc import Iterator

import pytest
from breaker_doubles import Clock, FaultyStore, Fleet, answer, fail_times, succeed_times

from breakwall.breaker import CircuitBreaker
from breakwall.breaker.changes import Outcomes
from breakwall.breaker.evidence import Report
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


class TestWithoutAnotherCall:
    """On a store's thread and on the real clock: nobody calls any more, and still every failure is told."""

    def test_what_was_gathered_is_told(self, real: Fleet, member: CircuitBreaker) -> None:
        lose_races(real, member, 2)
        fail_times(member, 5)
        wait_until(lambda: told(real) == 3 + 5)

    def test_what_came_while_a_race_was_on_is_told(self, real: Fleet, member: CircuitBreaker) -> None:
        lose_a_slow_race(real, member)
        fail_times(member, 2)
        wait_until(lambda: told(real) == 3 + 2)

    def test_what_lost_every_race_is_told(
        self, real: Fleet, member: CircuitBreaker, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("breakwall.breaker.exchange.SWAP_ATTEMPTS", 2)
        lose_races(real, member, 2)
        wait_until(lambda: told(real) == 3)

    def test_closing_tells_what_came_while_a_race_was_on(self, real: Fleet, member: CircuitBreaker) -> None:
        lose_a_slow_race(real, member)
        fail_times(member, 2)
        member.close()
        assert told(real) == 3 + 2

    def test_a_plan_far_off_gives_way_to_a_nearer_one(self, real: Fleet, member: CircuitBreaker) -> None:
        fail_times(member, 1)
        courier = member._replica._courier
        courier.ticket_later(3600)
        courier.ticket_later(0.01)
        member._replica.belief.note(Outcomes(Report(0, member._replica.belief.member, failures=1)))
        wait_until(lambda: told(real) == 2)

    def test_a_plan_does_not_keep_a_breaker_that_is_dropped(self, real: Fleet) -> None:
        breaker = real.breaker(**NEVER_OPENS)
        fail_times(breaker, 1)
        breaker._replica._courier.ticket_later(3600)
        dropped = weakref.ref(breaker)
        del breaker
        wait_until(lambda: gc.collect() >= 0 and dropped() is None)


class RealTime(Clock):
    """Passes by itself."""

    now = property(lambda _: time.monotonic(), lambda *_: None)  # type: ignore[assignment]


class RemoteStore(FaultyStore):
    remote = True


@pytest.fixture
def real() -> Fleet:
    clock = RealTime()
    return Fleet(clock, RemoteStore(clock))


@pytest.fixture
def member(real: Fleet) -> Iterator[CircuitBreaker]:
    with real.breaker(**NEVER_OPENS) as member:
        succeed_times(member, 2)
        yield member


def lose_a_slow_race(fleet: Fleet, breaker: CircuitBreaker) -> None:
    """As `lose_races`, and the second of them keeps a call waiting for longer than it will."""
    elsewhere = Fleet(fleet.clock, fleet.store.seen_from_elsewhere())

    def rival_and_wait() -> None:
        fail_times(elsewhere.breaker(**NEVER_OPENS), 1)
        time.sleep(4 * breaker.config.store_timeout)

    def rival() -> None:
        fail_times(elsewhere.breaker(**NEVER_OPENS), 1)
        fleet.store.before_swap = rival_and_wait

    fleet.store.before_swap = rival
    fail_times(breaker, 1)


def told(fleet: Fleet) -> int:
    """What a newcomer with a connection of its own finds in the store."""
    elsewhere = Fleet(fleet.clock, fleet.store.seen_from_elsewhere())
    return elsewhere.breaker(**NEVER_OPENS).status().failure_count
