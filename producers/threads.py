"""Threads that are started when they are needed, and a signal from one thread to another."""

from __future__ import annotations

import logging
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from queue import SimpleQueue
from typing import TypeVar

from breakwall.breaker import forking

log = logging.getLogger("breakwall.orders")

T = TypeVar("T")
Work = Callable[[], None]


class Latch:
    """A signal that is set once and stays set. One thread waits for it. Costs a tenth of a `threading.Event`."""

    __slots__ = ("_lock",)

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lock.acquire()

    def set(self) -> None:
        """Let the thread that waits continue. The second time it does nothing."""
        if self._lock.locked():
            self._release()

    def wait(self, seconds: float) -> bool:
        """Wait at most so long; returns whether it is set."""
        if not self._lock.acquire(timeout=seconds):
            return False
        self._release()
        return True

    def _release(self) -> None:
        # Whoever sets it again while the waiter has the lock releases it first.
        with suppress(RuntimeError):
            self._lock.release()


class Right:
    """A right that is taken once, by whichever thread comes first."""

    __slots__ = ("_left",)

    def __init__(self) -> None:
        self._left = [True]

    def take(self) -> bool:
        """Whether this call is the first one."""
        try:
            # Atomic between threads. To test a flag and then set it would not be.
            self._left.pop()
        except IndexError:
            return False
        return True


class ThreadPool:
    """Runs work in at most ``size`` threads. More work waits for a free thread.

    The threads are daemons: they do not keep the interpreter from its exit (`producers.in_hand` decides how long it
    waits). After a fork the child starts its own; the work of the parent is the parent's.
    """

    def __init__(self, size: int, name: str) -> None:
        self._size = size
        self._name = name
        self._crew = self._new_crew()
        forking.remember(self)

    def submit(self, work: Work) -> None:
        """Run ``work``, which raises nothing, in one of the threads.

        Raises `RuntimeError` or `MemoryError`, and does not run it, if it needs a thread that cannot be started. If
        a signal's handler raises meanwhile, it may be run or not.
        """
        forking.notice()
        while not self._crew.submit(work, self._size, self._name):
            continue  # That crew was dismissed meanwhile; there is a new one.

    def call(self, work: Callable[[], T]) -> Future[T]:
        """Run ``work``, as `submit`; its result, or what it raises, is the future's."""
        done: Future[T] = Future()

        def run() -> None:
            if not done.set_running_or_notify_cancel():
                return  # Nobody wants it any more.
            try:
                done.set_result(work())
            except BaseException as error:  # Whoever awaits it must learn of any.
                done.set_exception(error)

        self.submit(run)
        return done

    def close(self) -> None:
        """Let each thread end when it has no work. The pool can be used again."""
        forking.notice()
        crew, self._crew = self._crew, self._new_crew()
        crew.dismiss()

    def after_fork(self) -> None:
        """In a forked child."""
        self._crew = self._new_crew()

    def _new_crew(self) -> _Crew:
        crew = _Crew()
        # A pool that is dropped without `close` would leave its threads behind.
        weakref.finalize(self, crew.dismiss).atexit = False
        return crew


class _Crew:
    """The threads of a pool between two calls of `ThreadPool.close`."""

    def __init__(self) -> None:
        # Reentrant: the garbage collector may run `dismiss` in a thread that holds it.
        self._lock = threading.RLock()
        self._work: SimpleQueue[Work | None] = SimpleQueue()  # None ends the threads, one behind the other.
        self._threads = 0
        self._idle = 0  # Below 0: so much work waits for a thread.
        self._dismissed = False

    def submit(self, work: Work, size: int, name: str) -> bool:
        """False, and nothing is done, once the crew is dismissed."""
        first: list[
            Work
        ] = []  # What a new thread begins with. It empties it: what is in it would live as long.
        try:
            with self._lock:
                if self._dismissed:
                    return False
                if self._idle > 0 or self._threads >= size:
                    self._idle -= 1
                    self._work.put(work)
                    return True
                # No call ends between these two lines, so no signal's handler can raise there.
                self._threads += 1
                first.append(work)
            threading.Thread(target=self._run, args=(first,), name=name, daemon=True).start()
        except BaseException:
            self._withdraw(first)
            raise
        return True

    def dismiss(self) -> None:
        """End the threads, behind the work that waits."""
        with self._lock:
            self._dismissed = True
            self._work.put(None)

    def _withdraw(self, first: list[Work]) -> None:
        """A thread was not started; or it was, and a signal's handler has raised while this one waited for it."""
        with suppress(IndexError):
            first.pop()
            with self._lock:
                self._threads -= 1

    def _run(self, first: list[Work]) -> None:
        try:
            work: Work | None = first.pop()
        except IndexError:
            return  # Withdrawn.
        while work is not None:
            try:
                work()
            # Also an exit or a cancellation: here a gateway has raised it, and it would end a thread that is counted.
            except BaseException:
                log.exception("a thread of the producer has met a bug")
            del work  # Not kept while the thread is idle.
            with self._lock:
                self._idle += 1
            work = self._work.get()
        self._work.put(None)  # For the next thread.
