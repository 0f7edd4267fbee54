"""Runs the jobs of a remote store on one daemon thread, so that a caller can stop waiting at any time.

A driver's own timeouts end most hangs, but not all, and often late. The job then ends in the background.
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

MEMORY_PAUSE = 0.1  # Seconds until the thread continues after a `MemoryError`.


class NoThreadError(Exception):
    """This process cannot start a thread now: it has too many, or is about to end. The job was not run."""


class StoreThread:
    """The thread of one store, shared by the breakers that use the store. `attach` and `detach` count them."""

    def __init__(self, store: Store) -> None:
        self._remote = store.remote
        self._close_store = weakref.WeakMethod(store.close)
        self._forget_connections = weakref.WeakMethod(store.forget_connections)
        self._users = 0
        self._reset()
        forking.remember(self)

    def _reset(self) -> None:
        # Whether the last wait was in vain. Then no other breaker waits for a first contact.
        self.is_silent = False
        self._lock = threading.Lock()
        self._inline = threading.Lock()
        self._jobs = JobQueue()
        self._thread: threading.Thread | None = None

    def attach(self) -> None:
        """Add a user. It calls `detach` once."""
        with self._lock:
            self._users += 1

    def detach(self, timeout: float) -> None:
        """The last user that leaves ends the thread and closes the connections, after the jobs that are queued."""
        with self._lock:
            self._users -= 1
            thread, self._thread = (self._thread, None) if self._users == 0 else (None, self._thread)
            if thread is not None:
                self._jobs.end()
                self._jobs = JobQueue()
        if thread is not None:
            thread.join(timeout)

    def run(self, job: Job, then: Job, delay: float = 0.0) -> None:
        """Run ``job`` and, outside of every lock, ``then``: at once if the store is not remote, else on the thread in
        ``delay`` seconds. Jobs run one at a time. May raise `NoThreadError`."""
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
        """End the thread, because the store is gone."""
        self._jobs.end()

    def after_fork(self) -> None:
        """The thread and the connections are the parent's. This process makes its own when it needs them."""
        self._reset()
        forget_connections = self._forget_connections()
        if forget_connections is not None:
            forget_connections()


def _work(jobs: JobQueue, close_store: weakref.WeakMethod[Job]) -> None:
    while True:
        try:
            work = jobs.take()
        # Without this thread the process would never synchronize again.
        except MemoryError:
            time.sleep(MEMORY_PAUSE)
            continue
        if work is None:
            break
        for step in work:
            _run(step)
        # Not kept while the thread waits: they keep their breaker alive.
        del work, step
    close = close_store()
    if close is not None:
        close()


def _run(step: Job) -> None:
    try:
        step()
    # Also an exit: here a driver or a listener has raised it, and it would end the only thread that all breakers of
    # this store wait for.
    except BaseException:
        with contextlib.suppress(Exception):
            logger.exception("the thread of a breaker's store continues after an error")


_threads: weakref.WeakKeyDictionary[Store, StoreThread] = weakref.WeakKeyDictionary()


def thread_of(store: Store) -> StoreThread:
    """The one thread of this process for ``store``. The first call makes it."""
    new = StoreThread(store)
    # Atomic, so it needs no lock, which a forked child could inherit locked.
    thread = _threads.setdefault(store, new)
    if thread is new:
        weakref.finalize(store, new.stop)
    return thread
