"""The outcomes of calls before the store answered for the first time, each with its time.

Until then a breaker does not know the shared circuit and uses a local one. It sends these outcomes later, so that an
outage at the start of a fleet is not forgotten. Those that are older than the window, or than the last change of the
circuit, do not count.
"""

from collections import deque
from dataclasses import replace
from typing import Self

from breakwall.breaker.circuit import transitions
from breakwall.breaker.circuit.operations import HoldOpen, Operation, RecordOutcomes, RecordProbe
from breakwall.breaker.circuit.state import CallOutcome, Circuit
from breakwall.breaker.circuit.window import Bucket, CounterDelta, recent_width
from breakwall.breaker.config import CircuitBreakerConfig
from breakwall.breaker.sync.fast_path import LONG_AGO

# By default a bucket is a tenth of a second, so these are a hundred seconds. Of a longer window, the newest are enough.
MOST_BUCKETS = 1000


class EarlyOutcomes:
    """One breaker's early outcomes, in short buckets, and the longest pause that the service asked for.

    Times are the store's as this breaker derives them. The owner's lock guards it until a synchronization takes it.
    """

    def __init__(self) -> None:
        self.may_be_stored = False  # Whether a synchronization may have stored it.
        self._buckets: deque[Bucket] = deque(maxlen=MOST_BUCKETS)
        self._asked_at = self._hold_until = LONG_AGO

    def __bool__(self) -> bool:
        return bool(self._buckets) or self._hold_until > LONG_AGO

    def take(self, operation: Operation, config: CircuitBreakerConfig, now: float) -> bool:
        """Keep what ``operation`` says about the service. Returns True if the store needs nothing else of it."""
        if isinstance(operation, RecordOutcomes):
            self._count(operation.delta, config, now)
            return True
        if isinstance(operation, HoldOpen):
            self._hold(operation.seconds, now)
            return True
        if isinstance(operation, RecordProbe):
            # The local circuit admitted this probe. For the shared one it is an ordinary call.
            succeeded = operation.outcome is CallOutcome.SUCCESS
            failed = operation.outcome is CallOutcome.FAILURE
            self._count(CounterDelta(0, "", int(succeeded), int(failed)), config, now)
            if operation.hold is not None:
                self._hold(operation.hold, now)
        return False

    def add_later(self, later: Self) -> None:
        """Add what was counted since a synchronization took this and did not store it."""
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
        reporter_id: str,
        shift: float,
    ) -> Circuit:
        """Add all this to the store's ``circuit``. The store's clock is ``shift`` seconds ahead of the times here."""
        self.may_be_stored = True
        buckets = [replace(bucket, start=bucket.start + shift) for bucket in self._buckets]
        recorded = transitions.record_earlier(circuit, config, now, jitter, reporter_id, buckets)
        return transitions.hold_open_since(
            recorded, now, asked_at=self._asked_at + shift, until=self._hold_until + shift
        )

    def _count(self, delta: CounterDelta, config: CircuitBreakerConfig, now: float) -> None:
        if not self._buckets or now - self._buckets[-1].start >= recent_width(config):
            self._buckets.append(Bucket(now))
        self._buckets[-1] += delta

    def _hold(self, seconds: float, now: float) -> None:
        self._asked_at = now
        self._hold_until = max(self._hold_until, now + seconds)
