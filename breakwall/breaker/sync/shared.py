"""The copy of a circuit that several processes share through a store."""

import asyncio
from concurrent.futures import Future
from typing import cast

from breakwall.breaker import forking
from breakwall.breaker.circuit.operations import Advance, HoldOpen, Operation, RecordProbe, RequestLease
from breakwall.breaker.circuit.state import CallOutcome, Circuit
from breakwall.breaker.sync.fast_path import FastPath
from breakwall.breaker.sync.notifier import Notifier
from breakwall.breaker.sync.pending import ConfirmedOperation
from breakwall.breaker.sync.replica import Pending, Setup, Steps, T
from breakwall.breaker.sync.replica_state import ReplicaState, StoreStatus
from breakwall.breaker.sync.store_protocol import Store
from breakwall.breaker.sync.synchronizer import Synchronizer


class SharedReplica:
    """One breaker's copy of a circuit in a store, at most one refresh interval old. Safe for threads."""

    def __init__(self, setup: Setup, store: Store) -> None:
        self._clock = setup.clock
        self._timeout = setup.config.store_timeout
        self._state = ReplicaState(setup)
        self._notifier = Notifier(setup, self._state)
        self._synchronizer = Synchronizer(setup, store, self._state, self._notifier.announce)
        self.now = self._state.now

    def reset(self) -> None:
        """Forget everything, in a forked child: what was counted is the parent's to report."""
        self._state.reset()
        self._synchronizer.reset()
        self._notifier.reset()

    @property
    def circuit(self) -> Circuit:
        return self._state.circuit

    @property
    def store_error(self) -> str | None:
        """The name of the error that the store is slow or lost with."""
        return self._state.error

    @property
    def is_in_touch(self) -> bool:
        """Whether the store has answered ever, and the last time."""
        return self._state.status is StoreStatus.ANSWERING

    @property
    def fast_path(self) -> FastPath | None:
        """Of the closed generation, if it is closed."""
        return self._state.switch.current

    # --- before a call

    def look(self) -> Pending:
        """Have the copy renewed if it is older than the refresh interval. The circuit does not change."""
        return self._synchronizer.current_or_next() if self._state.schedule.is_due else None

    def refresh(self) -> Pending:
        """`look`, before a call: what time alone has done is stored too."""
        if self._state.has_opened():
            return self._submit(Advance())
        if self._state.schedule.is_due and self._state.is_ripe():
            # Others have refuted the suspicion: clear it, so that the next one lasts as long again.
            self._note(Advance())
        return self.look()

    def request_lease(self, lease_id: str) -> Pending:
        """Ask for a probe's lease."""
        return self._submit(RequestLease(lease_id))

    def take_lease(self, lease_id: str) -> bool:
        """Whether the lease was granted; if not, the request is taken back."""
        with self._state.lock:
            has_it = self._state.circuit.holds(lease_id)
            if not has_it:
                self._state.pending.withdraw(RequestLease(lease_id))
                if self._state.status.is_local:
                    # The request may be on its way, and what it gets nobody will use.
                    self._state.note(RecordProbe(lease_id, CallOutcome.NEUTRAL))
            return has_it

    def give_up_lease(self, lease_id: str) -> None:
        """The caller was cancelled or interrupted while it waited for the lease: nobody will use it."""
        with self._state.lock:
            self._state.pending.withdraw(RequestLease(lease_id))
            self._state.note(RecordProbe(lease_id, CallOutcome.NEUTRAL))
        self._synchronizer.next()

    # --- after a call

    def record_probe(self, lease_id: str, outcome: CallOutcome, hold: float | None) -> Pending:
        """A probe has ended; the service may have asked for a pause of ``hold`` seconds."""
        return self._submit(RecordProbe(lease_id, outcome, hold))

    def record_failure(self, generation: int, *, slow: bool, hold: float | None) -> Pending:
        """A call of the closed ``generation`` failed, or was slow."""
        with self._state.lock:
            if hold is not None:
                self._state.note(HoldOpen(generation, hold))
            noted = self._state.note_failure(generation, slow=slow)
            delay = self._state.schedule.gather_for if hold is None else 0.0
        if not noted and hold is None:
            return None
        if not delay or self._state.status.is_local:
            return self._next()
        self._synchronizer.later(delay)
        return None

    # --- waiting

    def run(self, steps: Steps[T]) -> T:
        """Take ``steps`` in this thread."""
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
        """`run` for an event loop, which is not blocked."""
        forking.notice()
        end = self._deadline()
        try:
            while True:
                await self._wait_async(next(steps), end - self._clock())
        except StopIteration as stop:
            return cast("T", stop.value)
        finally:
            steps.close()

    def wait(self, pending: Pending) -> None:
        """Wait in this thread, at most the store time-out."""
        self._wait(pending, self._deadline() - self._clock())

    async def wait_async(self, pending: Pending) -> None:
        """`wait` for an event loop."""
        await self._wait_async(pending, self._deadline() - self._clock())

    def _deadline(self) -> float:
        """Until when a call waits that begins to wait now: longer for the first contact, unless that is in vain."""
        timeout = self._timeout
        if self._state.status is StoreStatus.NEW and not self._synchronizer.thread.is_silent:
            timeout = max(timeout, self._state.schedule.first_timeout)
        return self._clock() + timeout

    def _wait(self, pending: Pending, timeout: float, *, for_local: bool = False) -> None:
        """Wait ``timeout`` seconds at most. While a local circuit goes on, nobody waits but ``for_local``."""
        if pending is not None and self._is_worth_waiting(for_local=for_local):
            try:
                pending.result(max(0.0, timeout))
            except TimeoutError:
                self._synchronizer.overdue(pending)
        self._notifier.announce()

    async def _wait_async(self, pending: Pending, timeout: float) -> None:
        if pending is not None and not pending.done() and self._is_worth_waiting(for_local=False):
            _, late = await asyncio.wait([asyncio.wrap_future(pending)], timeout=max(0.0, timeout))
            if late:
                self._synchronizer.overdue(pending)
        self._notifier.announce()

    def _is_worth_waiting(self, *, for_local: bool) -> bool:
        is_local = self._state.status.is_local
        return (for_local or not is_local) and not self._synchronizer.thread.is_this_thread()

    # --- operators, and the end

    def confirm(self, operation: Operation, timeout: float) -> bool:
        """Have ``operation`` stored within ``timeout`` seconds, or not at all; whether it was."""
        forking.notice()
        confirmed = ConfirmedOperation(operation)
        self._note(confirmed)
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

    def _note(self, operation: Operation) -> None:
        with self._state.lock:
            self._state.note(operation)

    def _submit(self, operation: Operation) -> Pending:
        self._note(operation)
        return self._next()

    def _next(self) -> Future[None] | None:
        pending = self._synchronizer.next()
        if pending is None:
            # A lost store: the local circuit may have moved.
            self._notifier.announce()
        return pending
