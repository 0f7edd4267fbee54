"""When to stop: what the members of a fleet have seen of a service, and whether it shows an outage.

A member is one breaker object in one process. Failures reach the shared window at once, successes in
batches; so a window can look worse than the service is, for as long as a batch takes. `Evidence.verdict`
allows for that.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

from breakwall.breaker.config import CircuitBreakerConfig

# The window slides in twentieths: an outcome counts for 95 to 100 % of the configured time.
BUCKETS = 20


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
    """The outcomes of one twentieth of the window, number ``index`` since the epoch."""

    index: int
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
        succeeding, failing: the latest two members to report a success, a failure.
        suspected_at: since when the counts look like an outage that other members' batches may refute.
    """

    buckets: tuple[Bucket, ...] = ()
    succeeding: tuple[Witness, ...] = ()
    failing: tuple[Witness, ...] = ()
    suspected_at: float | None = None

    def add(self, report: Report, config: CircuitBreakerConfig, now: float) -> Evidence:
        """The evidence with ``report`` in it and what is older than the window out of it."""
        kept = self.live(config, now)
        index = int(now / _width(config))
        # A store's clock may step back; the newest bucket then takes what comes.
        if kept and kept[-1].index >= index:
            *kept, last = kept
        else:
            last = Bucket(index)
        grown = replace(
            last,
            successes=last.successes + report.successes,
            failures=last.failures + report.failures,
            slow=last.slow + report.slow,
        )
        return Evidence(
            buckets=(*kept, grown),
            succeeding=_seen(self.succeeding, report.member, now) if report.successes else self.succeeding,
            failing=_seen(self.failing, report.member, now) if report.bad else self.failing,
            suspected_at=self.suspected_at,
        )

    def live(self, config: CircuitBreakerConfig, now: float) -> list[Bucket]:
        """The buckets that still count, oldest first."""
        oldest = int(now / _width(config)) - BUCKETS
        return [bucket for bucket in self.buckets if bucket.index > oldest]

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
        live = self.live(config, now)
        return Bucket(
            0, sum(b.successes for b in live), sum(b.failures for b in live), sum(b.slow for b in live)
        )

    def _looks_bad(self, config: CircuitBreakerConfig, now: float) -> bool:
        calls = bad = 0
        for bucket in reversed(self.live(config, now)):
            calls += bucket.calls
            bad += bucket.bad
            if calls >= config.recent_calls and _reached(config, bad, calls):
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


def _seen(witnesses: tuple[Witness, ...], member: str, now: float) -> tuple[Witness, ...]:
    others = tuple(witness for witness in witnesses if witness.member != member)
    return (*others[-1:], Witness(member, now))


def _width(config: CircuitBreakerConfig) -> float:
    return config.window / BUCKETS
