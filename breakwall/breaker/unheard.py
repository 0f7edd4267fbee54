"""What a member has seen before it first spoke with its store, each with its time.

Until then it knows neither the fleet's circuit nor its generation, and judges by a local one. So that an outage
that begins with a fleet's start is not forgotten, it tells what it has seen when the contact comes: what is still
within the window, as old as it is, and nothing from before the circuit last changed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import replace

from breakwall.breaker import transitions
from breakwall.breaker.changes import Change, HoldOpen, Outcomes, Settlement
from breakwall.breaker.circuit import CallOutcome, Circuit
from breakwall.breaker.config import CircuitBreakerConfig
from breakwall.breaker.evidence import Bucket, Report, slice_width
from breakwall.breaker.timetable import NEVER

# A hundred seconds of the default's tenths. Where a window is longer, the latest of it say enough.
MOST_BUCKETS = 1000


class Unheard:
    """Its owner's lock guards it. Times are the member's own until `told_to`.

    Args:
        clock: the store's time, as far as the member can tell.

    Attributes:
        told: whether an exchange has taken it along, so that it may have arrived.
    """

    def __init__(self, config: CircuitBreakerConfig, member: str, clock: Callable[[], float]) -> None:
        self._config = config
        self._member = member
        self._clock = clock
        self._buckets: deque[Bucket] = deque(maxlen=MOST_BUCKETS)
        self._asked_at = self._hold_until = NEVER
        self.told = False

    def take(self, change: Change) -> bool:
        """Keep what ``change`` says of the service, if it says anything; whether that is all there is to it."""
        if isinstance(change, Outcomes):
            self._count(change.report)
            return True
        if isinstance(change, HoldOpen):
            self._hold(change.seconds)
            return True
        if isinstance(change, Settlement):
            self._count(_report(change))
            if change.hold is not None:
                self._hold(change.hold)
        return False

    def told_to(self, circuit: Circuit, now: float, luck: float) -> Circuit:
        """The circuit that the store has, with this in it; ``now`` is the store's clock."""
        self.told = True
        shift = now - self._clock()
        buckets = [replace(bucket, start=bucket.start + shift) for bucket in self._buckets]
        told = transitions.record_earlier(circuit, self._config, now, luck, self._member, buckets)
        return transitions.hold_open_since(
            told, now, said_at=self._asked_at + shift, until=self._hold_until + shift
        )

    def _count(self, report: Report) -> None:
        now = self._clock()
        if not self._buckets or now - self._buckets[-1].start >= slice_width(self._config):
            self._buckets.append(Bucket(now))
        last = self._buckets[-1]
        self._buckets[-1] = Bucket(
            last.start,
            last.successes + report.successes,
            last.failures + report.failures,
            last.slow + report.slow,
        )

    def _hold(self, seconds: float) -> None:
        self._asked_at = self._clock()
        self._hold_until = max(self._hold_until, self._asked_at + seconds)


def _report(probe: Settlement) -> Report:
    """A local circuit's probe, as the call that it was."""
    succeeded, failed = (probe.outcome is outcome for outcome in (CallOutcome.SUCCESS, CallOutcome.FAILURE))
    return Report(0, "", successes=int(succeeded), failures=int(failed))
