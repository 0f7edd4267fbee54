"""The sliding window: how many calls succeeded and failed lately, and whether that looks like an outage.

A member is one breaker object in one process. Failures reach the shared window at once (after lost races within
half a refresh interval); successes come in batches. So for as long as a batch takes, the window can look worse than
the service is. `Window.assess` allows for that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum
from operator import attrgetter

from breakwall.breaker.config import CircuitBreakerConfig

# The window slides in twentieths: an outcome counts for 95 to 100 % of the configured time.
BUCKETS = 20
# The newest outcomes are counted a second time, in three buckets of half a refresh interval. Together they reach back
# one whole interval at least, in which every busy member has reported. In a shorter time failures, which arrive
# first, would outweigh successes that are still on the way.
RECENT_BUCKETS = 3


@dataclass(frozen=True, slots=True)
class CounterDelta:
    """What one member counted in one generation since it last reported.

    Attributes:
        generation: the one that the calls began in; outcomes of another generation do not count.
        member: who counted.
        successes, failures, slow: numbers of calls; a slow call is in neither of the other two.
    """

    generation: int
    member: str
    successes: int = 0
    failures: int = 0
    slow: int = 0

    def __bool__(self) -> bool:
        return bool(self.successes or self.failures or self.slow)


@dataclass(frozen=True, slots=True)
class Bucket:
    """Outcomes of a part of the window that began at ``start``, on the store's clock.

    ``start`` is a time and not a bucket's number, so members with different windows, while a change of the
    configuration is rolled out, can still read each other's buckets.
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


@dataclass(frozen=True, slots=True)
class Reporter:
    """A member, and when it last reported."""

    member: str
    at: float


class Assessment(Enum):
    """``SUSPECT``: it looks like an outage, but successes of other members may still be on the way."""

    HEALTHY = "healthy"
    SUSPECT = "suspect"
    FAILING = "failing"


@dataclass(frozen=True, slots=True)
class Window:
    """The outcomes of one generation.

    Attributes:
        buckets: oldest first, only those that hold something.
        succeeding, failing: the last two members that reported a success, a failure.
        suspected_at: since when the counts look like an outage that other members may still refute.
        recent: the newest outcomes once more, in shorter buckets.
    """

    buckets: tuple[Bucket, ...] = ()
    succeeding: tuple[Reporter, ...] = ()
    failing: tuple[Reporter, ...] = ()
    suspected_at: float | None = None
    recent: tuple[Bucket, ...] = ()

    def add(self, delta: CounterDelta, config: CircuitBreakerConfig, now: float) -> Window:
        """The window with ``delta`` in it and without what is too old."""
        reporter = Reporter(delta.member, now)
        width, short = config.window / BUCKETS, recent_width(config)
        return Window(
            _grown(_live(self.buckets, BUCKETS, width, now), _start(width, now), delta),
            _with(self.succeeding, reporter) if delta.successes else self.succeeding,
            _with(self.failing, reporter) if delta.failures or delta.slow else self.failing,
            self.suspected_at,
            _grown(_live(self.recent, RECENT_BUCKETS, short, now), _start(short, now), delta),
        )

    def add_earlier(
        self, member: str, earlier: list[Bucket], config: CircuitBreakerConfig, now: float
    ) -> Window:
        """The window with what ``member`` counted before it could report; each bucket keeps its age."""
        reporter = Reporter(member, max(bucket.start for bucket in earlier))
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
        """All that still counts, in one bucket."""
        return _total(_live(self.buckets, BUCKETS, config.window / BUCKETS, now))

    def assess(self, config: CircuitBreakerConfig, now: float) -> Assessment:
        """What the counts say, and whether to believe it yet.

        If one member alone fails while others succeed, the others' successes may still be on the way. The
        suspicion must then last for one refresh interval, in which every busy member reports.
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
            # In less than an interval there may be failures whose members' successes are still on the way.
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
        failing = {reporter.member for reporter in self.failing if reporter.at > since}
        succeeding = {reporter.member for reporter in self.succeeding if reporter.at > since}
        return len(failing) < 2 and bool(succeeding - failing)


def recent_width(config: CircuitBreakerConfig) -> float:
    """Seconds of one bucket of ``Window.recent``."""
    return min(config.refresh_interval / (RECENT_BUCKETS - 1), config.window / BUCKETS)


def _start(width: float, now: float) -> float:
    """When the bucket that ``now`` is in began. In whole milliseconds, as it is stored."""
    return round(int(now / width) * width, 3)


def _live(buckets: tuple[Bucket, ...], count: int, width: float, now: float) -> list[Bucket]:
    """The buckets of the last ``count`` widths.

    Each member derives the store's time from the store's last answer, so one may be ahead of another by the time that
    an answer takes. A bucket that lies further in the future comes from another clock and does not count.
    """
    # Half a width before the oldest: not where a rounding would decide.
    oldest = (int(now / width) - count + 0.5) * width
    live = []
    for bucket in buckets:
        if oldest < bucket.start <= now + width:
            live.append(bucket)
    return live


def _grown(kept: list[Bucket], start: float, delta: CounterDelta) -> tuple[Bucket, ...]:
    # Another member's clock may be a little ahead: the newest bucket then takes what comes.
    last = kept.pop() if kept and kept[-1].start >= start else Bucket(start)
    grown = Bucket(
        last.start,
        last.successes + delta.successes,
        last.failures + delta.failures,
        last.slow + delta.slow,
    )
    return (*kept, grown)


def _total(buckets: Sequence[Bucket]) -> Bucket:
    successes = failures = slow = 0
    for bucket in buckets:
        successes += bucket.successes
        failures += bucket.failures
        slow += bucket.slow
    return Bucket(0, successes, failures, slow)


def _merged(kept: list[Bucket], earlier: list[Bucket], width: float) -> tuple[Bucket, ...]:
    """Both, by the start of each bucket; calls of an earlier one came at its start or a little later."""
    by_start: dict[float, list[Bucket]] = {}
    for bucket in kept + [replace(bucket, start=_start(width, bucket.start)) for bucket in earlier]:
        by_start.setdefault(bucket.start, []).append(bucket)
    return tuple(replace(_total(by_start[start]), start=start) for start in sorted(by_start))


def _with(reporters: tuple[Reporter, ...], new: Reporter) -> tuple[Reporter, ...]:
    """The last two reporters, ``new`` among them unless two others reported later."""
    others = [reporter for reporter in reporters if reporter.member != new.member]
    return tuple(sorted([*others, new], key=attrgetter("at"))[-2:])
