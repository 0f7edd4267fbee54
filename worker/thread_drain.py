"""A drain that works on each order in a thread."""

import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

log = logging.getLogger("breakwall.worker")

AHEAD = 3  # Orders held for each thread, so that none waits for the broker.


class ThreadDrain:
    """Calls ``work`` with each order's id, in the threads of ``executor``. Safe for threads.

    ``on_room`` is called, from any thread, when it has use for more orders again.
    """

    def __init__(
        self,
        work: Callable[[str], object],
        executor: ThreadPoolExecutor,
        slots: int,
        on_room: Callable[[], object] = lambda: None,
    ) -> None:
        self._work = work
        self._on_room = on_room
        self._executor = executor
        self._most = AHEAD * slots
        self._lock = threading.Lock()
        self._held = 0

    @property
    def held(self) -> int:
        return self._held

    @property
    def wanted(self) -> int:
        return self._most - self._held

    def submit(self, order_ids: Sequence[str], done: Callable[[], None]) -> None:
        """Take the orders of one message, without waiting.

        ``done`` is called once, from any thread, after the work on each of them. It is not called if the worker's end
        has cut some off: then their message goes back to the broker.
        """
        left = [len(order_ids)]
        with self._lock:
            self._held += len(order_ids)
        for order_id in order_ids:
            self._executor.submit(self._run, order_id, left, done)

    def stop(self) -> None:
        """Begin no more orders, and wait for those in progress."""
        self._executor.shutdown(cancel_futures=True)

    def _run(self, order_id: str, left: list[int], done: Callable[[], None]) -> None:
        try:
            self._work(order_id)
        except Exception:  # its claim expires
            log.exception("order %s failed", order_id)
        with self._lock:
            self._held -= 1
            left[0] -= 1
            is_last, has_room = not left[0], self._held == self._most - 1
        if is_last:
            done()
        if has_room:
            self._on_room()


def thread_drain(worker: Any, work: Callable[[str], object], on_room: Callable[[], object]) -> ThreadDrain:
    """One with the threads of a Celery worker's pool."""
    return ThreadDrain(work, worker.pool.executor, worker.concurrency, on_room)
