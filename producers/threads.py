"""Threads that are started when they are needed, and a signal from one thread to another."""

from __future__ import annotations

import logging
import threading
import weakref
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue

from breakwall.breaker import forking

log = logging.getLogger("breakwall.orders")

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

        Raises `RuntimeError` or `MemoryError`, and does not run it, if it needs a thread that cannot be started.
        """
        forking.notice()
        while not self._crew.submit(work, self._size, self._name):
            continue  # That crew was dismissed meanwhile; there is a new one.

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
        self._work: SimpleQueue[Work | None] = SimpleQueue()  # None ends the thread that gets it.
        self._threads = 0
        self._idle = 0  # Below 0: so much work waits for a thread.
        self._dismissed = False

    def submit(self, work: Work, size: int, name: str) -> bool:
        """False, and nothing is done, once the crew is dismissed."""
        with self._lock:
            if self._dismissed:
                return False
            needs_thread = self._idle <= 0 and self._threads < size
            if needs_thread:
                self._threads += 1
            else:
                self._idle -= 1
                self._work.put(work)
        if needs_thread:
            self._start(work, name)
        return True

    def dismiss(self) -> None:
        """End the threads, behind the work that waits."""
        with self._lock:
            self._dismissed = True
            for _ in range(self._threads):
                self._work.put(None)

    def _start(self, work: Work, name: str) -> None:
        try:
            threading.Thread(target=self._run, args=(work,), name=name, daemon=True).start()
        except BaseException:
            with self._lock:
                self._threads -= 1
            raise

    def _run(self, first: Work) -> None:
        work: Work | None = first
        while work is not None:
            try:
                work()
            except Exception:
                log.exception("a thread of the producer has met a bug")
            del work  # Not kept while the thread is idle.
            with self._lock:
                self._idle += 1
            work = self._work.get()
