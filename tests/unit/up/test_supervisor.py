"""A program that ends is said so and started again, after a pause that grows."""

from __future__ import annotations

import errno

import pytest

from breakwall.up.supervisor import FIRST_DELAY, LONG_LIFE, LONGEST_DELAY, Keeper, NeverReadyError, end_all


class FakeProgram:
    """A program whose life the test decides on."""

    def __init__(self, *, ready: bool) -> None:
        self.ready = ready
        self.running = True
        self.how_it_ended = "was killed by SIGKILL"
        self.last_words = "out of memory"
        self.buried = False
        self.deaf = False
        self.ready_when_heard_out = ready

    def ask_to_stop(self) -> None:
        self.running = self.deaf

    def kill(self) -> None:
        self.running = False
        self.buried = True
        self.ready = self.ready_when_heard_out


class Bench:
    """A keeper, the programs it has started, and what it has said."""

    def __init__(self, *, ready: bool = True) -> None:
        self.ready = ready
        self.started: list[FakeProgram] = []
        self.said: list[str] = []
        self.lacking = False
        self.keeper = Keeper("worker", self._start, self.said.append)

    def _start(self) -> FakeProgram:
        if self.lacking:
            raise OSError(errno.EMFILE, "Too many open files")
        self.started.append(FakeProgram(ready=self.ready))
        return self.started[-1]

    def fail_at(self, now: float) -> None:
        """Its program ends, and the keeper looks."""
        self.started[-1].running = False
        self.keeper.run_once(now)


def test_the_first_look_starts_it() -> None:
    bench = Bench()
    bench.keeper.run_once(0.0)
    assert len(bench.started) == 1
    assert bench.keeper.ready


def test_while_it_runs_it_is_left_alone() -> None:
    bench = Bench()
    for now in range(10):
        bench.keeper.run_once(now)
    assert len(bench.started) == 1
    assert bench.said == []


def test_an_end_is_said_and_another_one_starts_after_the_pause() -> None:
    bench = Bench()
    bench.keeper.run_once(0.0)
    bench.fail_at(5.0)
    assert bench.said == ["The worker was killed by SIGKILL. Another one starts in 1 s."]
    assert bench.started[0].buried
    bench.keeper.run_once(5.0 + FIRST_DELAY - 0.01)
    assert len(bench.started) == 1
    bench.keeper.run_once(5.0 + FIRST_DELAY)
    assert len(bench.started) == 2


def test_one_that_cannot_be_started_again_for_want_of_something_is_tried_later() -> None:
    bench = Bench()
    bench.keeper.run_once(0.0)
    bench.fail_at(5.0)
    bench.lacking = True
    bench.keeper.run_once(6.0)
    assert bench.said[-1] == (
        "The worker cannot be started for want of file descriptors. Another one starts in 2 s."
    )
    bench.lacking = False
    bench.keeper.run_once(8.0)
    assert len(bench.started) == 2


def test_the_pause_doubles_up_to_its_limit_while_it_ends_at_once() -> None:
    bench, now, pauses = Bench(), 0.0, []
    bench.keeper.run_once(now)
    for _ in range(8):
        bench.fail_at(now)
        ended, starts = now, len(bench.started)
        while len(bench.started) == starts:
            now += 0.5
            bench.keeper.run_once(now)
        pauses.append(now - ended)
    assert pauses == [1, 2, 4, 8, 16, LONGEST_DELAY, LONGEST_DELAY, LONGEST_DELAY]


def test_after_a_long_life_the_pause_is_short_again() -> None:
    bench = Bench()
    bench.keeper.run_once(0.0)
    bench.fail_at(1.0)
    bench.keeper.run_once(2.0)
    bench.fail_at(2.0 + LONG_LIFE)
    assert bench.said[-1].endswith("starts in 1 s.")


def test_one_that_was_never_up_is_not_started_again() -> None:
    bench = Bench(ready=False)
    bench.keeper.run_once(0.0)
    with pytest.raises(NeverReadyError, match="the worker was killed by SIGKILL before it was up") as error:
        bench.fail_at(1.0)
    assert error.value.last_words == "out of memory"
    assert len(bench.started) == 1


def test_one_that_was_up_before_may_fail_to_come_up_later() -> None:
    bench = Bench()
    bench.keeper.run_once(0.0)
    bench.keeper.run_once(0.1)
    bench.fail_at(1.0)
    bench.ready = False
    bench.keeper.run_once(2.0)
    bench.fail_at(3.0)
    bench.keeper.run_once(5.0)
    assert len(bench.started) == 3


def test_one_whose_last_words_were_that_it_is_up_has_been_up() -> None:
    bench = Bench(ready=False)
    bench.keeper.run_once(0.0)
    bench.started[0].ready_when_heard_out = True
    bench.fail_at(0.1)
    bench.keeper.run_once(1.1)
    assert len(bench.started) == 2


class Time:
    """A clock that sleeping moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def running(*, deaf: bool = False) -> Bench:
    bench = Bench()
    bench.keeper.run_once(0.0)
    bench.started[0].deaf = deaf
    return bench


def test_who_ends_when_asked_is_not_waited_for() -> None:
    one, other, time = running(), running(), Time()
    keepers = [one.keeper, other.keeper]
    end_all(keepers, grace=5, hurry=lambda: False, clock=lambda: time.now, sleep=time.sleep)
    assert time.now == 0
    assert one.started[0].buried
    assert other.started[0].buried


def test_who_does_not_end_in_time_is_killed() -> None:
    bench, time = running(deaf=True), Time()
    end_all([bench.keeper], grace=5, hurry=lambda: False, clock=lambda: time.now, sleep=time.sleep)
    assert time.now == pytest.approx(5, abs=0.1)
    assert not bench.started[0].running


def test_in_a_hurry_nobody_is_waited_for() -> None:
    bench, time = running(deaf=True), Time()
    end_all([bench.keeper], grace=5, hurry=lambda: time.now >= 1, clock=lambda: time.now, sleep=time.sleep)
    assert time.now == pytest.approx(1, abs=0.1)
    assert not bench.started[0].running


def test_one_that_was_never_started_needs_no_end() -> None:
    end_all([Bench().keeper], grace=5, hurry=lambda: False)
