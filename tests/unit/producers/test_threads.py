"""Threads that start when they are needed, and the signal between two of them."""

from __future__ import annotations

import asyncio
import gc
import itertools
import os
import threading
import weakref
from collections.abc import Callable, Iterator

import pytest

from breakwall.producers.threads import Latch, Right, ThreadPool
from tests.interruption import Interrupt
from tests.waiting import wait_until


class NamedPool(ThreadPool):
    """A pool whose threads are known by their name: those of the test before may still be about to end."""

    numbers = itertools.count(1)

    def __init__(self) -> None:
        self.threads = f"test-pool-{next(self.numbers)}"
        super().__init__(2, self.threads)


@pytest.fixture
def pool() -> Iterator[NamedPool]:
    pool = NamedPool()
    yield pool
    pool.close()


def running(threads: str) -> int:
    return sum(thread.name == threads for thread in threading.enumerate())


class Held:
    """Work that waits until it may end."""

    def __init__(self) -> None:
        self.began, self.may_end = threading.Event(), threading.Event()

    def __call__(self) -> None:
        self.began.set()
        self.may_end.wait(30)


def test_no_thread_is_started_before_there_is_work(pool: NamedPool) -> None:
    assert running(pool.threads) == 0


def test_work_that_comes_after_another_uses_its_thread(pool: NamedPool) -> None:
    names = set()
    for _ in range(20):
        done = threading.Event()
        pool.submit(lambda done=done: (names.add(threading.get_ident()), done.set()))  # type: ignore[misc]
        assert done.wait(30)
        wait_until(lambda: pool._crew._idle == 1)
    assert len(names) == 1


def test_more_work_than_threads_waits_for_one(pool: NamedPool) -> None:
    first, second, third = Held(), Held(), Held()
    for work in (first, second, third):
        pool.submit(work)
    assert first.began.wait(30)
    assert second.began.wait(30)
    assert running(pool.threads) == 2
    assert not third.began.is_set()
    first.may_end.set()
    assert third.began.wait(30)
    second.may_end.set()
    third.may_end.set()


@pytest.mark.parametrize("error", [ZeroDivisionError, SystemExit, asyncio.CancelledError])
def test_work_that_raises_ends_no_thread(
    pool: NamedPool, caplog: pytest.LogCaptureFixture, error: type[BaseException]
) -> None:
    def fail() -> None:
        raise error

    done = threading.Event()
    for _ in range(4):
        pool.submit(fail)
    pool.submit(done.set)
    assert done.wait(30)
    assert "a bug" in caplog.text


def test_work_for_which_no_thread_can_be_started_is_refused_and_never_run(
    pool: NamedPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    held, refused, ran = Held(), threading.Event(), threading.Event()
    pool.submit(held)
    assert held.began.wait(30)

    def fail(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", fail)
        with pytest.raises(RuntimeError):
            pool.submit(refused.set)
    pool.submit(ran.set)
    assert ran.wait(30)
    held.may_end.set()
    assert not refused.is_set()


def test_a_closed_pool_ends_its_threads_behind_their_work_and_can_be_used_again(pool: NamedPool) -> None:
    held, waiting = [Held(), Held()], threading.Event()
    for work in held:
        pool.submit(work)
    pool.submit(waiting.set)
    pool.close()
    for work in held:
        work.may_end.set()
    assert waiting.wait(30)
    wait_until(lambda: running(pool.threads) == 0)
    again = threading.Event()
    pool.submit(again.set)
    assert again.wait(30)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_pool_that_is_dropped_ends_its_threads() -> None:
    dropped = NamedPool()
    done = threading.Event()
    dropped.submit(done.set)
    assert done.wait(30)
    threads = dropped.threads
    del dropped
    gc.collect()
    wait_until(lambda: running(threads) == 0)


def test_a_thread_does_not_keep_what_it_began_with() -> None:
    class Owner:
        """Of a pool that works for it, as a producer."""

        def __init__(self) -> None:
            self.pool, self.done = NamedPool(), threading.Event()

        def work(self) -> None:
            self.done.set()

    owner = Owner()
    owner.pool.submit(owner.work)
    assert owner.done.wait(30)
    crew, threads, left = owner.pool._crew, owner.pool.threads, weakref.ref(owner)
    wait_until(lambda: crew._idle == 1)
    del owner
    gc.collect()
    assert left() is None
    wait_until(lambda: running(threads) == 0)


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_thread_whose_start_was_interrupted_is_counted_if_it_runs(
    pool: NamedPool, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    held, start = Held(), threading.Thread.start

    def interrupt(thread: threading.Thread) -> None:
        if moment == "after":
            start(thread)
            assert held.began.wait(30)
        raise Interrupt

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", interrupt)
        with pytest.raises(Interrupt):
            pool.submit(held)
    others = [Held(), Held()]
    for work in others:
        pool.submit(work)
    wait_until(lambda: sum(work.began.is_set() for work in (held, *others)) == 2)
    assert running(pool.threads) == 2
    for work in (held, *others):
        work.may_end.set()
    pool.close()
    wait_until(lambda: running(pool.threads) == 0)


def test_a_thread_that_begins_after_its_start_was_interrupted_does_nothing(
    pool: NamedPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    late: list[threading.Thread] = []
    start, ran = threading.Thread.start, threading.Event()

    def interrupt(thread: threading.Thread) -> None:
        late.append(thread)
        raise Interrupt

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", interrupt)
        with pytest.raises(Interrupt):
            pool.submit(ran.set)
    start(late[0])
    late[0].join(30)
    assert not late[0].is_alive()
    assert not ran.is_set()


def test_a_right_is_taken_once() -> None:
    right = Right()
    assert [right.take() for _ in range(3)] == [True, False, False]


def test_a_forked_child_starts_threads_of_its_own(pool: NamedPool) -> None:
    """Also if the parent has as many as it may have."""
    held = [Held(), Held()]
    for work in held:
        pool.submit(work)
        assert work.began.wait(30)
    child = os.fork()
    if not child:
        done = threading.Event()
        for _ in range(3):
            pool.submit(done.set)
        os._exit(0 if done.wait(60) else 1)
    for work in held:
        work.may_end.set()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_a_latch_stays_set_however_often_it_is_set_or_waited_for() -> None:
    latch = Latch()
    assert not latch.wait(0)
    latch.set()
    latch.set()
    assert latch.wait(0)
    assert latch.wait(0)


class MeddledLock:
    """A lock with which something happens when it was acquired, or when it was seen to be locked."""

    def __init__(self, meddle: Callable[[], object], when: str) -> None:
        self._lock, self._meddle, self._when = threading.Lock(), meddle, when
        self.release = self._lock.release

    def acquire(self, timeout: float) -> bool:
        acquired = self._lock.acquire(timeout=timeout)
        self._happen("acquired")
        return acquired

    def locked(self) -> bool:
        locked = self._lock.locked()
        self._happen("seen")
        return locked

    def _happen(self, when: str) -> None:
        if when == self._when:
            self._when = ""
            self._meddle()


def test_a_latch_that_is_set_again_while_its_waiter_wakes_is_no_error() -> None:
    latch = Latch()
    latch._lock = MeddledLock(latch.set, "acquired")  # type: ignore[assignment]
    assert latch.wait(0)
    assert latch.wait(0)


def test_a_latch_that_its_waiter_leaves_while_it_is_set_again_is_no_error() -> None:
    latch = Latch()
    latch._lock = lock = MeddledLock(lambda: lock.release(), "seen")  # type: ignore[assignment]
    lock.acquire(0)
    latch.set()
    assert latch.wait(0)


def test_a_latch_wakes_the_thread_that_waits() -> None:
    latch, woken = Latch(), threading.Event()

    def wait() -> None:
        if latch.wait(30):
            woken.set()

    threading.Thread(target=wait).start()
    latch.set()
    assert woken.wait(30)
