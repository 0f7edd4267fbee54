"""Synchronizes one replica with its store: one synchronization at a time, on the store's thread.

A future stands for each: it is done when the synchronization is over, however it ended. Callers that come together
share one.
"""

from collections.abc import Callable
from concurrent.futures import Future

from breakwall.breaker.sync.cas import Received, Synchronization
from breakwall.breaker.sync.conflict import PrematureError, Snapshot
from breakwall.breaker.sync.replica import Pending, Setup
from breakwall.breaker.sync.replica_state import ReplicaState, StoreStatus
from breakwall.breaker.sync.store_protocol import Store
from breakwall.breaker.sync.store_thread import NoThreadError, store_threads

# A synchronization begins no further round after this share of the silence with which a store is lost. What it sends
# late in its last round is then younger than that silence too.
LONGEST_LOOP = 0.5


class Synchronizer:
    """Between one replica's state and its store, for which it uses the store's ``thread``.

    ``announce`` is called after each synchronization, outside of every lock.
    """

    def __init__(self, setup: Setup, store: Store, state: ReplicaState, announce: Callable[[], None]) -> None:
        self._store = store
        self._state = state
        self._announce = announce
        self._loop = Synchronization(store, setup, state.schedule.longest_silence * LONGEST_LOOP)
        self.thread = store_threads.of(store)
        self.thread.attach()
        self.reset()

    def reset(self) -> None:
        """No synchronization is under way: at the start, and in a forked child, whose parent's are its own."""
        self._next: Future[None] | None = None
        self._next_is_delayed = False
        self._under_way: Future[None] | None = None

    def current_or_next(self) -> Pending:
        """The synchronization that is under way, or else the next."""
        return self._under_way or self.next()

    def next(self, *, at_once: bool = False) -> Pending:
        """The next synchronization, which will bring what is noted now.

        A lost store is asked once in a refresh interval, or ``at_once``; None in between.
        """
        return self._request(0.0, at_once=at_once)

    def later(self, delay: float) -> None:
        """Have a synchronization in ``delay`` seconds, unless one comes sooner; nobody waits for it."""
        self._request(delay, at_once=False)

    def _request(self, delay: float, *, at_once: bool) -> Pending:
        future: Future[None] = Future()
        try:
            with self._state.lock:
                if self._next is not None and (delay or not self._next_is_delayed):
                    return self._next
                is_lost = self._state.status is StoreStatus.LOST
                if is_lost and not (at_once or self._state.schedule.is_due):
                    return None
                # Of two jobs for the same future, one that waits and one that does not, the later finds it done.
                self._next = future = self._next or future
                self._next_is_delayed = delay > 0
            self.thread.run(lambda: self.run(future), self._announce, delay)
        except NoThreadError as error:
            with self._state.lock:
                self._state.fail(type(error).__name__)
            self._drop(future)
        # A signal's: an interrupt, or a worker's soft time limit. Nobody else would ever begin the synchronization.
        except BaseException:
            self._drop(future)
            raise
        return future

    def overdue(self, future: Future[None]) -> None:
        """Somebody has waited for ``future`` for as long as they would."""
        with self._state.lock:
            if future in {self._next, self._under_way}:
                self.thread.is_silent = True
                self._state.doubt()

    def run(self, future: Future[None]) -> None:
        """Have the synchronization that ``future`` stands for now, in this thread."""
        with self._state.lock:
            if self._next is not future:
                # A call on the store's own thread did not wait for its turn, or it was dropped.
                return
            self._next, self._under_way = None, future
        try:
            with self._state.lock:
                snapshot, known = self._state.begin()
            self._synchronize(snapshot, known)
        finally:
            self._under_way = None
            future.set_result(None)

    def _synchronize(self, snapshot: Snapshot, known: Received | None) -> None:
        try:
            result = self._loop.run(snapshot, known)
            self.thread.is_silent = False
            with self._state.lock:
                self._state.finish(result, was_lost=snapshot.is_lost)
                if self._state.status is StoreStatus.ANSWERING:
                    # Now that the copy follows the store, whoever still waits finds nothing overdue.
                    self._under_way = None
        except PrematureError:
            self.thread.is_silent = False
            with self._state.lock:
                self._state.wait_for_others()
        # Whatever a store raises, the call that is being protected must not see it.
        except Exception as error:
            with self._state.lock:
                self._state.fail(type(error).__name__)
        else:
            if not result.arrived and self._store.remote:
                # Perhaps nobody calls any more, and still what was counted has to arrive.
                self.later(self._state.schedule.gather_for)

    def _drop(self, future: Future[None]) -> None:
        """Have no synchronization for ``future``, unless it has begun; what is noted waits for the next."""
        with self._state.lock:
            if self._next is not future:
                return
            self._next = None
        future.set_result(None)
