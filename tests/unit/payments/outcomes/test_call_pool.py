"""The threads of a destination: bounded in number, whatever its calls do."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from breakwall.payments.outcomes.call_pool import CallPool
from tests.manual_clock import MonotonicClock
from tests.waiting import wait_until


class HangingCall:
    """Ends when it is let go."""

    start_by = float("inf")

    def __init__(self) -> None:
        self.began, self.let_go = threading.Event(), threading.Event()
        self.overdue = self.dropped = self.ended = False

    def run(self) -> None:
        self.began.set()
        self.let_go.wait(60)
        self.ended = True

    def report_overdue(self) -> None:
        self.overdue = True

    def drop(self) -> None:
        self.dropped = True


@pytest.fixture
def clock() -> MonotonicClock:
    return MonotonicClock()


@pytest.fixture
def calls() -> Iterator[list[HangingCall]]:
    calls = [HangingCall() for _ in range(4)]
    yield calls
    for call in calls:
        call.let_go.set()


def new_pool(clock: MonotonicClock, threads: int = 2, depth: int = 3) -> CallPool:
    return CallPool("test", threads=threads, depth=depth, bound=16.0, clock=clock)


def test_calls_run_at_once_in_as_many_threads(clock: MonotonicClock, calls: list[HangingCall]) -> None:
    pool = new_pool(clock)
    for call in calls[:3]:
        pool.submit(call)
    assert all(call.began.wait(60) for call in calls[:2])
    assert (calls[2].began.is_set(), pool.room) == (False, 0)
    calls[0].let_go.set()
    assert calls[2].began.wait(60)
    pool.stop(0)


def test_a_call_that_does_not_return_is_reported_once_and_keeps_its_thread(
    clock: MonotonicClock, calls: list[HangingCall]
) -> None:
    pool = new_pool(clock)
    pool.submit(calls[0])
    assert calls[0].began.wait(60)
    pool.check()
    assert not calls[0].overdue
    clock.advance(17)
    pool.check()
    assert (calls[0].overdue, pool.stuck, pool.room) == (True, 1, 3)
    calls[0].let_go.set()
    wait_until(lambda: pool.stuck == 0)
    pool.stop(0)


def test_while_every_thread_is_stuck_there_is_no_room_and_nothing_waits(
    clock: MonotonicClock, calls: list[HangingCall]
) -> None:
    pool = new_pool(clock)
    for call in calls[:3]:
        pool.submit(call)
    assert all(call.began.wait(60) for call in calls[:2])
    clock.advance(17)
    pool.check()
    assert (pool.room, pool.stuck, calls[2].dropped) == (0, 2, True)
    assert sum(thread.name.startswith("breakwall-test-") for thread in threading.enumerate()) <= 2
    pool.stop(0)


def test_a_call_that_waited_too_long_is_dropped(clock: MonotonicClock, calls: list[HangingCall]) -> None:
    pool = new_pool(clock, threads=1)
    calls[1].start_by = clock() + 5
    pool.submit(calls[0])
    assert calls[0].began.wait(60)
    pool.submit(calls[1])
    clock.advance(5)
    pool.check()
    assert calls[1].dropped
    pool.stop(0)


def test_a_stop_drops_what_waits_and_does_not_wait_for_what_hangs(
    clock: MonotonicClock, calls: list[HangingCall]
) -> None:
    pool = new_pool(clock, threads=1)
    pool.submit(calls[0])
    assert calls[0].began.wait(60)
    pool.submit(calls[1])
    assert not pool.stop(0.01)
    assert calls[1].dropped
    assert not calls[0].ended


def test_a_stop_waits_for_the_calls_that_end_in_time(clock: MonotonicClock, calls: list[HangingCall]) -> None:
    pool = new_pool(clock, threads=1)
    pool.submit(calls[0])
    assert calls[0].began.wait(60)
    threading.Timer(0.05, calls[0].let_go.set).start()
    assert pool.stop(60)
    assert calls[0].ended


def test_a_call_that_raises_counts_as_not_tried_and_its_thread_goes_on(
    clock: MonotonicClock, calls: list[HangingCall]
) -> None:
    pool = new_pool(clock, threads=1)

    def fail() -> None:
        raise MemoryError

    calls[0].run = fail  # type: ignore[method-assign]
    pool.submit(calls[0])
    pool.submit(calls[1])
    assert calls[1].began.wait(60)
    assert calls[0].dropped
    calls[1].let_go.set()
    assert pool.stop(60)


def test_a_pool_is_blocked_while_every_thread_is_stuck(
    clock: MonotonicClock, calls: list[HangingCall]
) -> None:
    pool = new_pool(clock, threads=1)
    pool.submit(calls[0])
    assert calls[0].began.wait(60)
    assert not pool.is_blocked
    clock.advance(17)
    pool.check()
    assert pool.is_blocked
    pool.stop(0)
