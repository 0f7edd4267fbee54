"""What a breaker has seen before its store answered for the first time, each outcome with its time.

Until then the breaker knows neither the fleet's circuit nor its generation, and judges by a local one. So that an
outage that begins with a fleet's start is not forgotten, it tells the store later what it has seen: what is still
within the window, as old as it is, and nothing from before the circuit last changed.
"""

from __future__ import annotations

from collections import deque
from dataclasses import replace

from breakwall.breaker.circuit import transitions
from breakwall.breaker.circuit.operations import HoldOpen, Operation, RecordOutcomes, RecordProbe
from breakwall.breaker.circuit.state import CallOutcome, Circuit
from breakwall.breaker.circuit.window import Bucket, CounterDelta, recent_width
from breakwall.breaker.config import CircuitBreakerConfig
from breakwall.breaker.sync.fast_path import NEVER

# A hundred seconds of the default's tenths. In a longer window, the latest of it say enough.
MOST_BUCKETS = 1000


class EarlyOutcomes:
    """Times are the breaker's own idea of the store's. Its owner's lock guards it until a synchronization takes it.

    Attributes:
        may_be_stored: whether a synchronization has come so far that it may have arrived.
    """

    def __init__(self) -> None:
        self.may_be_stored = False
        self._buckets: deque[Bucket] = deque(maxlen=MOST_BUCKETS)
        self._asked_at = self._hold_until = NEVER

    def __bool__(self) -> bool:
        return bool(self._buckets) or self._hold_until > NEVER

    def take(self, operation: Operation, config: CircuitBreakerConfig, now: float) -> bool:
        """Keep what ``operation`` says about the service. Returns whether nothing else is to be done with it."""
        if isinstance(operation, RecordOutcomes):
            self._count(operation.delta, config, now)
            return True
        if isinstance(operation, HoldOpen):
            self._hold(operation.seconds, now)
            return True
        if isinstance(operation, RecordProbe):
            # A local circuit's probe counts as the call that it was.
            succeeded = operation.outcome is CallOutcome.SUCCESS
            failed = operation.outcome is CallOutcome.FAILURE
            self._count(CounterDelta(0, "", int(succeeded), int(failed)), config, now)
            if operation.hold is not None:
                self._hold(operation.hold, now)
        return False

    def add_later(self, later: EarlyOutcomes) -> None:
        """Take in what was counted since a synchronization has taken this, which did not arrive."""
        self.may_be_stored = False
        self._buckets.extend(later._buckets)
        self._asked_at = max(self._asked_at, later._asked_at)
        self._hold_until = max(self._hold_until, later._hold_until)

    def apply(
        self,
        circuit: Circuit,
        config: CircuitBreakerConfig,
        now: float,
        jitter: float,
        *,
        member: str,
        shift: float,
    ) -> Circuit:
        """The store's ``circuit`` with all this in it; the store's clock is ``shift`` ahead of the times here."""
        self.may_be_stored = True
        buckets = [replace(bucket, start=bucket.start + shift) for bucket in self._buckets]
        recorded = transitions.record_earlier(circuit, config, now, jitter, member, buckets)
        return transitions.hold_open_since(
            recorded, now, asked_at=self._asked_at + shift, until=self._hold_until + shift
        )

    def _count(self, delta: CounterDelta, config: CircuitBreakerConfig, now: float) -> None:
        if not self._buckets or now - self._buckets[-1].start >= recent_width(config):
            self._buckets.append(Bucket(now))
        last = self._buckets[-1]
        self._buckets[-1] = Bucket(
            last.start,
            last.successes + delta.successes,
            last.failures + delta.failures,
            last.slow + delta.slow,
        )

    def _hold(self, seconds: float, now: float) -> None:
        self._asked_at = now
        self._hold_until = max(self._hold_until, now + seconds)
