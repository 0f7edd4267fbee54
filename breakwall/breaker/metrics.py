"""A breaker's status and metrics, and the counts behind them."""

import threading
from collections import deque
from dataclasses import dataclass

from breakwall.breaker.circuit.state import CallOutcome, CircuitState, Override
from breakwall.breaker.sync.fast_path import FastPath

# Successes of the last 16 generations are still counted when a late call ends.
FAST_PATHS_KEPT = 16


@dataclass(frozen=True, slots=True)
class BreakerStatus:
    """The circuit as this process sees it. All times are seconds; moments are on the store's clock.

    Attributes:
        name: the circuit's.
        state: the computed, effective state: an open circuit that would admit a probe is ``HALF_OPEN``.
        slots: how many calls would be let through now; None is any number.
        retry_after: after how long to try again; 0.0 if a call would be let through now.
        generation: how many transitions there have been.
        failure_count: failures and slow calls in the window; if the circuit is not closed, those that opened it.
        success_count: successes in the window that have been reported.
        opened_at, open_until: the open interval; None while closed.
        last_failure_at: when a failure was last reported.
        open_count: how often the circuit has opened, ever.
        override: an operator's, if one is in force; it changes ``slots`` and ``retry_after``, not ``state``.
        store_ok: whether the store answers; if not, this is the status of a local circuit.
        store_error: the class name of the error with which the store was lost.
        store_time: the store's clock.
        limit: how many calls all processes together may have in hand; None if there is no limit.
        in_hand: how many they have, as far as this process knows; exact for its own. Counted with
            ``config.adaptive_limit`` only, else 0.
        background_slots: how many background calls this process may start now; None is any number.
        hanging: whether too many calls of this process are overdue, so that none is started now.
        rate: how many background calls a second all processes together may start; None is any number.
        background_wait: seconds until this process may start a background call by that rate; 0.0 if it may now.
        half_open_count, close_count: how often the circuit has become half-open, and closed again, ever. With
            ``open_count`` they add up to ``generation``.
        passing_since: since when calls have been let through: the circuit has closed then, or its open interval has
            ended, or an override has been set, lifted or has expired. None if no call is let through now, or if none
            of these has happened.
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
    limit: int | None = None
    in_hand: int = 0
    background_slots: int | None = None
    hanging: bool = False
    rate: float | None = None
    background_wait: float = 0.0
    half_open_count: int = 0
    close_count: int = 0
    passing_since: float | None = None


@dataclass(frozen=True, slots=True)
class BreakerMetrics:
    """Counts of this process's calls, and four values of the circuit.

    Attributes:
        state: the effective state, without overrides.
        total_calls: calls that were let through and have ended, including neutral ones.
        successful_calls, failed_calls: of these; a slow call has failed.
        rejected_calls: calls that were refused.
        success_rate: the share of successes in successes and failures, 0 to 1; 1.0 before the first call.
        failure_count: as in `BreakerStatus`, over all processes.
        circuit_open_count: how often the circuit has opened, over all processes.
        last_failure_time: when a process last reported a failure; seconds since the epoch.
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


class CallCounts:
    """This process's counts. A fast path counts its own successes."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self._lock = threading.Lock()
        self._counts = dict.fromkeys(CallOutcome, 0)
        self._refused = 0
        self._fast_paths: deque[FastPath] = deque()

    def watch(self, fast_path: FastPath) -> None:
        """Count the successes of ``fast_path`` too."""
        with self._lock:
            if self._fast_paths and self._fast_paths[-1] is fast_path:
                return
            self._fast_paths.append(fast_path)
            if len(self._fast_paths) > FAST_PATHS_KEPT:
                self._counts[CallOutcome.SUCCESS] += self._fast_paths.popleft().successes()

    def count(self, outcome: CallOutcome) -> None:
        with self._lock:
            self._counts[outcome] += 1

    def count_refusal(self) -> None:
        with self._lock:
            self._refused += 1

    def read(self) -> tuple[int, int, int, int]:
        """Successes, failures, neutral calls and refusals."""
        with self._lock:
            successes = self._counts[CallOutcome.SUCCESS] + sum(path.successes() for path in self._fast_paths)
            failures, neutral = self._counts[CallOutcome.FAILURE], self._counts[CallOutcome.NEUTRAL]
            return successes, failures, neutral, self._refused
