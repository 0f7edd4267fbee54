"""How operations reach a store: on one daemon thread for each remote store, so that nobody has to wait.

A driver's own time-outs bound most hangs, but not all of them and not tightly. A caller waits for the
future of an operation as long as it likes to and then goes on; the operation ends in the background.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
import time
import weakref

from breakwall.breaker import forking
from breakwall.breaker.agenda import Agenda, Job, Jobs
from breakwall.breaker.stores import Store

logger = logging.getLogger("breakwall.breaker")

MEMORY_PAUSE = 0.1
"""Seconds until a thread that found no memory looks again."""


class NoThreadError(Exception):
    """This process cannot start a thread now: it has too many, or is about to end. The job was not run."""


class Link:
    """The way to one store, shared by the breakers that use it. `attach` and `detach` count them.

    Attributes:
        silent: whether this process waits for the store in vain: the breakers that are new to it then do not
            wait for it in turn.
    """

    def __init__(self, store: Store) -> None:
        self._remote = store.remote
        self._close_store = weakref.WeakMethod(store.close)
        self._forget_connections = weakref.WeakMethod(store.forget_connections)
        self._users = 0
        self._reset()
        forking.remember(self)

    def _reset(self) -> None:
        self.silent = False
        self._lock = threading.Lock()
        self._inline = threading.Lock()
        self._jobs: Jobs = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def attach(self) -> None:
        with self._lock:
            self._users += 1

    def detach(self, patience: float) -> None:
        """The last user's leaving closes the connections and ends the thread, after what is under way."""
        with self._lock:
            self._users -= 1
            thread, self._thread = (self._thread, None) if self._users == 0 else (None, self._thread)
            if thread is not None:
                self._jobs.put(None)
                self._jobs = queue.SimpleQueue()
        if thread is not None:
            thread.join(patience)

    def run(self, job: Job, then: Job) -> None:
        """Run ``job`` and, outside of every lock, ``then``: now for a store in memory, else on the thread.

        Jobs run one at a time. On the thread, nothing that they raise ends it.

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
            self._jobs.put((0.0, job, then))

    def run_at(self, at: float, job: Job) -> bool:
        """Have ``job`` run at ``at`` on the thread; whether there is one. A store in memory has none."""
        with self._lock:
            if self._thread is None:
                return False
            self._jobs.put((at, job, _nothing))
            return True

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
        """Whether the caller is the link's own thread, which must not wait for itself."""
        return threading.current_thread() is self._thread

    def stop(self) -> None:
        """End the thread, when the store is no more."""
        self._jobs.put(None)

    def after_fork(self) -> None:
        """The thread and the connections are the parent's; this process opens its own when it needs them."""
        self._reset()
        forget_connections = self._forget_connections()
        if forget_connections is not None:
            forget_connections()


def _work(jobs: Jobs, close_store: weakref.WeakMethod[Job]) -> None:
    agenda = Agenda(jobs)
    while (work := _next(agenda)) is not None:
        for step in work:
            _run(step)
        # Not kept while waiting for the next ones: they hold the breaker that they are for.
        del work, step
    close = close_store()
    if close is not None:
        close()


def _next(agenda: Agenda) -> tuple[Job, Job] | None:
    while True:
        try:
            return agenda.next()
        # Without this thread the process would never hear of the others again.
        except MemoryError:
            time.sleep(MEMORY_PAUSE)


def _nothing() -> None:
    pass


def _run(step: Job) -> None:
    try:
        step()
    # Also an exit: here it comes from a driver or a listener, and would end the one thread that all
    # breakers of this store wait for.
    except BaseException:
        with contextlib.suppress(Exception):
            logger.exception("the thread of a breaker's store goes on after an error")


class Links:
    """The one link of this process to each store."""

    def __init__(self) -> None:
        self._links: weakref.WeakKeyDictionary[Store, Link] = weakref.WeakKeyDictionary()
        self._lock = threading.Lock()
        forking.remember(self)

    def to(self, store: Store) -> Link:
        """The link to ``store``, made on first request."""
        with self._lock:
            if store not in self._links:
                link = self._links[store] = Link(store)
                weakref.finalize(store, link.stop)
            return self._links[store]

    def after_fork(self) -> None:
        """The lock may have been held by a thread that this process does not have."""
        self._lock = threading.Lock()


links = Links()
