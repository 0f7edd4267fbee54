"""When an order that crashed a process has its turn, and when others have theirs. No threads, a clock of its own."""

from __future__ import annotations

import pytest

from breakwall.worker.drain.crashed import KEPT_PER_SLOT, CrashedOrders


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def crashed(clock: Clock) -> CrashedOrders:
    made = CrashedOrders(clock)
    made.add(["a", "b"], slots=1)
    return made


def one_turn(crashed: CrashedOrders, clock: Clock, wait: float, work: float) -> None:
    assert crashed.take_turn(others_wait=True)
    clock.now += wait
    order_id = crashed.begin()
    clock.now += work
    crashed.finish(order_id)


def test_the_first_has_its_turn_at_once_and_nothing_else_begins_until_it_is_finished(
    crashed: CrashedOrders, clock: Clock
) -> None:
    assert crashed.take_turn(others_wait=True)
    assert crashed.begin() == "a"
    clock.now += 1.0
    crashed.finish("another")
    assert crashed.take_turn(others_wait=True)
    crashed.finish("a")
    assert not crashed.take_turn(others_wait=True)


def test_then_the_others_have_as_long_as_it_took_with_its_wait(crashed: CrashedOrders, clock: Clock) -> None:
    one_turn(crashed, clock, wait=2.0, work=1.0)
    clock.now += 2.9
    assert not crashed.take_turn(others_wait=True)
    clock.now += 0.1
    assert crashed.take_turn(others_wait=True)
    assert crashed.begin() == "b"


def test_while_no_other_waits_the_next_one_has_its_turn_at_once(crashed: CrashedOrders, clock: Clock) -> None:
    one_turn(crashed, clock, wait=2.0, work=1.0)
    assert crashed.take_turn(others_wait=False)


def test_a_turn_that_has_begun_is_kept_although_others_come(crashed: CrashedOrders, clock: Clock) -> None:
    one_turn(crashed, clock, wait=2.0, work=1.0)
    assert crashed.take_turn(others_wait=False)
    assert crashed.take_turn(others_wait=True)


def test_without_one_that_waits_nobody_is_held_back(clock: Clock) -> None:
    assert not CrashedOrders(clock).take_turn(others_wait=False)


def test_no_more_are_kept_than_leave_room_for_others(clock: Clock) -> None:
    ids = [str(number) for number in range(10)]
    crashed = CrashedOrders(clock)
    assert crashed.add(ids, slots=4) == ids[4 * KEPT_PER_SLOT :]
    assert crashed.add(["more"], slots=4) == ["more"]
    assert len(crashed) == 4 * KEPT_PER_SLOT


def test_after_those_that_wait_were_taken_out_others_may_begin(crashed: CrashedOrders) -> None:
    assert crashed.take_turn(others_wait=True)
    assert crashed.take_out() == ["a", "b"]
    assert len(crashed) == 0
    assert not crashed.take_turn(others_wait=True)


def test_while_one_is_worked_on_nothing_begins_although_the_rest_was_taken_out(
    crashed: CrashedOrders,
) -> None:
    assert crashed.take_turn(others_wait=True)
    crashed.begin()
    assert crashed.take_out() == ["b"]
    assert crashed.take_turn(others_wait=True)
