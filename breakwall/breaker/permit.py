"""The right to one call, and how its result is recorded."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from breakwall.breaker import forking
from breakwall.breaker.calls_in_hand import CallsInHand
from breakwall.breaker.circuit.state import CallOutcome
from breakwall.breaker.classification import classify, classify_result
from breakwall.breaker.config import CircuitBreakerConfig
from breakwall.breaker.hang_detector import RunningCall
from breakwall.breaker.metrics import CallCounts
from breakwall.breaker.rate_cap import RateCap
from breakwall.breaker.sync.fast_path import FastPath
from breakwall.breaker.sync.memory import MemoryReplica
from breakwall.breaker.sync.replica import Steps, SyncFuture
from breakwall.breaker.sync.shared import SharedReplica

Replica = MemoryReplica | SharedReplica

# Seconds. A longer pause is no matter of a rate: the service wants to be left alone, and live calls need not try.
LONGEST_RATE_PAUSE = 5.0
RATE_PAUSE = 0.5  # Seconds without background calls, if the service does not say how long.


@dataclass(frozen=True, slots=True)
class Recorder:
    """Where one breaker's permits record the results of their calls."""

    config: CircuitBreakerConfig
    clock: Callable[[], float]
    counts: CallCounts
    replica: Replica
    calls: CallsInHand | None  # None without ``config.adaptive_limit``.
    cap: RateCap


class Permit:
    """The right to one call. Record its result once; a second result changes nothing.

    As a context manager it records the result itself: a success if the block ends normally, else what
    `CircuitBreaker.classify` says of the exception.

    A probe's permit is a lease, which expires a little after ``config.timeout``. Until it expires or its result is
    recorded, it takes one of the ``half_open_max_calls`` slots.
    """

    __slots__ = ("_call", "_fast_path", "_later", "_lease_id", "_open", "_recorder", "_started_at")

    def __init__(
        self,
        recorder: Recorder,
        *,
        fast_path: FastPath | None = None,
        lease_id: str | None = None,
        call: RunningCall | None = None,
    ) -> None:
        self._recorder = recorder
        self._fast_path = fast_path
        self._lease_id = lease_id
        self._call = call
        self._open = [True]
        self._later: list[SyncFuture] | None = None
        self._started_at = recorder.clock()

    @property
    def is_probe(self) -> bool:
        """Whether the circuit is half-open and waits for this call's result."""
        return self._lease_id is not None

    def prepare(self) -> None:
        """The request is sent later, when `sent` is called: something else, such as a transaction, comes before it.

        The service is judged by the age of its calls (``config.adaptive_limit``), and that is not its time.
        """
        if self._call is not None and self._recorder.calls is not None:
            self._call = self._recorder.calls.prepare(self._call)

    def sent(self) -> None:
        """The request that `prepare` has announced is sent now."""
        if self._call is not None and self._recorder.calls is not None:
            self._call = self._recorder.calls.sent(self._call)

    def record_success(self) -> None:
        """The service answered; a decline is an answer too. A slow answer counts as a failure."""
        limit = self._recorder.config.slow_call_duration
        slow = limit is not None and self._recorder.clock() - self._started_at > limit
        self._record(CallOutcome.FAILURE if slow else CallOutcome.SUCCESS, slow=slow)

    def record_failure(self, retry_after: float | None = None) -> None:
        """The service failed, or it asked its callers to wait for ``retry_after`` seconds.

        With ``retry_after`` the circuit opens at once, for that time and at most ``config.max_retry_after``. None, 0,
        NaN and negative numbers count as an ordinary failure.
        """
        asked = retry_after is not None and retry_after > 0
        hold = min(retry_after or 0.0, self._recorder.config.max_retry_after) if asked else None
        self._record(CallOutcome.FAILURE, hold=hold)

    def record_throttled(self, retry_after: float | None = None) -> None:
        """The service refused the call because too many came in a second (HTTP 429). Nothing was done.

        With ``config.adaptive_limit`` the background's calls a second become fewer, in all processes, and none is
        started for ``retry_after`` seconds. If that is more than five seconds, or without the limit, the circuit opens
        for that time, as for `record_failure`. A probe always does that. Without ``retry_after`` nothing opens.
        """
        calls, call = self._recorder.calls, self._call
        asked = retry_after if retry_after is not None and retry_after > 0 else 0.0
        if calls is not None and call is not None and self._lease_id is None and asked <= LONGEST_RATE_PAUSE:
            if self._open:
                calls.throttled(call, asked or RATE_PAUSE)
            self.release()
        elif asked:
            self.record_failure(asked)
        else:
            self.release()

    def release(self) -> None:
        """The call says nothing about the service: free the permit."""
        self._record(CallOutcome.NEUTRAL)

    def record_exception(self, error: BaseException) -> CallOutcome:
        """Record what the call's exception counts as by the configuration, and return it."""
        try:
            outcome = classify(error, self._recorder.config)
        # A signal has interrupted a predicate: a probe's slot must be free again.
        except BaseException:
            self.release()
            raise
        if outcome is CallOutcome.SUCCESS:
            self.record_success()
        else:
            self._record(outcome)
        return outcome

    def record_result(self, result: object) -> CallOutcome:
        """Record what the call's result counts as by ``config.is_failed_result``, and return it.

        Without that predicate each result is a success. A slow answer counts as a failure in any case.
        """
        try:
            outcome = classify_result(result, self._recorder.config)
        except BaseException:  # As above.
            self.release()
            raise
        if outcome is CallOutcome.SUCCESS:
            self.record_success()
        else:
            self._record(outcome)
        return outcome

    def record_end(self, error: BaseException | None) -> None:
        """The call has ended, with ``error`` or without: record it, as a ``with`` block does."""
        if error is None:
            self.record_success()
        else:
            self.record_exception(error)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        self.record_end(error)

    def _record(self, outcome: CallOutcome, *, slow: bool = False, hold: float | None = None) -> None:
        try:
            # Atomic between threads. To test a flag and then set it would not be.
            self._open.pop()
        except IndexError:
            return
        counts = True
        if self._call is not None and self._recorder.calls is not None:
            counts = self._recorder.calls.end(self._call, outcome)
        if outcome is CallOutcome.SUCCESS and self._fast_path is not None:
            self._fast_path.succeed()
            return
        forking.notice()
        recorder, future = self._recorder, None
        recorder.counts.count(outcome)
        if self._lease_id is not None:
            future = recorder.replica.record_probe(self._lease_id, outcome, hold)
        elif outcome is CallOutcome.FAILURE and self._fast_path is not None and (counts or hold is not None):
            generation = self._fast_path.generation
            future = recorder.replica.record_failure(generation, slow=slow, hold=hold)
        if self._later is not None:
            self._later.append(future)
        elif future is not None:
            recorder.replica.wait(future)

    @property
    def is_running(self) -> bool:
        """Whether its call may still run: no result is recorded, and it is younger than a lease."""
        lasted = self._recorder.clock() - self._started_at
        return bool(self._open) and lasted < self._recorder.config.lease_seconds

    def is_probe_of(self, recorder: Recorder) -> bool:
        """Whether it is a running probe of this breaker's circuit, and the circuit still waits for it."""
        if self._recorder is not recorder or self._lease_id is None or not self.is_running:
            return False
        # If the circuit has opened since and is half-open again, it waits for other probes.
        return recorder.replica.circuit.holds(self._lease_id)

    def wait_later(self) -> list[SyncFuture]:
        """From now on, record without waiting for the store. The returned list collects the futures to wait for."""
        self._later = []
        return self._later


class PermitBlock:
    """``async with``: takes a permit at the start and records the result at the end, as `Permit` does.

    At the start it raises `CircuitBreakerError` if the circuit refuses the call.
    """

    def __init__(self, replica: Replica, admit: Callable[[], Steps[Permit]]) -> None:
        self._replica = replica
        self._admit = admit

    async def __aenter__(self) -> Permit:
        self._permit = await self._replica.run_async(self._admit())
        self._later = self._permit.wait_later()
        return self._permit

    async def __aexit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        self._permit.record_end(error)
        await wait_for_all(self._replica, self._later, error)


async def wait_for_all(replica: Replica, later: list[SyncFuture], error: BaseException | None) -> None:
    """Wait for what `Permit.wait_later` has collected, after a call that raised ``error``, if any."""
    # A coroutine that is being closed must not wait. The store's thread stores the result in the background.
    if not isinstance(error, GeneratorExit):
        for future in later:
            await replica.wait_async(future)
