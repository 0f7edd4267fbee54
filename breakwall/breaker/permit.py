"""The right to one call, and what becomes of its result."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType

from breakwall.breaker.circuit import CallOutcome
from breakwall.breaker.config import CircuitBreakerConfig
from breakwall.breaker.lane import Lane
from breakwall.breaker.measures import Tally
from breakwall.breaker.replica import Replica


@dataclass(frozen=True, slots=True)
class Books:
    """Where the results of calls are entered."""

    config: CircuitBreakerConfig
    clock: Callable[[], float]
    tally: Tally
    replica: Replica

    def classify(self, error: BaseException) -> CallOutcome:
        """What an exception out of a call says about the service."""
        if isinstance(error, self.config.neutral_exception):
            return CallOutcome.NEUTRAL
        if isinstance(error, self.config.expected_exception):
            return CallOutcome.FAILURE
        # Cancellation, an interrupt and an exit are no `Exception`: they come from this side.
        return CallOutcome.SUCCESS if isinstance(error, Exception) else CallOutcome.NEUTRAL

    def settle(
        self, outcome: CallOutcome, lane: Lane | None, lease_id: str | None = None, *, slow: bool = False
    ) -> None:
        """Enter the result of a call that was let through on ``lane``, or as a probe."""
        if outcome is CallOutcome.SUCCESS and lane is not None:
            lane.succeed()
            return
        self.tally.count(outcome)
        if lease_id is not None:
            self.replica.settle(lease_id, outcome)
        elif outcome is CallOutcome.FAILURE and lane is not None:
            self.replica.fail(lane.generation, slow=slow)


class Permit:
    """The right to one call. Settle it once; more often is nothing.

    As a context manager it settles itself: success when the block ends, or what
    `CircuitBreaker.classify` says of the exception that left it.

    A probe's permit is a lease, which runs out a little after ``config.timeout``. Until it is settled or
    has run out it takes one of the ``half_open_max_calls`` places.
    """

    __slots__ = ("_books", "_lane", "_lease_id", "_open", "_started_at")

    def __init__(self, books: Books, *, lane: Lane | None = None, lease_id: str | None = None) -> None:
        self._books = books
        self._lane = lane
        self._lease_id = lease_id
        self._open = [True]
        self._started_at = books.clock()

    @property
    def is_probe(self) -> bool:
        """Whether the circuit is half-open and waits for this call's result."""
        return self._lease_id is not None

    def record_success(self) -> None:
        """The service answered; a decline is an answer. A slow answer counts as a failure."""
        limit = self._books.config.slow_call_duration
        slow = limit is not None and self._books.clock() - self._started_at > limit
        self._settle(CallOutcome.FAILURE if slow else CallOutcome.SUCCESS, slow=slow)

    def record_failure(self) -> None:
        """The service failed."""
        self._settle(CallOutcome.FAILURE)

    def release(self) -> None:
        """Nothing was learned of the service: give the permit back."""
        self._settle(CallOutcome.NEUTRAL)

    def record_exception(self, error: BaseException) -> CallOutcome:
        """What the configuration makes of an exception out of the call, which is returned too."""
        outcome = self._books.classify(error)
        if outcome is CallOutcome.SUCCESS:
            self.record_success()
        else:
            self._settle(outcome)
        return outcome

    def __enter__(self) -> Permit:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.record_success()
        else:
            self.record_exception(error)

    def _settle(self, outcome: CallOutcome, *, slow: bool = False) -> None:
        try:
            # Atomic between threads, where testing a flag and setting it would not be.
            self._open.pop()
        except IndexError:
            return
        self._books.settle(outcome, self._lane, self._lease_id, slow=slow)
