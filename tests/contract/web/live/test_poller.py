"""However many pages are open, the database is asked once in two seconds."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, cast

import pytest

from breakwall.monitor.backlog import Backlog, Monitor
from breakwall.payments.db.database import DatabaseUnavailableError
from breakwall.payments.fleet.workers import Worker
from breakwall.web.live import poller
from breakwall.web.live.poller import INTERVAL, SLOW, Live, Seen
from breakwall.web.stopping import Stopping
from tests.contract.site import Site, order
from tests.manual_clock import MonotonicClock
from tests.unit.monitor.snapshots import OUTAGE


class CountingMonitor(Monitor):
    """Counts the snapshots, and fails where it is told to."""

    __slots__ = ("fails", "taken")

    def watch(self) -> None:
        object.__setattr__(self, "taken", 0)
        object.__setattr__(self, "fails", False)

    def snapshot_with_workers(self, *, exact: int = 0) -> tuple[Backlog, list[Worker]]:
        object.__setattr__(self, "taken", self.taken + 1)
        if self.fails:
            raise DatabaseUnavailableError("the orders database does not answer")
        return super().snapshot_with_workers(exact=exact)

    def break_down(self) -> None:
        object.__setattr__(self, "fails", True)


class TurnedStopping(Stopping):
    """Time passes by `turn`, not by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.sleeping: list[asyncio.Event] = []

    async def sleep_or_stop(self, seconds: float) -> bool:
        assert seconds == INTERVAL
        turned = asyncio.Event()
        self.sleeping.append(turned)
        await asyncio.wait(
            {asyncio.ensure_future(turned.wait()), asyncio.ensure_future(self.wait())},
            return_when=asyncio.FIRST_COMPLETED,
        )
        return self.begun

    async def turn(self, clock: MonotonicClock) -> None:
        """Let the poller's next interval pass."""
        await until(lambda: self.sleeping)
        clock.advance(INTERVAL)
        self.sleeping.pop().set()
        await until(lambda: self.sleeping)


async def until(condition: Callable[[], object]) -> None:
    for _ in range(1000):
        if condition():
            return
        await asyncio.sleep(0.005)
    raise AssertionError("it did not happen")


class Page:
    """Reads the stream as a page does."""

    def __init__(self, live: Live) -> None:
        self.seen: list[Seen] = []
        self._task = asyncio.create_task(self._read(live))

    async def _read(self, live: Live) -> None:
        async for seen in live.snapshots():
            self.seen.append(seen)

    async def close(self) -> None:
        self._task.cancel()
        await asyncio.wait({self._task})

    @property
    def is_over(self) -> bool:
        return self._task.done()


class Process:
    def __init__(self, site: Site) -> None:
        self.clock = MonotonicClock()
        self.stopping = TurnedStopping()
        self.monitor = CountingMonitor(site.database, site.breaker, lambda: 0, clock=site.clock)
        self.monitor.watch()
        self.live = Live(self.monitor, self.stopping, monotonic=self.clock)

    @property
    def taken(self) -> int:
        return int(self.monitor.taken)


def play(site: Site, scenario: Callable[[Process], Awaitable[None]]) -> None:
    process: list[Process] = []

    async def run() -> None:
        process.append(Process(site))
        await scenario(process[0])

    asyncio.run(run())
    asyncio.run(process[0].live.close())  # Its thread has used the site's database.


def test_a_hundred_pages_cost_one_snapshot_each_two_seconds(site: Site) -> None:
    async def scenario(process: Process) -> None:
        pages = [Page(process.live) for _ in range(100)]
        for _ in range(4):
            await process.stopping.turn(process.clock)
        await until(lambda: all(page.seen and page.seen[-1].number == 5 for page in pages))
        assert process.taken == 5
        process.stopping.begin()
        await until(lambda: all(page.is_over for page in pages))

    play(site, scenario)


def test_after_a_change_who_asks_next_gets_a_new_snapshot_however_new_the_last_one_is(site: Site) -> None:
    async def scenario(process: Process) -> None:
        first = process.live.latest()
        process.live.look_again()
        assert process.live.latest().number > first.number
        process.live.latest()
        assert process.taken == 2

    play(site, scenario)


def test_a_page_gets_the_newest_snapshot_at_once_and_then_each_new_one(site: Site) -> None:
    async def scenario(process: Process) -> None:
        site.producer.enqueue([order("a")])
        first = Page(process.live)
        await until(lambda: first.seen)
        second = Page(process.live)
        await until(lambda: second.seen)
        assert process.taken == 1
        site.producer.enqueue([order("b")])
        await process.stopping.turn(process.clock)
        await until(lambda: len(second.seen) == 2)
        assert [seen.backlog.queued for seen in second.seen if seen.backlog] == [1, 2]
        process.stopping.begin()

    play(site, scenario)


def test_once_the_last_page_is_closed_nothing_is_polled(site: Site) -> None:
    async def scenario(process: Process) -> None:
        pages = [Page(process.live) for _ in range(3)]
        await until(lambda: all(page.seen for page in pages))
        for page in pages:
            await page.close()
        process.clock.advance(INTERVAL)
        for turned in process.stopping.sleeping:
            turned.set()
        await asyncio.sleep(0.05)
        assert process.taken == 1
        again = Page(process.live)
        await until(lambda: again.seen)
        process.stopping.begin()

    play(site, scenario)


def test_a_slow_page_misses_the_snapshots_between(site: Site) -> None:
    async def scenario(process: Process) -> None:
        reading = process.live.snapshots()
        assert (await anext(reading)).number == 1
        for _ in range(3):
            await process.stopping.turn(process.clock)
        assert (await anext(reading)).number == 4
        process.stopping.begin()
        assert [seen async for seen in reading] == []

    play(site, scenario)


def test_while_the_database_is_away_the_last_numbers_stay_with_their_age(site: Site) -> None:
    async def scenario(process: Process) -> None:
        page = Page(process.live)
        await until(lambda: page.seen)
        process.monitor.break_down()
        await process.stopping.turn(process.clock)
        await until(lambda: len(page.seen) == 2)
        good, bad = page.seen
        assert (bad.problem, bad.backlog) == ("The orders database does not answer.", good.backlog)
        assert process.live.age(bad) == INTERVAL
        process.stopping.begin()

    play(site, scenario)


def test_requests_share_what_was_seen_in_the_last_two_seconds(site: Site) -> None:
    process = Process(site)
    assert process.live.latest() is process.live.latest()
    process.clock.advance(INTERVAL)
    process.live.latest()
    assert process.taken == 2


@pytest.mark.parametrize("error", [OSError("x"), ValueError("secret")])
def test_any_other_fault_is_named_without_its_text(
    site: Site, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = Process(site)

    def fail(self: object, *, exact: int = 0) -> None:
        raise error

    monkeypatch.setattr(CountingMonitor, "snapshot_with_workers", fail)
    seen = process.live.latest()
    assert seen.problem is not None
    assert type(error).__name__ in seen.problem
    assert "secret" not in seen.problem


class HangingMonitor:
    """Answers when the test lets it."""

    def __init__(self) -> None:
        self.asked, self.answers = threading.Event(), threading.Event()

    def snapshot_with_workers(self) -> tuple[Backlog, list[Worker]]:
        self.asked.set()
        assert self.answers.wait(60)
        return OUTAGE, []


@contextmanager
def one_that_looks(live: Live, monitor: HangingMonitor) -> Iterator[Future[Seen]]:
    """Within it, another thread waits for the monitor."""
    monitor.asked.clear()
    with ThreadPoolExecutor(1) as threads:
        looking = threads.submit(live.latest)
        try:
            assert monitor.asked.wait(60)
            yield looking
        finally:
            monitor.answers.set()


def hanging() -> tuple[Live, HangingMonitor, MonotonicClock]:
    monitor, clock = HangingMonitor(), MonotonicClock()
    return Live(cast(Any, monitor), Stopping(), monotonic=clock), monitor, clock


def test_while_one_looks_the_others_get_what_was_seen_before() -> None:
    live, monitor, clock = hanging()
    monitor.answers.set()
    first = live.latest()
    monitor.answers.clear()
    clock.advance(INTERVAL)
    with one_that_looks(live, monitor) as looking:
        assert live.latest() is first
        assert not looking.done()
    assert looking.result().number == first.number + 1


def test_what_was_seen_long_before_says_so() -> None:
    live, monitor, clock = hanging()
    monitor.answers.set()
    first = live.latest()
    monitor.answers.clear()
    clock.advance(SLOW)
    with one_that_looks(live, monitor):
        old = live.latest()
    assert old.backlog is first.backlog
    assert old.problem is not None


def test_nobody_waits_for_ever_for_the_first_snapshot(monkeypatch: pytest.MonkeyPatch) -> None:
    live, monitor, _ = hanging()
    monkeypatch.setattr(poller, "FIRST_TIMEOUT", 0.01)
    with one_that_looks(live, monitor):
        assert live.latest().backlog is None
