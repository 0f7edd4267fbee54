"""Runs synchronizations: on one daemon thread for each remote store, so that nobody has to wait for the store.

A driver's own time-outs bound most hangs, but not all and not tightly. A caller waits for the future of a
synchronization as long as it wants to and then goes on; the synchronization ends in the background.
"""

import contextlib
import logging
import threading
import time
import weakref

from breakwall.breaker import forking
from breakwall.breaker.sync.job_queue import Job, JobQueue
from breakwall.breaker.sync.store_protocol import Store

logger = logging.getLogger("breakwall.breaker")

MEMORY_PAUSE = 0.1  # Seconds until a thread that found no memory looks again.


class NoThreadError(Exception):
    """This process cannot start a thread now: it has too many, or is about to end. The job was not run."""


class StoreThread:
    """The way to one store, shared by the breakers that use it. `attach` and `detach` count them.

    Attributes:
        is_silent: whether this process waits for the store in vain: breakers that are new to it then do not wait too.
    """

    def __init__(self, store: Store) -> None:
        self._remote = store.remote
        self._close_store = weakref.WeakMethod(store.close)
        self._forget_connections = weakref.WeakMethod(store.forget_connections)
        self._users = 0
        self._reset()
        forking.remember(self)

    def _reset(self) -> None:
        self.is_silent = False
        self._lock = threading.Lock()
        self._inline = threading.Lock()
        self._jobs = JobQueue()
        self._thread: threading.Thread | None = None

    def attach(self) -> None:
        with self._lock:
            self._users += 1

    def detach(self, timeout: float) -> None:
        """The last user that leaves closes the connections and ends the thread, after what is under way."""
        with self._lock:
            self._users -= 1
            thread, self._thread = (self._thread, None) if self._users == 0 else (None, self._thread)
            if thread is not None:
                self._jobs.end()
                self._jobs = JobQueue()
        if thread is not None:
            thread.join(timeout)

    def run(self, job: Job, then: Job, delay: float = 0.0) -> None:
        """Run ``job`` and, outside of every lock, ``then``: now for a store that is not remote, else on the thread, in
        ``delay`` seconds.

        Jobs run one at a time.

        Raises:
            NoThreadError: see there.
        """
        if not self._remote:
            with self._inline:
                job()
            then()
            return
        with self._lock:
            if self._thread is None:
                self._thread = self._started()
            self._jobs.put(job, then, delay)

    def _started(self) -> threading.Thread:
        thread = threading.Thread(
            target=_work, args=(self._jobs, self._close_store), name="breakwall-breaker", daemon=True
        )
        try:
            thread.start()
        except RuntimeError as error:
            raise NoThreadError from error
        return thread

    def is_this_thread(self) -> bool:
        """Whether the caller is on this thread, which must not wait for itself."""
        return threading.current_thread() is self._thread

    def stop(self) -> None:
        """End the thread, when the store is no more."""
        self._jobs.end()

    def after_fork(self) -> None:
        """The thread and the connections are the parent's; this process opens its own when it needs them."""
        self._reset()
        forget_connections = self._forget_connections()
        if forget_connections is not None:
            forget_connections()


def _work(jobs: JobQueue, close_store: weakref.WeakMethod[Job]) -> None:
    while True:
        try:
            work = jobs.take()
        # Without this thread the process would never hear of the others again.
        except MemoryError:
            time.sleep(MEMORY_PAUSE)
            continue
        if work is None:
            break
        for step in work:
            _run(step)
        # Not kept while the thread waits: they hold the breaker that they are for.
        del work, step
    close = close_store()
    if close is not None:
        close()


def _run(step: Job) -> None:
    try:
        step()
    # Also an exit: here it comes from a driver or a listener, and would end the one thread that all breakers of this
    # store wait for.
    except BaseException:
        with contextlib.suppress(Exception):
            logger.exception("the thread of a breaker's store goes on after an error")


class StoreThreads:
    """The one thread of this process for each store."""

    def __init__(self) -> None:
        self._threads: weakref.WeakKeyDictionary[Store, StoreThread] = weakref.WeakKeyDictionary()
        self._lock = threading.Lock()
        forking.remember(self)

    def of(self, store: Store) -> StoreThread:
        """The thread of ``store``, made on first request."""
        with self._lock:
            if store not in self._threads:
                thread = self._threads[store] = StoreThread(store)
                weakref.finalize(store, thread.stop)
            return self._threads[store]

    def after_fork(self) -> None:
        """The lock may have been held by a thread that this process does not have."""
        self._lock = threading.Lock()


store_threads = StoreThreads()
