"""One read for all threads, for which nobody waits long."""

from __future__ import annotations

import threading
import time
from queue import Queue

import pytest

from breakwall.access import shared_read
from breakwall.access.shared_read import FAILURE_PAUSE, REREAD, SharedRead, Work, in_a_thread
from breakwall.payments.db.database import DatabaseUnavailableError
from tests.manual_clock import MonotonicClock


class Source:
    """A database that gives 1, 2, 3 …, when the test lets it: `works` has the reads that were begun."""

    def __init__(self) -> None:
        self.clock = MonotonicClock()
        self.works: list[Work] = []
        self.given = 0
        self.fails = False
        self.at_once = True
        self.reads = SharedRead(self._read, monotonic=self.clock, start=self._start)

    def _read(self) -> int:
        if self.fails:
            raise DatabaseUnavailableError("it is down")
        self.given += 1
        return self.given

    def _start(self, work: Work) -> None:
        self.works.append(work)
        if self.at_once:
            work()

    @property
    def known(self) -> int | None:
        return None if self.reads.latest is None else self.reads.latest.value


@pytest.fixture
def source() -> Source:
    return Source()


@pytest.fixture
def hanging(source: Source, monkeypatch: pytest.MonkeyPatch) -> Source:
    """It has given 1, and does not answer any more."""
    assert source.reads.refresh()
    source.at_once = False
    source.clock.advance(REREAD)
    monkeypatch.setattr(shared_read, "TIMEOUT", 0.01)
    assert not source.reads.refresh()
    monkeypatch.setattr(shared_read, "TIMEOUT", 60.0)
    return source


def test_what_was_read_is_fresh_for_seconds(source: Source) -> None:
    assert source.reads.refresh()
    source.clock.advance(REREAD - 0.1)
    assert source.reads.refresh()
    assert source.known == 1
    source.clock.advance(0.1)
    assert source.reads.refresh()
    assert source.known == 2


def test_a_thread_does_not_wait_for_ever(source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    source.at_once = False
    monkeypatch.setattr(shared_read, "FIRST_TIMEOUT", 0.01)
    assert not source.reads.refresh()
    assert source.known is None


def test_after_one_thread_has_waited_no_other_waits(hanging: Source) -> None:
    began = time.monotonic()
    assert hanging.reads.is_at_hand()
    assert not hanging.reads.refresh()
    assert not hanging.reads.refresh(hanging.clock())
    assert time.monotonic() - began < 30.0  # Each would have waited a minute.
    assert hanging.known == 1


def test_one_read_at_a_time_hangs(hanging: Source) -> None:
    for _ in range(20):
        hanging.reads.refresh()
        hanging.reads.refresh(hanging.clock())
        hanging.clock.advance(REREAD)
    assert len(hanging.works) == 2


def test_an_answer_that_comes_late_counts(hanging: Source) -> None:
    hanging.works[-1]()
    assert hanging.known == 2
    assert hanging.reads.is_new()


def test_while_the_database_is_down_nobody_waits_for_the_next_read(source: Source) -> None:
    assert source.reads.refresh()
    source.fails = True
    source.clock.advance(REREAD)
    assert not source.reads.refresh()
    source.at_once = False
    source.clock.advance(FAILURE_PAUSE)
    assert source.reads.is_at_hand()
    assert len(source.works) == 3
    source.fails = False
    source.works[-1]()
    assert source.known == 2


def test_a_request_that_needs_a_newer_read_gets_one(source: Source) -> None:
    assert source.reads.refresh()
    source.clock.advance(0.1)
    assert source.reads.refresh(source.clock())
    assert source.known == 2


def test_a_read_that_began_before_a_change_is_not_fresh_after_it(source: Source) -> None:
    source.at_once = False
    source.reads._join(None)
    source.reads.outdate()
    source.works[-1]()
    assert source.known == 1
    assert not source.reads.is_new()
    source.at_once = True
    assert source.reads.refresh()
    assert source.known == 2


def test_a_thread_that_cannot_be_started_is_a_failed_read(
    source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(work: Work) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(source.reads, "_start", fail)
    assert not source.reads.refresh()
    monkeypatch.setattr(source.reads, "_start", source._start)
    source.clock.advance(FAILURE_PAUSE)
    assert source.reads.refresh()


def test_a_bug_in_a_read_leaves_nobody_waiting(source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> int:
        raise KeyError("a bug")

    monkeypatch.setattr(source.reads, "_read", fail)
    with pytest.raises(KeyError):
        source.reads.refresh()
    monkeypatch.undo()
    source.clock.advance(FAILURE_PAUSE)
    assert source.reads.refresh()


def test_a_read_does_not_hold_up_the_exit() -> None:
    seen: Queue[threading.Thread] = Queue()
    in_a_thread(lambda: seen.put(threading.current_thread()))
    thread = seen.get(timeout=30.0)
    assert thread is not threading.current_thread()
    assert thread.daemon
