"""The copy of a circuit that several processes share through a store."""

from concurrent.futures import Future
from typing import cast

from breakwall.breaker import forking
from breakwall.breaker.circuit.operations import Advance, HoldOpen, Operation, RecordProbe, RequestLease
from breakwall.breaker.circuit.state import CallOutcome, Circuit
from breakwall.breaker.sync.fast_path import FastPath
from breakwall.breaker.sync.pending import ConfirmedOperation
from breakwall.breaker.sync.replica import Setup, Steps, SyncFuture, T
from breakwall.breaker.sync.replica_state import ReplicaState, StoreStatus
from breakwall.breaker.sync.store_protocol import Store
from breakwall.breaker.sync.synchronizer import Synchronizer

# The first answer of a store on a busy machine may be late because it makes its table. The second is not.
CONFIRM_TRIES = 3


class SharedReplica:
    """One breaker's copy of a circuit in a store, at most one refresh interval old. Safe for threads."""

    def __init__(self, setup: Setup, store: Store) -> None:
        self._setup = setup
        self._clock = setup.clock
        self._timeout = setup.config.store_timeout
        self._state = ReplicaState(setup)
        self._synchronizer = Synchronizer(setup, store, self._state, self._announce)
        self.now = self._state.now
        self._begin()

    def reset(self) -> None:
        """Begin anew, in a forked child: the parent reports what was counted."""
        self._state.reset()
        self._synchronizer.reset()
        self._begin()

    def _begin(self) -> None:
        # What was announced last. The state at the start is no change.
        self._known_circuit, self._known_error = self._state.circuit, self._state.error

    @property
    def circuit(self) -> Circuit:
        return self._state.circuit

    @property
    def store_error(self) -> str | None:
        """The class name of the error with which the store is slow or lost."""
        return self._state.error

    @property
    def store_ok(self) -> bool:
        """Whether the store has answered the last synchronization."""
        return self._state.status is StoreStatus.ANSWERING

    @property
    def fast_path(self) -> FastPath | None:
        """Counts the successes of the current generation; None unless that is closed."""
        return self._state.switch.current

    # --- before a call

    def refresh(self) -> SyncFuture:
        """Synchronize if the copy is older than the refresh interval."""
        return self._synchronizer.current_or_next() if self._state.schedule.is_due else None

    def refresh_for_call(self) -> SyncFuture:
        """`refresh`, before a call: a suspicion that has lasted is stored too."""
        if self._state.has_opened():
            return self._submit(Advance())
        if self._state.schedule.is_due and self._state.suspicion_has_lasted():
            # Other processes have refuted the suspicion: clear it, so that the next one lasts as long again.
            self._record(Advance())
        return self.refresh()

    def request_lease(self, lease_id: str) -> SyncFuture:
        """Request a probe's lease."""
        return self._submit(RequestLease(lease_id))

    def take_lease(self, lease_id: str) -> bool:
        """Whether the lease was granted. If not, the request is withdrawn."""
        with self._state.lock:
            has_it = self._state.circuit.holds(lease_id)
            if not has_it:
                self._state.pending.withdraw(RequestLease(lease_id))
                if self._state.status.is_local:
                    # The request may still arrive and get a lease, which no call will use.
                    self._state.record(RecordProbe(lease_id, CallOutcome.NEUTRAL))
            return has_it

    def release_lease(self, lease_id: str) -> None:
        """End a lease that was requested: its caller was cancelled or interrupted meanwhile."""
        with self._state.lock:
            self._state.pending.withdraw(RequestLease(lease_id))
            self._state.record(RecordProbe(lease_id, CallOutcome.NEUTRAL))
        self._synchronizer.next()

    # --- after a call

    def record_probe(self, lease_id: str, outcome: CallOutcome, hold: float | None) -> SyncFuture:
        """A probe has ended. The service may have asked for a pause of ``hold`` seconds."""
        return self._submit(RecordProbe(lease_id, outcome, hold))

    def record_failure(self, generation: int, *, slow: bool, hold: float | None) -> SyncFuture:
        """A call of the closed ``generation`` failed, or was slow."""
        with self._state.lock:
            if hold is not None:
                self._state.record(HoldOpen(generation, hold))
            counts = self._state.record_failure(generation, slow=slow)
            delay = self._state.schedule.gather_for if hold is None else 0.0
        if not counts and hold is None:
            return None
        if not delay or self._state.status.is_local:
            return self._next()
        self._synchronizer.later(delay)
        return None

    # --- waiting

    def run(self, steps: Steps[T]) -> T:
        """Run ``steps`` in this thread."""
        forking.notice()
        end = self._deadline()
        try:
            while True:
                self._wait(next(steps), end - self._clock())
        except StopIteration as stop:
            return cast("T", stop.value)
        finally:
            steps.close()

    async def run_async(self, steps: Steps[T]) -> T:
        """`run` for an event loop, without blocking it."""
        forking.notice()
        end = self._deadline()
        try:
            while True:
                await self._wait_async(next(steps), end - self._clock())
        except StopIteration as stop:
            return cast("T", stop.value)
        finally:
            steps.close()

    def wait(self, future: SyncFuture) -> None:
        """Wait in this thread, at most for the store timeout."""
        self._wait(future, self._deadline() - self._clock())

    async def wait_async(self, future: SyncFuture) -> None:
        """`wait` for an event loop."""
        await self._wait_async(future, self._deadline() - self._clock())

    def _deadline(self) -> float:
        """The end of a wait that begins now.

        The first contact may wait longer, unless the last wait for this store was in vain.
        """
        timeout = self._timeout
        if self._state.status is StoreStatus.NEW and not self._synchronizer.thread.is_silent:
            timeout = max(timeout, self._state.schedule.first_timeout)
        return self._clock() + timeout

    def _wait(self, future: SyncFuture, timeout: float, *, for_local: bool = False) -> None:
        """Wait at most ``timeout`` seconds. While a local circuit is used, only a caller with ``for_local`` waits."""
        if future is not None and self._is_worth_waiting(for_local=for_local):
            try:
                future.result(max(0.0, timeout))
            except TimeoutError:
                self._synchronizer.overdue(future)
        self._announce()

    async def _wait_async(self, future: SyncFuture, timeout: float) -> None:
        if future is not None and not future.done() and self._is_worth_waiting(for_local=False):
            # A program without an event loop starts quicker without it.
            import asyncio

            _, late = await asyncio.wait([asyncio.wrap_future(future)], timeout=max(0.0, timeout))
            if late:
                self._synchronizer.overdue(future)
        self._announce()

    def _is_worth_waiting(self, *, for_local: bool) -> bool:
        is_local = self._state.status.is_local
        return (for_local or not is_local) and not self._synchronizer.thread.is_this_thread()

    # --- operators, and the end

    def confirm(self, operation: Operation, timeout: float) -> bool:
        """Store ``operation`` within ``timeout`` seconds. Returns whether it is known to be stored.

        A store that answers, but so late that a call would not wait for it, is asked again.
        """
        forking.notice()
        end = self._clock() + timeout
        for _ in range(CONFIRM_TRIES):
            if self._confirm_once(operation, max(0.0, end - self._clock())):
                return True
            answers_late = self.store_ok or self._state.error == TimeoutError.__name__
            if not answers_late or self._clock() >= end:
                break
        return False

    def _confirm_once(self, operation: Operation, timeout: float) -> bool:
        confirmed = ConfirmedOperation(operation)
        self._record(confirmed)
        future = self._synchronizer.next(at_once=True)
        if future is not None and self._synchronizer.thread.is_this_thread():
            self._synchronizer.run(future)
        self._wait(future, timeout, for_local=True)
        with self._state.lock:
            self._state.pending.withdraw(confirmed)
            confirmed.withdraw()
            return confirmed.done

    def close(self, timeout: float) -> None:
        """Store what was counted, within ``timeout`` seconds, and leave the store."""
        forking.notice()
        end = self._clock() + timeout
        with self._state.lock:
            self._state.collect()
            unsent = bool(self._state.pending) and self._state.status is StoreStatus.ANSWERING
        if unsent:
            self._wait(self._synchronizer.next(), timeout, for_local=True)
        self._synchronizer.thread.detach(max(0.0, end - self._clock()))

    # --- private

    def _record(self, operation: Operation) -> None:
        with self._state.lock:
            self._state.record(operation)

    def _submit(self, operation: Operation) -> SyncFuture:
        self._record(operation)
        return self._next()

    def _next(self) -> Future[None] | None:
        future = self._synchronizer.next()
        if future is None:
            # The store is lost, and the local circuit may have changed.
            self._announce()
        return future

    def _announce(self) -> None:
        """Report to the breaker what has changed, each change once. A slow store is no change: it may still answer."""
        state = self._state
        with state.lock:
            state.become_lost_if_silent()
            before, error_before = self._known_circuit, self._known_error
            after = self._known_circuit = state.circuit
            error = self._known_error = error_before if state.status is StoreStatus.SLOW else state.error
        # Another thread may announce later changes now. It does not repeat these.
        has_moved = before.generation != after.generation or before.override is not after.override
        if has_moved or (before.limit is not after.limit and before.is_limited != after.is_limited):
            self._setup.on_change(before, after, state.now())
        # Another error of the same loss is no change: a call was overdue, and then it failed.
        if (error is None) != (error_before is None):
            self._setup.on_store(error)
