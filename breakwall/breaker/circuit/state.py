"""The state of a circuit: a frozen value that all members of a fleet share."""

from dataclasses import dataclass, field
from enum import StrEnum

from breakwall.breaker.circuit.window import Window
from breakwall.breaker.config import CircuitBreakerConfig


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
    """What an operator puts over the computed state.

    ``FORCED_OPEN`` refuses every call. ``FORCED_CLOSED`` refuses none. ``OBSERVING`` refuses none either, but reports
    each call that it would have refused: a trial run of the configuration.
    """

    FORCED_OPEN = "forced_open"
    FORCED_CLOSED = "forced_closed"
    OBSERVING = "observing"


@dataclass(frozen=True, slots=True)
class Override:
    """Holds for the whole fleet. ``expires_at`` None: until it is lifted. Times are the store's clock.

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
    """A probe's permit. After ``expires_at`` its holder counts as dead and the place is free."""

    id: str
    expires_at: float


@dataclass(frozen=True, slots=True)
class Circuit:
    """All that the members of a fleet share about one service.

    Attributes:
        state: as stored. An ``OPEN`` circuit whose interval is over stays ``OPEN`` until the first probe takes its
            lease; `decide` tells the effective state.
        generation: grows by one with each transition. A result of an older one changes nothing.
        began_at: when this generation began; None for the first, or if that is not known.
        window: outcomes of the current closed generation.
        opened_at, open_until: the open interval; None while closed.
        reopenings: failed recoveries since the circuit was last closed; each doubles the interval.
        leases: of the probes that are running.
        probes_succeeded: in this half-open generation.
        opened_by: the failures in the window that opened it; 0 while closed.
        open_count: how often the circuit has opened, ever.
        last_failure_at: when a failure was last reported.
        override: an operator's, if there is one.
        override_serial: number of the last override, higher than all before; lifting one takes a number too.
        written_at: when it was stored; does not count in comparisons.
        unknown: fields that a newer release has stored beside these, a JSON object's text or empty.
    """

    state: CircuitState = CircuitState.CLOSED
    generation: int = 0
    began_at: float | None = None
    window: Window = field(default_factory=Window)
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
        return lease_id in [lease.id for lease in self.leases]

    def failure_count(self, config: CircuitBreakerConfig, now: float) -> int:
        """Failures and slow calls in the window, or, unless closed, those that opened the circuit."""
        return self.opened_by or self.window.total(config, now).bad

    def override_at(self, now: float) -> Override | None:
        """The override in force at ``now``."""
        if self.override is None or self.override.expires_at is None:
            return self.override
        return self.override if now < self.override.expires_at else None
