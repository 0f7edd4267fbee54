"""When to stop: what the members of a fleet have seen of a service, and whether it shows an outage.

A member is one breaker object in one process. Failures reach the shared window at once, or within half a
refresh interval after lost races; successes come in batches. So a window can look worse than the service is, for
as long as a batch takes. `Evidence.verdict` allows for that.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

from breakwall.breaker.config import CircuitBreakerConfig

# The window slides in twentieths: an outcome counts for 95 to 100 % of the configured time.
BUCKETS = 20
# Its newest outcomes are also counted in slices of half a refresh interval, three of them. So these go back
# for one whole interval at least, in which every member that is busy has reported: in a shorter time
# failures, which travel ahead, would outweigh the successes of members whose batches are on the way.
SLICES = 3


@dataclass(frozen=True, slots=True)
class Report:
    """What one member saw in one generation of the circuit since its last report.

    Attributes:
        generation: outcomes of calls that began in another generation are not evidence.
        member: whose report it is.
        successes, failures, slow: how many calls; a slow call is in none of the other two.
    """

    generation: int
    member: str
    successes: int = 0
    failures: int = 0
    slow: int = 0

    @property
    def bad(self) -> int:
        return self.failures + self.slow

    def __bool__(self) -> bool:
        return bool(self.successes or self.failures or self.slow)


@dataclass(frozen=True, slots=True)
class Bucket:
    """The outcomes of a twentieth of the window, or of a slice, that began at ``start``, store's clock.

    A time and no number of twentieths: members that were given different windows, while a change of the
    configuration is under way, still read each other's buckets.
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
        return self.successes + self.bad


@dataclass(frozen=True, slots=True)
class Witness:
    """A member, and when it last reported."""

    member: str
    at: float


class Verdict(Enum):
    HEALTHY = "healthy"
    SUSPECT = "suspect"
    FAILING = "failing"


@dataclass(frozen=True, slots=True)
class Evidence:
    """The shared window of one generation.

    Attributes:
        buckets: newest last, only those that hold something.
        slices: the newest outcomes once more, in finer steps.
        succeeding, failing: the latest two members to report a success, a failure.
        suspected_at: since when the counts look like an outage that other members' batches may refute.
    """

    buckets: tuple[Bucket, ...] = ()
    succeeding: tuple[Witness, ...] = ()
    failing: tuple[Witness, ...] = ()
    suspected_at: float | None = None
    slices: tuple[Bucket, ...] = ()

    def add(self, report: Report, config: CircuitBreakerConfig, now: float) -> Evidence:
        """The evidence with ``report`` in it and what is older than the window out of it."""
        witness = Witness(report.member, now)
        return Evidence(
            buckets=_grown(self.live(config, now), _begun(_width(config), now), report),
            succeeding=_heard(self.succeeding, witness, report.successes),
            failing=_heard(self.failing, witness, report.bad),
            suspected_at=self.suspected_at,
            slices=_grown(self._newest(config, now), _begun(slice_width(config), now), report),
        )

    def add_earlier(
        self, member: str, buckets: list[Bucket], config: CircuitBreakerConfig, now: float
    ) -> Evidence:
        """The evidence with what ``member`` saw before it could report it; each bucket as old as it is."""
        witness = Witness(member, max(bucket.start for bucket in buckets))
        fine = [bucket for bucket in buckets if bucket.start > now - (SLICES - 1) * slice_width(config)]
        return Evidence(
            buckets=_joined(self.live(config, now), buckets, _width(config)),
            succeeding=_heard(self.succeeding, witness, any(bucket.successes for bucket in buckets)),
            failing=_heard(self.failing, witness, any(bucket.bad for bucket in buckets)),
            suspected_at=self.suspected_at,
            slices=_joined(self._newest(config, now), fine, slice_width(config)),
        )

    def shifted(self, seconds: float) -> Evidence:
        """The same evidence told by a clock that is ``seconds`` ahead."""

        def moved(at: float) -> float:
            return round(at + seconds, 3)

        def heard(witnesses: tuple[Witness, ...]) -> tuple[Witness, ...]:
            return tuple(replace(witness, at=moved(witness.at)) for witness in witnesses)

        return Evidence(
            buckets=tuple(replace(bucket, start=moved(bucket.start)) for bucket in self.buckets),
            succeeding=heard(self.succeeding),
            failing=heard(self.failing),
            suspected_at=None if self.suspected_at is None else moved(self.suspected_at),
            slices=tuple(replace(part, start=moved(part.start)) for part in self.slices),
        )

    def live(self, config: CircuitBreakerConfig, now: float) -> list[Bucket]:
        """The buckets that still count, oldest first."""
        return _last(self.buckets, BUCKETS, _width(config), now)

    def verdict(self, config: CircuitBreakerConfig, now: float) -> Verdict:
        """What the counts say, and whether to believe them yet.

        One member that fails while others succeed may only look like an outage because their successes
        are still on the way. The suspicion must then outlast one refresh interval, in which every
        member that is busy reports.
        """
        if not self._looks_bad(config, now):
            return Verdict.HEALTHY
        if not self._disputed(config, now):
            return Verdict.FAILING
        if self.suspected_at is not None and now >= self.suspected_at + config.refresh_interval:
            return Verdict.FAILING
        return Verdict.SUSPECT

    def count(self, config: CircuitBreakerConfig, now: float) -> Bucket:
        """All that still counts, in one bucket."""
        return _total(self.live(config, now))

    def _newest(self, config: CircuitBreakerConfig, now: float) -> list[Bucket]:
        """The slices that still count."""
        return _last(self.slices, SLICES, slice_width(config), now)

    def _looks_bad(self, config: CircuitBreakerConfig, now: float) -> bool:
        newest = _total(self._newest(config, now))
        if newest.calls >= config.recent_calls and _reached(config, newest.bad, newest.calls):
            return True
        calls = bad = 0
        for bucket in reversed(self.live(config, now)):
            calls += bucket.calls
            bad += bucket.bad
            # A shorter part than an interval holds failures whose members' successes are on the way.
            lasted = now - bucket.start >= config.refresh_interval
            if lasted and calls >= config.recent_calls and _reached(config, bad, calls):
                return True
        return _reached(config, bad, calls)

    def _disputed(self, config: CircuitBreakerConfig, now: float) -> bool:
        def recent(witnesses: tuple[Witness, ...]) -> set[str]:
            return {witness.member for witness in witnesses if witness.at > now - config.window}

        failing = recent(self.failing)
        return len(failing) < 2 and bool(recent(self.succeeding) - failing)


def _reached(config: CircuitBreakerConfig, bad: int, calls: int) -> bool:
    enough = bad >= config.failure_threshold and calls >= config.minimum_calls
    return enough and bad / calls >= config.failure_rate


def _begun(width: float, now: float) -> float:
    """When the bucket that ``now`` is in began. In whole milliseconds, as it is stored."""
    return round(int(now / width) * width, 3)


def _last(buckets: tuple[Bucket, ...], count: int, width: float, now: float) -> list[Bucket]:
    """The buckets of the last ``count`` widths.

    One from the future has been told by another clock, and is none of them; but members work the store's
    time out from its last answer, so one may be ahead of the other by the time that an answer takes.
    """
    # Half a width before the oldest: not where a rounding would decide.
    oldest = _begun(width, now) - (count - 0.5) * width
    return [bucket for bucket in buckets if oldest < bucket.start <= now + width]


def _grown(kept: list[Bucket], start: float, report: Report) -> tuple[Bucket, ...]:
    # Another member's clock may be a little ahead: the newest bucket then takes what comes.
    if kept and kept[-1].start >= start:
        *kept, last = kept
    else:
        last = Bucket(start)
    grown = Bucket(
        last.start,
        last.successes + report.successes,
        last.failures + report.failures,
        last.slow + report.slow,
    )
    return (*kept, grown)


def _total(buckets: list[Bucket]) -> Bucket:
    return Bucket(
        0, sum(b.successes for b in buckets), sum(b.failures for b in buckets), sum(b.slow for b in buckets)
    )


def _joined(kept: list[Bucket], earlier: list[Bucket], width: float) -> tuple[Bucket, ...]:
    """Both, by the times at which the buckets begin; an earlier one's calls came in it or a little later."""
    begun = [replace(bucket, start=_begun(width, bucket.start)) for bucket in earlier]
    joined: dict[float, list[Bucket]] = {}
    for bucket in kept + begun:
        joined.setdefault(bucket.start, []).append(bucket)
    return tuple(replace(_total(joined[start]), start=start) for start in sorted(joined))


def _heard(witnesses: tuple[Witness, ...], of: Witness, calls: int) -> tuple[Witness, ...]:
    """With a member's report in it, if that tells of any ``calls``; the last two members are kept."""
    if not calls:
        return witnesses
    others = [witness for witness in witnesses if witness.member != of.member]
    return tuple(sorted([*others, of], key=lambda witness: witness.at)[-2:])


def _width(config: CircuitBreakerConfig) -> float:
    return config.window / BUCKETS


def slice_width(config: CircuitBreakerConfig) -> float:
    """Seconds; the newest outcomes are counted in parts of this length."""
    return min(config.refresh_interval / (SLICES - 1), _width(config))
