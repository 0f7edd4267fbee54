from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

import pytest

from breakwall.web import readiness
from breakwall.web.readiness import KEPT, DependencyAnswer, Readiness

ADDRESS = "10.1.2.3"


def fine() -> DependencyAnswer:
    return DependencyAnswer()


class Counted:
    """A check that counts its calls."""

    def __init__(self, check: Callable[[], DependencyAnswer] = fine) -> None:
        self.calls = 0
        self._check = check

    def __call__(self) -> DependencyAnswer:
        self.calls += 1
        return self._check()


def test_any_number_of_probes_within_a_second_cost_one() -> None:
    now, check = [0.0], Counted()

    async def look_often() -> None:
        ready = Readiness({"database": check}, lambda: now[0])
        await asyncio.gather(*(ready.look() for _ in range(20)))
        now[0] = KEPT - 0.01
        await ready.look()
        assert check.calls == 1
        now[0] = KEPT
        await ready.look()
        assert check.calls == 2

    asyncio.run(look_often())


def test_one_that_hangs_is_reported_in_time_and_not_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "TIMEOUT", 0.05)
    released, now = threading.Event(), [0.0]
    hanging = Counted(lambda: DependencyAnswer() if released.wait(60) else DependencyAnswer("failure"))

    async def look_twice() -> None:
        ready = Readiness({"database": fine, "broker": hanging}, lambda: now[0])
        for _ in range(2):
            seen = await ready.look()
            assert seen["broker"].answer.problem == "timeout"
            assert seen["broker"].latency_ms is None
            assert seen["database"].answer.problem is None
            now[0] += KEPT
        assert hanging.calls == 1
        released.set()
        monkeypatch.setattr(readiness, "TIMEOUT", 60.0)
        assert (await ready.look())["broker"].answer.problem is None

    asyncio.run(look_twice())


def test_an_answer_that_came_too_late_is_not_that_of_a_later_probe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "TIMEOUT", 0.05)
    released, now = threading.Event(), [0.0]
    slow_once = Counted(lambda: DependencyAnswer(None if released.wait(60) else "late"))

    async def look_after_it_has_ended() -> None:
        ready = Readiness({"broker": slow_once}, lambda: now[0])
        assert (await ready.look())["broker"].answer.problem == "timeout"
        released.set()
        await ready._running["broker"]
        now[0] += 3600
        monkeypatch.setattr(readiness, "TIMEOUT", 60.0)
        await ready.look()
        assert slow_once.calls == 2

    asyncio.run(look_after_it_has_ended())


def test_all_are_asked_at_the_same_time() -> None:
    together = threading.Barrier(3, timeout=30)

    def meet() -> DependencyAnswer:
        together.wait()
        return DependencyAnswer()

    seen = asyncio.run(Readiness(dict.fromkeys("abc", meet)).look())
    assert [one.answer.problem for one in seen.values()] == [None] * 3


def test_an_error_is_a_word_and_its_text_stays_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> DependencyAnswer:
        raise OSError(ADDRESS)

    seen = asyncio.run(Readiness({"breaker_store": fail}).look())
    assert seen["breaker_store"].answer.problem == "failure"
    assert ADDRESS in caplog.text
