"""The state of a circuit: a frozen value that all processes share."""

from dataclasses import dataclass, field
from enum import StrEnum

from breakwall.breaker.circuit.fleet_limit import FleetLimit
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
    """What an operator decides in place of the computed state.

    ``FORCED_OPEN`` refuses every call. ``FORCED_CLOSED`` refuses none. ``OBSERVING`` refuses none either, but reports
    each call that would have been refused: a trial run of the configuration.
    """

    FORCED_OPEN = "forced_open"
    FORCED_CLOSED = "forced_closed"
    OBSERVING = "observing"


@dataclass(frozen=True, slots=True)
class Override:
    """An operator's decision for all processes. ``expires_at`` None: until it is lifted. Times are on the store's
    clock.

    ``unknown`` is as in `Circuit`.
    """

    mode: OverrideMode
    reason: str
    actor: str
    set_at: float
    expires_at: float | None = None
    unknown: str = ""


@dataclass(frozen=True, slots=True)
class LastReset:
    """The last `CircuitBreaker.reset`, at ``at``. It began ``generation``.

    ``unknown`` is as in `Circuit`.
    """

    generation: int
    at: float
    reason: str | None = None
    actor: str | None = None
    unknown: str = ""


@dataclass(frozen=True, slots=True)
class Lease:
    """A probe's permit. After ``expires_at`` its process counts as dead and the slot is free."""

    id: str
    expires_at: float


@dataclass(frozen=True, slots=True)
class Circuit:
    """All that the processes share about one service. Times are on the store's clock.

    A new field also needs a row in `codec`, and one that is a time also a line in `clock_adjustment.shifted`.
    """

    # As stored. An OPEN circuit whose interval is over stays OPEN until the first probe takes its lease; `decide`
    # returns the effective state.
    state: CircuitState = CircuitState.CLOSED
    generation: int = 0  # Grows by one with each transition. A result of an older generation changes nothing.
    began_at: float | None = None  # Of this generation; None for the first one, and if it is unknown.
    # Of this generation; only a closed circuit adds outcomes to it.
    window: Window = field(default_factory=Window)
    opened_at: float | None = None  # None while closed, as `open_until`.
    open_until: float | None = None
    reopenings: int = 0  # Failed probes since the circuit was last closed. Each doubles the open interval.
    leases: tuple[Lease, ...] = ()  # Of the probes that are running.
    probes_succeeded: int = 0  # In this half-open generation.
    opened_by: int = 0  # The number of failures in the window that opened the circuit; 0 while closed.
    open_count: int = 0  # How often the circuit has opened, ever.
    last_failure_at: float | None = None  # When a failure was last reported.
    override: Override | None = None
    override_serial: int = 0  # Of the last override or lift of one; higher than all numbers before.
    last_reset: LastReset | None = None
    limit: FleetLimit | None = None  # Names the generation that it is of.
    # When it was stored; `clock_adjustment` needs it. Not compared: a new time alone is no change to store.
    written_at: float | None = field(default=None, compare=False)
    unknown: str = ""  # Fields that only a newer release knows: the text of a JSON object, or empty.

    @property
    def is_limited(self) -> bool:
        """Whether there is a limit of calls in hand."""
        return self.limit is not None and self.limit.size is not None

    @property
    def half_open_count(self) -> int:
        """How often it has become half-open, ever. A reset of an open circuit counts as one."""
        return max(0, self.open_count - (self.state is CircuitState.OPEN))

    @property
    def close_count(self) -> int:
        """How often it has closed, ever: every transition that is none of the other two."""
        return max(0, self.generation - self.open_count - self.half_open_count)

    def holds(self, lease_id: str) -> bool:
        return lease_id in [lease.id for lease in self.leases]

    def failure_count(self, config: CircuitBreakerConfig, now: float) -> int:
        """Failures and slow calls in the window; if the circuit is not closed, those that opened it."""
        return self.opened_by or self.window.total(config, now).bad

    def override_at(self, now: float) -> Override | None:
        """The override in force at ``now``."""
        if self.override is None or self.override.expires_at is None:
            return self.override
        return self.override if now < self.override.expires_at else None

    def override_ended_at(self, now: float) -> float | None:
        """When the last override ended, lifted or by itself. None: one is in force, or none is known to have ended."""
        if self.override is not None:
            return None if self.override_at(now) else self.override.expires_at
        lifted_at = self.override_serial / 1000  # See `transitions.overridden`.
        return lifted_at if 0 < lifted_at <= now else None  # Later: the clock has stepped back.
