"""The sliding window: how many recent calls succeeded and failed, and whether that is an outage.

A reporter is one breaker object in one process; each has a random id. Failures reach a shared window at once, or within
half a refresh interval after lost races. Successes come in batches, once in a refresh interval. So between two batches
the window can look worse than the service is; `Window.assess` allows for that.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from operator import attrgetter

from breakwall.breaker.config import CircuitBreakerConfig

# The window slides in twentieths: an outcome counts for 95 to 100 % of the configured time.
BUCKETS = 20
# The newest outcomes are counted a second time, in three buckets of half a refresh interval each. Together they cover
# at least one whole interval, in which every busy reporter reports. In a shorter time failures, which arrive first,
# would outweigh successes that have not arrived yet.
RECENT_BUCKETS = 3


@dataclass(frozen=True, slots=True)
class CounterDelta:
    """What one reporter counted in one generation since it last reported."""

    generation: int  # Of the circuit, when the calls began. Outcomes of another generation do not count.
    reporter_id: str
    successes: int = 0
    failures: int = 0
    slow: int = 0  # Slow calls are counted here only, not as successes or failures.

    def __bool__(self) -> bool:
        return bool(self.successes or self.failures or self.slow)

    def __add__(self, later: CounterDelta) -> CounterDelta:
        total = Bucket(0) + self + later
        return replace(later, successes=total.successes, failures=total.failures, slow=total.slow)


@dataclass(frozen=True, slots=True)
class Bucket:
    """Outcomes of a part of the window that began at ``start``, on the store's clock.

    ``start`` is a time and not a bucket's number. So while a new configuration is rolled out, processes with different
    windows can still read each other's buckets.
    """

    start: float
    successes: int = 0
    failures: int = 0
    slow: int = 0

    @property
    def bad(self) -> int:
        return self.failures + self.slow

    @property
    def calls(self) -> int:
        return self.successes + self.failures + self.slow

    def __add__(self, more: Bucket | CounterDelta) -> Bucket:
        """This bucket with ``more`` outcomes in it."""
        return Bucket(
            self.start,
            self.successes + more.successes,
            self.failures + more.failures,
            self.slow + more.slow,
        )


@dataclass(frozen=True, slots=True)
class Reporter:
    """A reporter, and when it last reported."""

    id: str
    at: float


class Assessment(Enum):
    """``SUSPECT``: the counts look like an outage, but successes of other reporters may not have arrived yet."""

    HEALTHY = "healthy"
    SUSPECT = "suspect"
    FAILING = "failing"


@dataclass(frozen=True, slots=True)
class Window:
    """The outcomes of one generation."""

    buckets: tuple[Bucket, ...] = ()  # Oldest first; only those that are not empty.
    succeeding: tuple[Reporter, ...] = ()  # The last two that reported a success.
    failing: tuple[Reporter, ...] = ()  # The last two that reported a failure.
    suspected_at: float | None = None  # Since when the counts are `SUSPECT`.
    recent: tuple[Bucket, ...] = ()  # The newest outcomes once more, in shorter buckets.

    def add(self, delta: CounterDelta, config: CircuitBreakerConfig, now: float) -> Window:
        """The window with ``delta`` in it and without what is too old."""
        reporter = Reporter(delta.reporter_id, now)
        width, short = config.window / BUCKETS, recent_width(config)
        return Window(
            _grown(_live(self.buckets, BUCKETS, width, now), _start(width, now), delta),
            _with(self.succeeding, reporter) if delta.successes else self.succeeding,
            _with(self.failing, reporter) if delta.failures or delta.slow else self.failing,
            self.suspected_at,
            _grown(_live(self.recent, RECENT_BUCKETS, short, now), _start(short, now), delta),
        )

    def add_earlier(
        self, reporter_id: str, earlier: list[Bucket], config: CircuitBreakerConfig, now: float
    ) -> Window:
        """The window with what one reporter counted before it could report. Each bucket keeps its age."""
        reporter = Reporter(reporter_id, max(bucket.start for bucket in earlier))
        width, short = config.window / BUCKETS, recent_width(config)
        newest = [bucket for bucket in earlier if bucket.start > now - (RECENT_BUCKETS - 1) * short]
        succeeded, failed = any(b.successes for b in earlier), any(b.bad for b in earlier)
        return Window(
            _merged(_live(self.buckets, BUCKETS, width, now), earlier, width),
            _with(self.succeeding, reporter) if succeeded else self.succeeding,
            _with(self.failing, reporter) if failed else self.failing,
            self.suspected_at,
            _merged(_live(self.recent, RECENT_BUCKETS, short, now), newest, short),
        )

    def shifted(self, seconds: float) -> Window:
        """The same window on a clock that is ``seconds`` ahead."""

        def moved(at: float) -> float:
            return round(at + seconds, 3)

        return Window(
            tuple(replace(bucket, start=moved(bucket.start)) for bucket in self.buckets),
            tuple(replace(reporter, at=moved(reporter.at)) for reporter in self.succeeding),
            tuple(replace(reporter, at=moved(reporter.at)) for reporter in self.failing),
            None if self.suspected_at is None else moved(self.suspected_at),
            tuple(replace(bucket, start=moved(bucket.start)) for bucket in self.recent),
        )

    def total(self, config: CircuitBreakerConfig, now: float) -> Bucket:
        """All outcomes that still count, in one bucket."""
        return _total(_live(self.buckets, BUCKETS, config.window / BUCKETS, now))

    def assess(self, config: CircuitBreakerConfig, now: float) -> Assessment:
        """What the counts say, and whether they can be trusted yet.

        If only one reporter fails while others succeed, more of the others' successes may not have arrived yet. So the
        suspicion must last for one refresh interval, in which every busy reporter reports.
        """
        if not self._looks_bad(config, now):
            return Assessment.HEALTHY
        lasted = self.suspected_at is not None and now >= self.suspected_at + config.refresh_interval
        return Assessment.FAILING if lasted or not self._is_disputed(config, now) else Assessment.SUSPECT

    def _looks_bad(self, config: CircuitBreakerConfig, now: float) -> bool:
        threshold, rate = config.failure_threshold, config.failure_rate
        many = max(config.recent_calls, config.minimum_calls)
        calls = bad = 0
        for bucket in reversed(_live(self.buckets, BUCKETS, config.window / BUCKETS, now)):
            bad += bucket.failures + bucket.slow
            calls += bucket.successes + bucket.failures + bucket.slow
            # A part shorter than one interval may hold failures of reporters whose successes have not arrived yet.
            is_long = now - bucket.start >= config.refresh_interval
            if is_long and calls >= many and bad >= threshold and bad / calls >= rate:
                return True
        if bad < threshold:
            return False
        if calls >= config.minimum_calls and bad / calls >= rate:
            return True
        recent = _total(_live(self.recent, RECENT_BUCKETS, recent_width(config), now))
        return recent.bad >= threshold and recent.calls >= many and recent.bad / recent.calls >= rate

    def _is_disputed(self, config: CircuitBreakerConfig, now: float) -> bool:
        since = now - config.window
        failing = {reporter.id for reporter in self.failing if reporter.at > since}
        succeeding = {reporter.id for reporter in self.succeeding if reporter.at > since}
        return len(failing) < 2 and bool(succeeding - failing)


def recent_width(config: CircuitBreakerConfig) -> float:
    """Seconds of one bucket of ``Window.recent``."""
    return min(config.refresh_interval / (RECENT_BUCKETS - 1), config.window / BUCKETS)


def _start(width: float, now: float) -> float:
    """The start of the bucket that ``now`` is in, in whole milliseconds, as it is stored."""
    return round(int(now / width) * width, 3)


def _live(buckets: tuple[Bucket, ...], count: int, width: float, now: float) -> list[Bucket]:
    """The buckets of the last ``count`` widths.

    A process derives the store's time from the store's last answer. So its time may be ahead of another process's by
    the duration of an answer. A bucket that is further in the future was written on another clock and does not count.
    """
    # Half a width before the oldest bucket, so that rounding decides nothing.
    oldest = (int(now / width) - count + 0.5) * width
    live = []
    for bucket in buckets:
        if oldest < bucket.start <= now + width:
            live.append(bucket)
    return live


def _grown(kept: list[Bucket], start: float, delta: CounterDelta) -> tuple[Bucket, ...]:
    # The newest bucket may have been started by a process whose clock is a little ahead: use it too.
    last = kept.pop() if kept and kept[-1].start >= start else Bucket(start)
    return (*kept, last + delta)


def _total(buckets: list[Bucket]) -> Bucket:
    # Six times as fast as adding bucket to bucket.
    successes = failures = slow = 0
    for bucket in buckets:
        successes += bucket.successes
        failures += bucket.failures
        slow += bucket.slow
    return Bucket(0, successes, failures, slow)


def _merged(kept: list[Bucket], earlier: list[Bucket], width: float) -> tuple[Bucket, ...]:
    """Both, by the start of each bucket. The calls of an earlier bucket came at its start or a little later."""
    by_start = {bucket.start: bucket for bucket in kept}
    for bucket in earlier:
        start = _start(width, bucket.start)
        by_start[start] = by_start.get(start, Bucket(start)) + bucket
    return tuple(by_start[start] for start in sorted(by_start))


def _with(reporters: tuple[Reporter, ...], new: Reporter) -> tuple[Reporter, ...]:
    """The last two reporters: ``new`` is one of them unless two others reported later."""
    others = [reporter for reporter in reporters if reporter.id != new.id]
    return tuple(sorted([*others, new], key=attrgetter("at"))[-2:])
