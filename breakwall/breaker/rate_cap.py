"""An operator's cap: so many background calls a second may all processes together start, whatever the circuit says."""

import math
import threading
from typing import TypeVar

from breakwall.breaker.circuit.fleet_limit import FleetLimit
from breakwall.breaker.token_bucket import TokenBucket, turn_of

# A process that uses its share says so in the circuit's row once in so many seconds: twice before it would expire.
REPORT_INTERVAL = 1.0


Number = TypeVar("Number", int, float)


def lower(first: Number | None, second: Number | None) -> Number | None:
    """The lower of two numbers of which each may be None: any number."""
    return min((number for number in (first, second) if number is not None), default=None)


class RateCap:
    """This process's share of the cap. Safe for threads; ``now`` is monotonic seconds.

    The processes that use it share the cap; the circuit's row names them. A process that it does not name yet has no
    share, so that several that come at once do not exceed the cap. Where the row cannot tell, because the store is
    lost, the circuit is not closed, or it is in this process's memory, each has the share of one of ``processes``.
    """

    def __init__(self, *, is_shared: bool) -> None:
        """``is_shared``: whether other processes read in the circuit's row what this one reports."""
        self._is_shared = is_shared
        self.per_second: float | None = None
        self._processes = 1
        self.reset(0.0)

    def reset(self, now: float) -> None:
        """Begin anew, in a forked child. The cap stays."""
        self._lock = threading.Lock()
        self._bucket = TokenBucket()
        self._takers, self._is_named = 1, False
        self._is_lost = False
        self._started_at = self._reported_at = -math.inf
        self._share(now)

    def set(self, per_second: float | None, processes: int, now: float) -> None:
        """The cap from now on; None: none. ``processes``: how many may share it, if the row cannot tell."""
        with self._lock:
            self.per_second, self._processes = per_second, max(1, processes)
            self._share(now)

    def follow(
        self, fleet: FleetLimit | None, own_id: str, now: float, store_now: float, *, is_lost: bool
    ) -> None:
        """Take over who shares the cap. ``is_lost``: the row cannot tell now, and the last known shares hold on."""
        takers = [] if fleet is None else [each.id for each in fleet.processes if each.capped]
        with self._lock:
            self._is_named, self._is_lost = own_id in takers, is_lost
            self._takers = max(len(takers), self._takers if is_lost else 1)
            self._share(now)
            if self._is_named and not is_lost:
                # From the same moment as the turns under the fleet's rate, else one waits for the other.
                since = (fleet and fleet.hold_until) or 0.0
                self._bucket.take_turns(turn_of(own_id, takers), since, now, store_now)

    def take(self, now: float) -> float:
        """Take the turn of one call that starts now. Returns 0.0, or the seconds until there may be one."""
        if self.per_second is None:
            return 0.0
        with self._lock:
            wait = self._bucket.wait(now)
            if wait == 0:
                self._bucket.take(now)
                self._started_at = now
            return wait

    def put_back(self) -> None:
        """The call whose turn was taken did not start."""
        with self._lock:
            self._bucket.put_back()

    def turns(self, now: float) -> int | None:
        """How many calls may start now; None is any number."""
        if self.per_second is None:
            return None
        with self._lock:
            return self._bucket.tokens(now)

    def wait(self, now: float) -> float:
        """Seconds until a call may start; 0.0 if it may now."""
        if self.per_second is None:
            return 0.0
        with self._lock:
            return self._bucket.wait(now)

    def takes(self, now: float) -> bool:
        """Whether this process has used its share a moment ago, or has none yet."""
        if self.per_second is None:
            return False
        with self._lock:
            return not self._bucket.is_full(now) or now < self._started_at + REPORT_INTERVAL

    def needs_report(self, now: float) -> bool:
        """Whether the other processes should hear that this one takes part."""
        return self.takes(now) and (not self._is_named or now >= self._reported_at + REPORT_INTERVAL)

    def reported(self, now: float) -> None:
        self._reported_at = now

    def _share(self, now: float) -> None:
        if self.per_second is None:
            self._bucket.set_rate(None, now)
        elif not self._is_shared or self._is_lost:
            self._bucket.set_rate(self.per_second / max(self._takers, self._processes), now)
        else:
            self._bucket.set_rate(self.per_second / self._takers if self._is_named else 0.0, now)
