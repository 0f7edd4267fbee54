from __future__ import annotations

import asyncio

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
    now = [100.0]
    stopping = Stopping(lambda: now[0])
    now[0] = 200.0
    stopping.begin()
    now[0] = 201.0
    stopping.begin()
    assert stopping.seconds_left == LONGEST_STOP - 1.0
    now[0] = 300.0
    assert stopping.seconds_left == 0.0
