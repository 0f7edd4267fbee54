"""A circuit as the members of a fleet share it: a frozen value, and the words that it is told in.

`transitions` moves it on, `timeshift` moves its times, `wire` writes it down.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from breakwall.breaker.config import CircuitBreakerConfig
from breakwall.breaker.evidence import Evidence


class CircuitState(StrEnum):
    """``CLOSED`` lets every call through, ``OPEN`` none, ``HALF_OPEN`` a few probes."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class CallOutcome(StrEnum):
    """What one call says about the service: ``NEUTRAL`` is nothing at all."""

    SUCCESS = "success"
    FAILURE = "failure"
    NEUTRAL = "neutral"


class OverrideMode(StrEnum):
    """An operator's word over the computed state.

    ``FORCED_OPEN`` refuses every call. ``FORCED_CLOSED`` refuses none. ``OBSERVING`` refuses none either,
    but reports what it would have refused: a trial run of the configuration.
    """

    FORCED_OPEN = "forced_open"
    FORCED_CLOSED = "forced_closed"
    OBSERVING = "observing"


@dataclass(frozen=True, slots=True)
class Override:
    """Set for the whole fleet. ``expires_at`` None: until it is lifted. Times are the store's clock.

    ``unknown`` is as in `Circuit`.
    """

    mode: OverrideMode
    reason: str
    actor: str
    set_at: float
    expires_at: float | None = None
    unknown: str = ""


@dataclass(frozen=True, slots=True)
class Lease:
    """A probe's permit. After ``expires_at`` its holder is taken for dead and the place is free."""

    id: str
    expires_at: float


@dataclass(frozen=True, slots=True)
class Circuit:
    """All that the members of a fleet share about one service.

    Attributes:
        state: as stored. An ``OPEN`` circuit whose interval has run out stays so until the first probe
            takes its lease; `decide` tells the effective state.
        generation: grows by one with each transition. A result from an older one changes nothing.
        began_at: when this generation began; None for the first, or if nobody has said so.
        evidence: outcomes of the current closed generation.
        opened_at, open_until: the open interval; None while closed.
        reopenings: failed recoveries since the circuit was last closed; each doubles the interval.
        leases: the probes that are out.
        probes_succeeded: in this half-open generation.
        opened_by: the failures in the window that opened it; 0 while closed.
        open_count: how often the circuit has opened, ever.
        last_failure_at: when a failure was last reported.
        override: an operator's word, if there is one.
        override_serial: the number of the last such word, above those of all before; lifting one is one too.
        written_at: when it was stored; no part of what it says.
        unknown: the fields that a newer release has stored beside these, a JSON object's text or empty.
    """

    state: CircuitState = CircuitState.CLOSED
    generation: int = 0
    began_at: float | None = None
    evidence: Evidence = field(default_factory=Evidence)
    opened_at: float | None = None
    open_until: float | None = None
    reopenings: int = 0
    leases: tuple[Lease, ...] = ()
    probes_succeeded: int = 0
    opened_by: int = 0
    open_count: int = 0
    last_failure_at: float | None = None
    override: Override | None = None
    override_serial: int = 0
    written_at: float | None = field(default=None, compare=False)
    unknown: str = ""

    def holds(self, lease_id: str) -> bool:
        return any(lease.id == lease_id for lease in self.leases)

    def failure_count(self, config: CircuitBreakerConfig, now: float) -> int:
        """Failures and slow calls in the window, or, unless closed, those that opened the circuit."""
        return self.opened_by or self.evidence.count(config, now).bad

    def override_at(self, now: float) -> Override | None:
        """The override in force at ``now``."""
        if self.override is None or self.override.expires_at is None:
            return self.override
        return self.override if now < self.override.expires_at else None
