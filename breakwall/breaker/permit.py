"""The right to one call, and what becomes of its result."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from types import TracebackType

from breakwall.breaker.changes import HoldOpen, Settlement
from breakwall.breaker.circuit import CallOutcome
from breakwall.breaker.config import CircuitBreakerConfig
from breakwall.breaker.errors import CircuitBreakerError
from breakwall.breaker.lane import Lane
from breakwall.breaker.measures import Tally
from breakwall.breaker.replica import Replica
from breakwall.breaker.waiter import Steps, Waiter


@dataclass(frozen=True, slots=True)
class Result:
    """How a call went. ``hold``: the seconds for which the service asked to be left alone, if it did."""

    outcome: CallOutcome
    slow: bool = False
    hold: float | None = None


@dataclass(frozen=True, slots=True)
class Books:
    """Where the results of calls are entered."""

    config: CircuitBreakerConfig
    clock: Callable[[], float]
    tally: Tally
    replica: Replica

    def classify(self, error: BaseException) -> CallOutcome:
        """What an exception out of a call says about the service."""
        if isinstance(error, BaseExceptionGroup) and not self._names(error):
            return _of_all({self.classify(inner) for inner in error.exceptions})
        # Out of a call within this one, to whichever circuit: that one sent nothing, and here it is not
        # the service that spoke.
        if isinstance(error, (CircuitBreakerError, self.config.neutral_exception)):
            return CallOutcome.NEUTRAL
        if isinstance(error, self.config.expected_exception):
            return CallOutcome.FAILURE
        # Cancellation, an interrupt and an exit are no `Exception`: they come from this side.
        return CallOutcome.SUCCESS if isinstance(error, Exception) else CallOutcome.NEUTRAL

    def _names(self, group: BaseExceptionGroup[BaseException]) -> bool:
        """Whether the configuration speaks of groups of this kind, and so of more than what is in them."""
        return any(
            issubclass(kind, BaseExceptionGroup) and isinstance(group, kind)
            for chosen in (self.config.neutral_exception, self.config.expected_exception)
            for kind in (chosen if isinstance(chosen, tuple) else (chosen,))
        )

    def settle(self, result: Result, lane: Lane | None, lease_id: str | None) -> Steps[None]:
        """Enter the result of a call that was let through on ``lane``, or as a probe."""
        if result.outcome is CallOutcome.SUCCESS and lane is not None:
            lane.succeed()
            return
        self.tally.count(result.outcome)
        hold = None if result.hold is None else min(result.hold, self.config.max_retry_after)
        if lease_id is not None:
            yield from self.replica.submit(Settlement(lease_id, result.outcome, hold))
        elif result.outcome is CallOutcome.FAILURE and lane is not None:
            if hold is not None:
                yield from self.replica.submit(HoldOpen(lane.generation, hold))
            yield from self.replica.fail(lane.generation, slow=result.slow)


def _of_all(outcomes: set[CallOutcome]) -> CallOutcome:
    """What a group counts as: a failure if there is one in it, else a success if the service answered one."""
    for outcome in (CallOutcome.FAILURE, CallOutcome.SUCCESS):
        if outcome in outcomes:
            return outcome
    return CallOutcome.NEUTRAL


# The probes whose calls the running code is a part of; those that are settled count no more.
_held: ContextVar[tuple[Permit, ...]] = ContextVar("breakwall_probes", default=())


@contextlib.contextmanager
def within(permit: Permit) -> Iterator[None]:
    """The call that was let through with ``permit`` runs: calls in it on the same circuit are part of it.

    Only for what begins and ends in one piece. A generator gives way to its reader in the middle of a
    block, and what the reader does then would be taken for a part of it too.
    """
    if not permit.is_probe:
        yield
        return
    token = _held.set((*(other for other in _held.get() if other.is_out), permit))
    try:
        yield
    finally:
        # A coroutine may be closed in another context than it ran in: that one holds nothing.
        with contextlib.suppress(ValueError):
            _held.reset(token)


def leave_probes() -> None:
    """Be part of no probe, in a forked child: those are its parent's."""
    _held.set(())


def is_within_probe(books: Books) -> bool:
    """Whether the running code is part of a probe of the circuit with these ``books``."""
    return any(permit.covers(books) for permit in _held.get())


class Permit:
    """The right to one call. Settle it once; more often is nothing.

    As a context manager it settles itself: success when the block ends, or what
    `CircuitBreaker.classify` says of the exception that left it.

    A probe's permit is a lease, which runs out a little after ``config.timeout``. Until it is settled or
    has run out it takes one of the ``half_open_max_calls`` places.
    """

    __slots__ = ("_books", "_lane", "_later", "_lease_id", "_open", "_started_at")

    def __init__(self, books: Books, *, lane: Lane | None = None, lease_id: str | None = None) -> None:
        self._books = books
        self._lane = lane
        self._lease_id = lease_id
        self._open = [True]
        self._later: list[Steps[None]] | None = None
        self._started_at = books.clock()

    @property
    def is_probe(self) -> bool:
        """Whether the circuit is half-open and waits for this call's result."""
        return self._lease_id is not None

    def record_success(self) -> None:
        """The service answered; a decline is an answer. A slow answer counts as a failure."""
        limit = self._books.config.slow_call_duration
        slow = limit is not None and self._books.clock() - self._started_at > limit
        self._settle(Result(CallOutcome.FAILURE if slow else CallOutcome.SUCCESS, slow))

    def record_failure(self, retry_after: float | None = None) -> None:
        """The service failed; or throttles its callers, and said for how many seconds.

        With ``retry_after`` the circuit opens at once, for so long, at most ``config.max_retry_after``. One
        that is not above 0, or NaN, asks for no pause: the call has failed as any other.
        """
        asked = retry_after is not None and retry_after > 0
        self._settle(Result(CallOutcome.FAILURE, hold=retry_after if asked else None))

    def release(self) -> None:
        """Nothing was learned of the service: give the permit back."""
        self._settle(Result(CallOutcome.NEUTRAL))

    def record_exception(self, error: BaseException) -> CallOutcome:
        """What the configuration makes of an exception out of the call, which is returned too."""
        outcome = self._books.classify(error)
        if outcome is CallOutcome.SUCCESS:
            self.record_success()
        else:
            self._settle(Result(outcome))
        return outcome

    def __enter__(self) -> Permit:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end(error)

    def end(self, error: BaseException | None) -> None:
        """The call is over, with ``error`` or without; what a ``with`` block does at its end."""
        if error is None:
            self.record_success()
        else:
            self.record_exception(error)

    def _settle(self, result: Result) -> None:
        try:
            # Atomic between threads, where testing a flag and setting it would not be.
            self._open.pop()
        except IndexError:
            return
        steps = self._books.settle(result, self._lane, self._lease_id)
        if self._later is None:
            self._books.replica.waiter.run(steps)
        else:
            self._later.append(steps)

    @property
    def is_out(self) -> bool:
        """Whether its call may still be under way: neither is it settled, nor would its lease have run out."""
        lasted = self._books.clock() - self._started_at
        return bool(self._open) and lasted < self._books.config.lease_seconds

    def covers(self, books: Books) -> bool:
        """Whether it is out, and a probe of the circuit with these ``books``, which still waits for it."""
        if self._books is not books or self._lease_id is None or not self.is_out:
            return False
        # The circuit may have opened since, and be half-open anew: it waits for other probes then.
        return books.replica.belief.circuit.holds(self._lease_id)

    def postpone(self) -> list[Steps[None]]:
        """From now on have settling only put here what is to be done: an event loop awaits it later."""
        self._later = []
        return self._later


class PermitBlock:
    """``async with``: takes a permit at the start and settles it at the end, as `Permit` does.

    Entering raises `CircuitBreakerError` when the circuit lets no call through now.
    """

    def __init__(self, waiter: Waiter, admit: Callable[[], Steps[Permit]]) -> None:
        self._waiter = waiter
        self._admit = admit

    async def __aenter__(self) -> Permit:
        self._permit = await self._waiter.run_async(self._admit())
        self._later = self._permit.postpone()
        return self._permit

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._permit.end(error)
        await settle_later(self._waiter, self._later, error)


async def settle_later(waiter: Waiter, later: list[Steps[None]], error: BaseException | None) -> None:
    """Do what `Permit.postpone` has put off, at the end of a call that raised ``error`` or nothing."""
    for steps in later:
        if isinstance(error, GeneratorExit):
            # A coroutine that is being closed must not wait: what it has to say is on its way.
            deque(steps, maxlen=0)
        else:
            await waiter.run_async(steps)
