"""A worker that has run out of something waits for it, and goes on when there is some again."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from breakwall.host.exhaustion import SHORTAGES, THREADS, Lacks, lack_of, relieve
from breakwall.payments.db.database import DatabaseUnavailableError

T = TypeVar("T")

PAUSE = 1.0
"""Seconds until the next try: others give back what they had, and a person raises a limit, in no less."""

TRIES = 30
"""How often work is tried before its message is let go; the dispatcher sends another one later. Meanwhile the thread
takes no other message, which would only need the same."""


class Patience:
    """Tries work again that this process lacks something for. Safe for threads.

    Args:
        lacks: told of it.
    """

    def __init__(self, lacks: Lacks) -> None:
        self._lacks = lacks
        self._ending = threading.Event()

    def run(self, work: Callable[[], T]) -> T:
        """``work()``, tried again while this process has no descriptors, threads, memory or disk for it.

        Raises:
            Exception: whatever it raises for another reason, or raised last.
        """
        for _ in range(TRIES - 1):
            try:
                result = work()
            except (DatabaseUnavailableError, *SHORTAGES) as error:
                if not self._is_worth_waiting(error):
                    raise
            else:
                self._lacks.enough()
                return result
        return work()

    def end(self) -> None:
        """Wait no longer: the worker ends."""
        self._ending.set()

    def _is_worth_waiting(self, error: Exception) -> bool:
        lack = lack_of(error)
        if lack is None:
            return False
        self._lacks.report(lack)
        relieve(error)
        return not self._ending.wait(PAUSE)


class PatientExecutor(ThreadPoolExecutor):
    """Keeps work for which no thread can be started now; `grow`, called often, starts one when there is one.

    The standard one takes the work, raises, and forgets that it has it. Nor can it be shut down by a signal's handler.
    """

    def __init__(self, threads: int, lacks: Lacks) -> None:
        super().__init__(threads)
        self._lacks = lacks
        # At a second Ctrl-C Celery shuts down in the signal's handler, which may have interrupted `submit`: with a
        # lock that is held once and no more the worker would wait for itself.
        self._shutdown_lock = threading.RLock()  # type: ignore[assignment]

    def grow(self) -> None:
        """Start a thread if work waits for one."""
        if self._work_queue.qsize():
            self._adjust_thread_count()

    def _adjust_thread_count(self) -> None:
        try:
            super()._adjust_thread_count()
        except SHORTAGES as error:
            if lack_of(error) is None:
                raise
            self._lacks.report(THREADS)


def be_patient(worker: Any, lacks: Lacks) -> None:
    """Have a Celery worker with a pool of threads outlive a lack of them."""
    pool = worker.pool
    if isinstance(getattr(pool, "executor", None), ThreadPoolExecutor):
        pool.executor = PatientExecutor(pool.limit, lacks)
        worker.timer.call_repeatedly(PAUSE, pool.executor.grow)
