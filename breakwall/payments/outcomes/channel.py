"""One destination with its circuit and its threads: what is claimed goes in, what became of it comes out."""

import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from datetime import datetime

from breakwall import tracing
from breakwall.breaker import CircuitBreaker, CircuitBreakerConfig, CircuitBreakerError, Permit
from breakwall.crashpoints import reach
from breakwall.payments.outcomes.call_pool import CallPool
from breakwall.payments.outcomes.destination import CALL_TIMEOUT, Destination, Result
from breakwall.payments.outcomes.outbox.claiming import Claimed

# Calls at once, in one worker. A listener is the shop's code in our process, so it gets few.
THREADS = {"webhook": 16, "task": 4, "listener": 4}
ENDLESS = {"listener"}  # Nothing can end their calls.
IN_HAND = 400  # Claimed at once, at most: what a fast shop takes in a second.

# Seconds of a claim: enough to wait for other calls, to call, and to be recorded.
LEASE = 60.0
RECORD_MARGIN = 10.0  # Seconds of it that are left for the record.
OVERDUE_GRACE = 1.0  # Seconds that a call with a deadline may need to notice it.

# Seconds after which a delivery that the circuit refused may be claimed again. A person may close the circuit earlier.
LONGEST_WAIT = 5.0

# Each destination has a circuit of its own. It opens at ten failures: a shop that deploys must not open it.
CIRCUIT = CircuitBreakerConfig(
    failure_threshold=10,
    recovery_timeout=30.0,
    max_recovery_timeout=300.0,
    timeout=CALL_TIMEOUT,
    minimum_calls=10,
)


def circuit_name(destination: str) -> str:
    return f"outcomes-{destination}"


@dataclass(frozen=True, slots=True)
class FinishedDelivery:
    """What became of a claim. ``result`` is None if nothing was tried; then ``wait`` says when to try, in seconds."""

    claimed: Claimed
    result: Result | None
    wait: float = 0.0


class Channel:
    """Delivers to one destination, in threads of its own.

    Args:
        clock: monotonic seconds.
        trace_of: the ``traceparent`` of an order, by its id; asked only in a process that traces.
    """

    def __init__(
        self,
        destination: Destination,
        breaker: CircuitBreaker,
        *,
        pool: CallPool | None = None,
        timeout: float = CALL_TIMEOUT,
        clock: Callable[[], float] = time.monotonic,
        trace_of: Callable[[str], str | None] = lambda order_id: None,
    ) -> None:
        self.destination, self.breaker, self.trace_of = destination, breaker, trace_of
        self.timeout, self.clock = timeout, clock
        self._finished: deque[FinishedDelivery] = deque()
        self._in_hand: dict[tuple[int, datetime], Claimed] = {}
        self._pool = pool or CallPool(
            circuit_name(destination.name),
            threads=THREADS[destination.name],
            depth=IN_HAND,
            bound=timeout + OVERDUE_GRACE,
            clock=clock,
        )

    @property
    def name(self) -> str:
        return self.destination.name

    @property
    def stuck(self) -> int:
        """How many of its threads are in calls that do not return."""
        return self._pool.stuck

    @property
    def is_blocked(self) -> bool:
        """Whether every thread is in such a call."""
        return self._pool.is_blocked

    @property
    def is_idle(self) -> bool:
        """Whether all that was started has finished, and was taken by `take_finished`."""
        return not self._in_hand

    def room(self) -> int:
        """How many deliveries may be claimed now. May wait for the circuit's store.

        None while the circuit is open, and none beside an event that may end this process.
        """
        if not (room := self._pool.room) or any(claimed.is_suspect for claimed in self._in_hand.values()):
            return 0
        slots = self.breaker.status().slots
        return room if slots is None else min(room, slots)

    def start(self, claims: Sequence[Claimed]) -> None:
        """Deliver each in a thread."""
        # All bodies in a row: between two calls each takes a processor several times as long. One that cannot be made
        # is a failure of its own delivery.
        for claimed in claims:
            with suppress(Exception):
                _ = claimed.event.body
        self._in_hand.update((_key(claimed), claimed) for claimed in claims)
        for claimed in claims:
            self._pool.submit(_Delivery(self, claimed))

    def check(self) -> None:
        """Report calls that do not return as failed."""
        self._pool.check()

    def take_finished(self) -> list[FinishedDelivery]:
        """What has finished since the last time."""
        found = []
        while self._finished:
            found.append(self._finished.popleft())
        for one in found:
            self._in_hand.pop(_key(one.claimed), None)  # A late success finishes a second time.
        return found

    def ask_to_stop(self) -> None:
        """Begin no more calls. Does not wait."""
        self._pool.ask_to_stop()

    def stop(self, timeout: float) -> None:
        """Begin no more calls, and wait at most ``timeout`` seconds for those that run."""
        self._pool.stop(timeout)

    def close(self) -> None:
        self.destination.close()
        self.breaker.close()

    def finish(self, finished: FinishedDelivery) -> None:
        self._finished.append(finished)


def _key(claimed: Claimed) -> tuple[int, datetime]:
    return claimed.event.number, claimed.until


class _Delivery:
    """One claimed delivery, as a call of the pool."""

    def __init__(self, channel: Channel, claimed: Claimed) -> None:
        self._channel, self._claimed = channel, claimed
        self.start_by = channel.clock() + LEASE - RECORD_MARGIN - channel.timeout - OVERDUE_GRACE
        self._permit: Permit | None = None
        self._is_overdue = False

    def run(self) -> None:
        channel = self._channel
        if channel.clock() >= self.start_by:
            self.drop()
            return
        try:
            self._permit = channel.breaker.acquire()
        except CircuitBreakerError as error:
            channel.finish(FinishedDelivery(self._claimed, None, min(error.retry_after, LONGEST_WAIT)))
            return
        reach("before", "deliver")
        result = self._deliver(self._permit)
        reach("after", "deliver")
        # A failure was reported when it became overdue; but if the shop has the event now, that is worth recording.
        if result.delivered or not self._is_overdue:
            channel.finish(FinishedDelivery(self._claimed, result))

    def report_overdue(self) -> None:
        self._is_overdue = True
        if self._permit is not None:
            self._permit.record_failure()
        late = Result(f"did not return within {self._channel.timeout:g} s", hung=True)
        self._channel.finish(FinishedDelivery(self._claimed, late))

    def drop(self) -> None:
        self._channel.finish(FinishedDelivery(self._claimed, None))

    def _deliver(self, permit: Permit) -> Result:
        try:
            with self._span() as span:
                result = self._channel.destination.deliver(
                    self._claimed.event, deadline=self._channel.clock() + self._channel.timeout
                )
                span.set(delivered=result.delivered)
        except (
            BaseException
        ) as error:  # a destination that breaks its promise must not take its thread with it
            result = Result(f"the {self._channel.name} failed with {type(error).__name__}")
        if result.delivered:
            permit.record_success()
        else:
            permit.record_failure(result.retry_after)
        return result

    def _span(self) -> AbstractContextManager[tracing.Span]:
        if not tracing.is_on():
            return nullcontext(tracing.OFF)
        event, channel = self._claimed.event, self._channel
        parent = channel.trace_of(event.order_id)
        about = {"order_id": event.order_id, "event": event.type, "destination": channel.name}
        return tracing.span("deliver", parent=parent, **about)
