from __future__ import annotations

import asyncio

import pytest

from breakwall.web.stopping import LONGEST_STOP, Stopping


def test_a_sleep_ends_when_the_process_stops() -> None:
    async def sleep() -> bool:
        stopping = Stopping()
        sleeper = asyncio.create_task(stopping.sleep_or_stop(3600.0))
        await asyncio.sleep(0)
        stopping.begin()
        return await sleeper

    assert asyncio.run(asyncio.wait_for(sleep(), 10.0))


def test_a_sleep_that_ends_by_itself_says_that_nothing_stops() -> None:
    assert not asyncio.run(Stopping().sleep_or_stop(0.0))


def test_work_ends_when_the_process_stops() -> None:
    async def work() -> tuple[str | None, bool]:
        stopping, cancelled = Stopping(), asyncio.Event()

        async def last() -> str:
            try:
                await asyncio.sleep(3600.0)
            finally:
                cancelled.set()
            return "ended"

        waiter = asyncio.create_task(stopping.result_or_stop(last()))
        await asyncio.sleep(0)
        stopping.begin()
        result = await waiter
        await cancelled.wait()
        return result, cancelled.is_set()

    assert asyncio.run(asyncio.wait_for(work(), 10.0)) == (None, True)


def test_work_that_ends_by_itself_gives_its_result() -> None:
    async def work() -> str:
        return "ended"

    assert asyncio.run(Stopping().result_or_stop(work())) == "ended"


def test_the_time_left_counts_from_the_first_call() -> None:
    async def stop() -> None:
        now = [100.0]
        stopping = Stopping(lambda: now[0])
        now[0] = 200.0
        stopping.begin()
        now[0] = 201.0
        stopping.begin()
        assert stopping.seconds_left == LONGEST_STOP - 1.0
        now[0] = 300.0
        assert stopping.seconds_left == 0.0

    asyncio.run(stop())


def test_charges_have_some_time_before_their_callers_are_answered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def stop() -> None:
        stopping = Stopping()
        stopping.begin()
        await asyncio.sleep(0)
        assert not stopping.answer.done()

    async def stop_at_once() -> None:
        monkeypatch.setattr("breakwall.web.stopping.ANSWER_AFTER", 0.0)
        stopping = Stopping()
        stopping.begin()
        await asyncio.wait_for(stopping.answer, 30.0)

    asyncio.run(stop())
    asyncio.run(stop_at_once())
