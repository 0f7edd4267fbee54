"""One snapshot for all open pages."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

import pytest

from breakwall.breaker import CircuitBreaker
from breakwall.monitor.backlog import Backlog
from breakwall.monitor.history.sample import Sample
from breakwall.payments.db.errors import DatabaseUnavailableError
from breakwall.payments.fleet.workers import Worker
from breakwall.web.live.poller import INTERVAL, Live
from breakwall.web.page.page_data import PageData
from breakwall.web.stopping import Stopping
from tests.page_snapshots import BACKLOGS, CONFIG, history, worker


class CountingMonitor:
    """Counts the snapshots that it is asked for, or fails."""

    def __init__(self) -> None:
        self.breaker = CircuitBreaker("payment", CONFIG)
        self.asked = 0
        self.fails = False

    def snapshot_with_workers(self) -> tuple[Backlog, list[Worker]]:
        self.asked += 1
        if self.fails:
            raise DatabaseUnavailableError("gone")
        return BACKLOGS["down"], [worker()]


class Desk:
    """Page data with a clock that is turned by hand."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.monitor = CountingMonitor()
        self.live = Live(cast(Any, self.monitor), Stopping(), monotonic=lambda: self.seconds)
        self.data = PageData(self.live, CONFIG)


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_a_hundred_pages_cost_one_snapshot(desk: Desk) -> None:
    for _ in range(100):
        assert desk.data.latest() is not None
    assert desk.monitor.asked == 1


def test_after_the_interval_there_is_another_one(desk: Desk) -> None:
    desk.data.latest()
    desk.seconds += INTERVAL
    desk.data.latest()
    assert desk.monitor.asked == 2


def test_a_snapshot_says_how_old_it_is(desk: Desk) -> None:
    desk.data.latest()
    desk.seconds += 1.5
    seen = desk.data.latest()
    assert seen is not None
    assert (seen.age, seen.is_stale) == (1.5, False)


def test_an_outage_of_the_database_keeps_the_last_numbers_and_their_age(desk: Desk) -> None:
    desk.data.latest()
    desk.monitor.fails = True
    for _ in range(6):
        desk.seconds += 5
        seen = desk.data.latest()
    assert seen is not None
    assert (seen.age, seen.failed) == (30.0, "The orders database does not answer.")
    desk.monitor.fails = False
    desk.seconds += INTERVAL
    again = desk.data.latest()
    assert again is not None
    assert (again.age, again.failed) == (0.0, None)


def test_without_a_first_snapshot_there_is_none_and_the_database_is_asked_seldom(desk: Desk) -> None:
    desk.monitor.fails = True
    assert [desk.data.latest() for _ in range(50)] == [None] * 50
    assert desk.monitor.asked == 1


def test_a_hundred_pages_read_the_lists_once_in_each_interval(desk: Desk) -> None:
    read = []
    data = PageData(desk.live, CONFIG, lists=lambda: read.append(desk.seconds))
    for _ in range(3):
        desk.seconds += INTERVAL
        for _ in range(100):
            data.latest()
    assert read == [INTERVAL, 2 * INTERVAL, 3 * INTERVAL]


def test_while_one_reader_waits_for_the_history_the_others_take_the_one_before(desk: Desk) -> None:
    asked, go_on = threading.Event(), threading.Event()
    samples = [history("down")]

    def read() -> list[Sample]:
        if len(samples) == 1:
            return samples[0]
        asked.set()
        assert go_on.wait(60)
        return samples[1]

    data = PageData(desk.live, CONFIG, read)
    assert data.latest() is not None
    samples.append(history("calm"))
    desk.seconds += INTERVAL
    with ThreadPoolExecutor(1) as threads:
        slow = threads.submit(data.latest)
        assert asked.wait(60)
        other = data.latest()
        go_on.set()
        newest = slow.result()
    assert other is not None
    assert other.history is samples[0]
    assert newest is not None
    assert newest.history is samples[1]


def test_a_hundred_charts_cost_one_read_of_the_history_with_each_snapshot(desk: Desk) -> None:
    reads: list[int] = []

    def read() -> list[Sample]:
        reads.append(1)
        return history("down")

    data = PageData(desk.live, CONFIG, read)
    for _ in range(100):
        assert len(data.history()) == len(history("down"))
        assert data.latest() is not None
    assert len(reads) == 1
    desk.seconds += INTERVAL
    data.history()
    assert len(reads) == 2


def test_while_there_is_no_new_snapshot_the_history_stays_and_is_not_read(desk: Desk) -> None:
    samples = [history("down"), []]
    data = PageData(desk.live, CONFIG, lambda: samples.pop(0))
    before = data.history()
    desk.monitor.fails = True
    desk.seconds += INTERVAL
    assert data.history() == before
    assert len(samples) == 1
