"""The copy of a circuit that several processes share through a store."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from typing import cast

from breakwall.breaker import forking
from breakwall.breaker.circuit.operations import Advance, HoldOpen, Operation, RecordProbe, RequestLease
from breakwall.breaker.circuit.state import CallOutcome, Circuit
from breakwall.breaker.config import CircuitBreakerConfig
from breakwall.breaker.sync.fast_path import FastPath
from breakwall.breaker.sync.notifier import Notifier
from breakwall.breaker.sync.pending import ConfirmedOperation
from breakwall.breaker.sync.replica import Observer, Pending, Steps, T
from breakwall.breaker.sync.replica_state import ReplicaState, StoreStatus
from breakwall.breaker.sync.store import Store
from breakwall.breaker.sync.synchronizer import Synchronizer


class SharedReplica:
    """One breaker's copy of a circuit in a store; see `Replica`.

    Args:
        clock: the breaker's, monotonic seconds.
        jitter: 0 up to 1, at random.
    """

    def __init__(
        self,
        name: str,
        config: CircuitBreakerConfig,
        store: Store,
        observer: Observer,
        clock: Callable[[], float],
        jitter: Callable[[], float],
    ) -> None:
        self._timeout = config.store_timeout
        self._clock = clock
        self._state = ReplicaState(config, observer.on_fast_path, clock, jitter)
        self._notifier = Notifier(self._state, observer)
        self._synchronizer = Synchronizer(
            name, config, store, self._state, clock, jitter, self._notifier.announce
        )
        self.now = self._state.now

    def reset(self) -> None:
        self._state.reset()
        self._synchronizer.reset()
        self._notifier.reset()

    @property
    def circuit(self) -> Circuit:
        return self._state.circuit

    @property
    def store_error(self) -> str | None:
        return self._state.error

    @property
    def is_in_touch(self) -> bool:
        return self._state.status is StoreStatus.ANSWERING

    @property
    def fast_path(self) -> FastPath | None:
        return self._state.switch.current

    # --- before a call

    def look(self) -> Pending:
        return self._synchronizer.current_or_next() if self._state.schedule.is_due else None

    def refresh(self) -> Pending:
        if self._state.has_opened():
            return self._submit(Advance())
        if self._state.schedule.is_due and self._state.is_ripe():
            # Others have refuted the suspicion: clear it, so that the next one lasts as long again.
            self._note(Advance())
        return self.look()

    def request_lease(self, lease_id: str) -> Pending:
        return self._submit(RequestLease(lease_id))

    def has_lease(self, lease_id: str) -> bool:
        with self._state.lock:
            has_it = self._state.circuit.holds(lease_id)
            if not has_it:
                self._state.pending.withdraw_request(lease_id)
                if self._state.status.is_local:
                    # The request may be on its way, and what it gets nobody will use.
                    self._state.note(RecordProbe(lease_id, CallOutcome.NEUTRAL))
            return has_it

    def give_up_lease(self, lease_id: str) -> None:
        with self._state.lock:
            self._state.pending.withdraw_request(lease_id)
            self._state.note(RecordProbe(lease_id, CallOutcome.NEUTRAL))
        self._synchronizer.next()

    # --- after a call

    def record_probe(self, lease_id: str, outcome: CallOutcome, hold: float | None) -> Pending:
        return self._submit(RecordProbe(lease_id, outcome, hold))

    def record_failure(self, generation: int, *, slow: bool, hold: float | None) -> Pending:
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
        forking.notice()
        patience = self._patience()
        try:
            while True:
                self._wait(next(steps), patience(), for_local=False)
        except StopIteration as stop:
            return cast("T", stop.value)
        finally:
            steps.close()

    async def run_async(self, steps: Steps[T]) -> T:
        forking.notice()
        patience = self._patience()
        try:
            while True:
                await self._wait_async(next(steps), patience())
        except StopIteration as stop:
            return cast("T", stop.value)
        finally:
            steps.close()

    def wait(self, pending: Pending) -> None:
        self._wait(pending, self._patience()(), for_local=False)

    async def wait_async(self, pending: Pending) -> None:
        await self._wait_async(pending, self._patience()())

    def _patience(self) -> Callable[[], float]:
        """Tells, before each of one call's steps, for how many seconds to wait for it: all together at most the store
        time-out, and before that for the store's first answer."""
        end: float | None = None

        def left() -> float:
            nonlocal end
            if self._state.status is StoreStatus.NEW:
                return max(self._timeout, self._synchronizer.first_patience)
            end = self._clock() + self._timeout if end is None else end
            return end - self._clock()

        return left

    def _wait(self, pending: Pending, patience: float, *, for_local: bool) -> None:
        """Wait ``patience`` seconds at most. While a local circuit goes on, nobody waits but ``for_local``."""
        if pending is not None and self._is_worth_waiting(for_local=for_local):
            try:
                pending.result(max(0.0, patience))
            except TimeoutError:
                self._synchronizer.overdue(pending)
        self._notifier.announce()

    async def _wait_async(self, pending: Pending, patience: float) -> None:
        if pending is not None and not pending.done() and self._is_worth_waiting(for_local=False):
            _, late = await asyncio.wait([asyncio.wrap_future(pending)], timeout=max(0.0, patience))
            if late:
                self._synchronizer.overdue(pending)
        self._notifier.announce()

    def _is_worth_waiting(self, *, for_local: bool) -> bool:
        is_local = self._state.status.is_local
        return (for_local or not is_local) and not self._synchronizer.is_this_thread()

    # --- operators, and the end

    def confirm(self, operation: Operation, patience: float) -> bool:
        forking.notice()
        confirmed = ConfirmedOperation(operation)
        self._note(confirmed)
        future = self._synchronizer.next(at_once=True)
        if future is not None and self._synchronizer.is_this_thread():
            self._synchronizer.run(future)
        self._wait(future, patience, for_local=True)
        with self._state.lock:
            self._state.pending.withdraw(confirmed)
            confirmed.withdraw()
            return confirmed.done

    def close(self, patience: float) -> None:
        forking.notice()
        end = self._clock() + patience
        with self._state.lock:
            self._state.collect()
            unsent = bool(self._state.pending) and self._state.status is StoreStatus.ANSWERING
        if unsent:
            self._wait(self._synchronizer.next(), patience, for_local=True)
        self._synchronizer.leave(max(0.0, end - self._clock()))

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
