"""Synchronizes one replica with its store: one synchronization at a time, on the store's thread.

Each synchronization has a future, which is done when it has ended, with or without success. Callers that come at the
same time share one.
"""

from collections.abc import Callable
from concurrent.futures import Future

from breakwall.breaker.sync.cas import Received, Synchronization
from breakwall.breaker.sync.conflict import PrematureError, Snapshot
from breakwall.breaker.sync.replica import Setup, SyncFuture
from breakwall.breaker.sync.replica_state import ReplicaState, StoreStatus
from breakwall.breaker.sync.store_protocol import Store
from breakwall.breaker.sync.store_thread import NoThreadError, thread_of

# The share of a store's longest silence after which a synchronization begins no further round. So what its last round
# sends is not older than that silence.
LONGEST_LOOP = 0.5


class Synchronizer:
    """Between one replica's state and its store. ``announce`` is called after each synchronization, outside of every
    lock."""

    def __init__(self, setup: Setup, store: Store, state: ReplicaState, announce: Callable[[], None]) -> None:
        self._store = store
        self._state = state
        self._announce = announce
        self._loop = Synchronization(store, setup, state.schedule.longest_silence * LONGEST_LOOP)
        self.thread = thread_of(store)
        self.thread.attach()
        self.reset()

    def reset(self) -> None:
        """No synchronization runs: at the start, and in a forked child, which does not run its parent's."""
        self._next: Future[None] | None = None
        self._next_is_delayed = False
        self._in_progress: Future[None] | None = None

    def current_or_next(self) -> SyncFuture:
        """The synchronization that runs now, or else the next."""
        return self._in_progress or self.next()

    def next(self, *, at_once: bool = False) -> SyncFuture:
        """The next synchronization, which will store what is recorded now.

        A lost store is asked once in a refresh interval, or ``at_once``. Between these times the result is None.
        """
        return self._request(0.0, at_once=at_once)

    def later(self, delay: float) -> None:
        """Synchronize in ``delay`` seconds, or sooner if another caller needs it. No caller waits for this."""
        self._request(delay, at_once=False)

    def _request(self, delay: float, *, at_once: bool) -> SyncFuture:
        future: Future[None] = Future()
        try:
            with self._state.lock:
                if self._next is not None and (delay or not self._next_is_delayed):
                    return self._next
                is_lost = self._state.status is StoreStatus.LOST
                if is_lost and not (at_once or self._state.schedule.is_due):
                    return None
                # Two jobs can have the same future: one delayed, one immediate. The second one finds it done.
                self._next = future = self._next or future
                self._next_is_delayed = delay > 0
            self.thread.run(lambda: self.run(future), self._announce, delay)
        except NoThreadError as error:
            with self._state.lock:
                self._state.fail(type(error).__name__)
            self._drop(future)
        # A signal's: an interrupt, or a worker's soft time limit. No other call would start the dropped
        # synchronization.
        except BaseException:
            self._drop(future)
            raise
        return future

    def overdue(self, future: Future[None]) -> None:
        """A caller has waited for ``future`` until its timeout."""
        with self._state.lock:
            if future in {self._next, self._in_progress}:
                self.thread.is_silent = True
                self._state.become_slow()

    def run(self, future: Future[None]) -> None:
        """Run the synchronization of ``future`` now, in this thread."""
        with self._state.lock:
            if self._next is not future:
                # It was dropped, or another job or a call on the store's own thread has run it already.
                return
            self._next, self._in_progress = None, future
        try:
            with self._state.lock:
                snapshot, known = self._state.begin()
            self._synchronize(snapshot, known)
        finally:
            self._in_progress = None
            future.set_result(None)

    def _synchronize(self, snapshot: Snapshot, known: Received | None) -> None:
        try:
            result = self._loop.run(snapshot, known)
            self.thread.is_silent = False
            with self._state.lock:
                self._state.finish(result, was_lost=snapshot.is_lost)
                if self._state.status is StoreStatus.ANSWERING:
                    # The store has answered: for a caller that still waits, nothing is overdue.
                    self._in_progress = None
        except PrematureError:
            self.thread.is_silent = False
            with self._state.lock:
                self._state.wait_for_others()
        # A store's error, of any class, must not reach the call that the breaker protects.
        except Exception as error:
            with self._state.lock:
                self._state.fail(type(error).__name__)
        else:
            if not result.arrived and self._store.remote:
                # What was counted must arrive, also if no further call comes.
                self.later(self._state.schedule.gather_for)

    def _drop(self, future: Future[None]) -> None:
        """Drop the synchronization of ``future`` unless it has begun. The operations wait for the next one."""
        with self._state.lock:
            if self._next is not future:
                return
            self._next = None
        future.set_result(None)
