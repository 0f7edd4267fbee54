"""What a breaker tells about itself."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass

from breakwall.breaker.circuit import CallOutcome, CircuitState, Override
from breakwall.breaker.lane import Lane

# A call may end long after the circuit has moved on, and still counts. Not for so many generations.
LANES_KEPT = 16


@dataclass(frozen=True, slots=True)
class BreakerStatus:
    """The circuit as this process sees it. Times are seconds, points in time the store's clock.

    Attributes:
        name: the circuit's.
        state: the computed, effective state: an open circuit that would admit a probe is ``HALF_OPEN``.
        slots: how many calls would be let through now: None is any number, 0 none.
        retry_after: until asking again makes sense; 0.0 when a call would be let through now.
        generation: how many transitions there have been.
        failure_count: failures and slow calls in the window; unless closed, those that opened it.
        success_count: successes in the window, as far as they have been reported.
        opened_at, open_until: the open interval; None while closed.
        last_failure_at: when a failure was last reported.
        open_count: how often the circuit has opened, ever.
        override: an operator's word in force; it goes into ``slots`` and ``retry_after``, not ``state``.
        store_ok: whether the store answered; if not, this is a local circuit's status.
        store_error: the name of the error that the store is gone with.
        store_time: the store's clock.
    """

    name: str
    state: CircuitState
    slots: int | None
    retry_after: float
    generation: int
    failure_count: int
    success_count: int
    opened_at: float | None
    open_until: float | None
    last_failure_at: float | None
    open_count: int
    override: Override | None
    store_ok: bool
    store_error: str | None
    store_time: float


@dataclass(frozen=True, slots=True)
class BreakerMetrics:
    """Counts of calls in this process, beside three pooled values of the circuit.

    Attributes:
        state: the effective state.
        total_calls: calls that were let through and have ended, neutral ones among them.
        successful_calls, failed_calls: of those; a slow call has failed.
        rejected_calls: calls that were refused.
        success_rate: successes among successes and failures, 0 to 1; 1.0 before the first.
        failure_count: as in `BreakerStatus`, over all processes.
        circuit_open_count: how often the circuit has opened, over all processes.
        last_failure_time: when a failure was last reported, over all processes; seconds since the epoch.
    """

    state: CircuitState
    total_calls: int
    successful_calls: int
    failed_calls: int
    rejected_calls: int
    success_rate: float
    failure_count: int
    circuit_open_count: int
    last_failure_time: float | None


class Tally:
    """This process's counts. Successes of closed lanes are counted by the lanes themselves."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self._lock = threading.Lock()
        self._counts = dict.fromkeys(CallOutcome, 0)
        self._rejected = 0
        self._lanes: deque[Lane] = deque()

    def watch(self, lane: Lane) -> None:
        """Count the successes of ``lane`` too."""
        with self._lock:
            if self._lanes and self._lanes[-1] is lane:
                return
            self._lanes.append(lane)
            if len(self._lanes) > LANES_KEPT:
                self._counts[CallOutcome.SUCCESS] += self._lanes.popleft().successes()

    def count(self, outcome: CallOutcome) -> None:
        with self._lock:
            self._counts[outcome] += 1

    def reject(self) -> None:
        with self._lock:
            self._rejected += 1

    def read(self) -> tuple[int, int, int, int]:
        """Successes, failures, neutral calls and rejections."""
        with self._lock:
            successes = self._counts[CallOutcome.SUCCESS] + sum(lane.successes() for lane in self._lanes)
            failures, neutral = self._counts[CallOutcome.FAILURE], self._counts[CallOutcome.NEUTRAL]
            return successes, failures, neutral, self._rejected
