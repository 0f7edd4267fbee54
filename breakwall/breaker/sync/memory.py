"""A circuit in this process's memory (``memory://``), which several breakers of the process may share.

Operations are applied to it directly, without a store, a thread or any waiting.
"""

import secrets
import threading
import time
import weakref
from collections.abc import Callable
from typing import cast

from breakwall.breaker import forking
from breakwall.breaker.circuit.operations import (
    Advance,
    HoldOpen,
    Operation,
    RecordOutcomes,
    RecordProbe,
    ReportLoad,
    RequestLease,
)
from breakwall.breaker.circuit.state import CallOutcome, Circuit
from breakwall.breaker.sync.fast_path import LONG_AGO, FastPath, FastPathSwitch
from breakwall.breaker.sync.replica import Setup, Steps, SyncFuture, T


def steady_time() -> Callable[[], float]:
    """A clock that starts at the time of day and never steps back."""
    offset = time.time() - time.monotonic()
    return lambda: time.monotonic() + offset


class MemoryCircuit:
    """One circuit of this process, and the replicas of the breakers that share it."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.now = clock
        self.lock = threading.Lock()  # Needed to change ``value``, not to read it.
        self.value = Circuit()
        self.replicas: weakref.WeakSet[MemoryReplica] = weakref.WeakSet()


class MemoryReplica:
    """One breaker's access to a circuit of this process. It has the methods of `SharedReplica`."""

    store_error = None
    store_ok = True
    circuit: Circuit
    fast_path: FastPath | None

    def __init__(self, setup: Setup, memory: MemoryCircuit) -> None:
        self._setup = setup
        self._config = setup.config
        self._memory = memory
        self.now = memory.now
        self._begin()

    def reset(self) -> None:
        self._memory.lock = threading.Lock()
        self._begin()

    def _begin(self) -> None:
        self.circuit, self.fast_path = self._memory.value, None
        self._report_due = LONG_AGO
        self._switch = FastPathSwitch(secrets.token_hex(4), self._config, self._setup.on_fast_path)
        with self._memory.lock:
            self._memory.replicas.add(self)

    def shut_fast_path(self) -> None:
        """Another breaker has changed the circuit, whose lock it holds: let the next call read it."""
        self._switch.shut()

    def refresh(self) -> None:
        self._apply()

    def refresh_for_call(self) -> None:
        if self._memory.value.window.suspected_at is None:
            self._apply()
        else:
            self._apply(Advance())

    def request_lease(self, lease_id: str) -> None:
        self._apply(RequestLease(lease_id))

    def take_lease(self, lease_id: str) -> bool:
        return self.circuit.holds(lease_id)

    def release_lease(self, lease_id: str) -> None:
        self._apply(RecordProbe(lease_id, CallOutcome.NEUTRAL))

    def record_probe(self, lease_id: str, outcome: CallOutcome, hold: float | None) -> None:
        self._apply(RecordProbe(lease_id, outcome, hold))

    def record_failure(self, generation: int, *, slow: bool, hold: float | None) -> None:
        if hold is not None:
            self._apply(HoldOpen(generation, hold))
        with self._memory.lock:
            delta = self._switch.delta(generation, failures=not slow, slow=slow)
            self._change(RecordOutcomes(delta))
            before, after = self._follow()
        self._announce(before, after)

    def run(self, steps: Steps[T]) -> T:
        forking.notice()
        try:
            next(steps)
        except StopIteration as stop:
            return cast("T", stop.value)
        raise AssertionError("there is nothing to wait for")

    async def run_async(self, steps: Steps[T]) -> T:
        return self.run(steps)

    def wait(self, future: SyncFuture) -> None:
        """Return at once."""

    async def wait_async(self, future: SyncFuture) -> None:
        """Return at once."""

    def confirm(self, operation: Operation, timeout: float) -> bool:
        forking.notice()
        self._apply(operation)
        return True

    def close(self, timeout: float) -> None:
        forking.notice()
        self._apply()

    def _apply(self, *operations: Operation) -> None:
        """Record what was counted, then apply ``operations``."""
        with self._memory.lock:
            if self.fast_path is not None:
                delta = self._switch.delta(self.fast_path.generation)
                if delta.successes:
                    self._change(RecordOutcomes(delta))
            for operation in operations:
                self._change(operation)
            if self._config.adaptive_limit:
                self._report()
            before, after = self._follow()
        self._announce(before, after)

    def _report(self) -> None:
        """Report the calls in hand as often as a shared circuit does, so that both behave alike."""
        now = self._setup.clock()
        if now < self._report_due:
            return
        self._report_due = now + self._config.refresh_interval
        report = self._setup.report(self._memory.value)
        if report is not None:
            self._change(ReportLoad(report))

    def _change(self, operation: Operation) -> None:
        self._memory.value = operation.apply(
            self._memory.value, self._config, self.now(), self._setup.jitter()
        )

    def _follow(self) -> tuple[Circuit, Circuit]:
        """Take over the circuit's new value. Returns the previous value and the new one."""
        before, after = self.circuit, self._memory.value
        # A breaker's first outcome is recorded with its next call, because `Window.assess` asks which processes
        # succeed.
        is_new = self.fast_path is None or self.fast_path.generation != after.generation
        fresh_until = LONG_AGO if is_new else self._setup.clock() + self._config.refresh_interval
        override = after.override and after.override_at(self.now())
        self._switch.follow(after, override, fresh_until)
        self.circuit, self.fast_path = after, self._switch.current
        if _has_moved(before, after) or before.window.suspected_at != after.window.suspected_at:
            for replica in self._memory.replicas:
                if replica is not self:
                    replica.shut_fast_path()
        return before, after

    def _announce(self, before: Circuit, after: Circuit) -> None:
        if _has_moved(before, after):
            self._setup.on_change(before, after, self.now())


def _has_moved(before: Circuit, after: Circuit) -> bool:
    has_moved = before.generation != after.generation or before.override is not after.override
    return has_moved or (before.limit is not after.limit and before.is_limited != after.is_limited)
