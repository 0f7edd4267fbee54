"""What a member wants done to the circuit, as values: a swap that lost its race applies them again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from breakwall.breaker import transitions
from breakwall.breaker.circuit import CallOutcome, Circuit, Override, OverrideMode
from breakwall.breaker.config import CircuitBreakerConfig
from breakwall.breaker.evidence import Report


class Change(Protocol):
    @property
    def repeatable(self) -> bool:
        """Whether it may be sent again when it is not known whether it arrived."""
        ...

    @property
    def fleet_only(self) -> bool:
        """Whether it makes no sense for a local circuit."""
        ...

    def apply(self, circuit: Circuit, config: CircuitBreakerConfig, now: float, luck: float) -> Circuit: ...


@dataclass(frozen=True, slots=True)
class Outcomes:
    """Calls that ended; counted twice they could open a healthy circuit."""

    report: Report
    repeatable = False
    fleet_only = False

    def apply(self, circuit: Circuit, config: CircuitBreakerConfig, now: float, luck: float) -> Circuit:
        return transitions.record(circuit, config, now, luck, self.report)


@dataclass(frozen=True, slots=True)
class Grant:
    """A probe asks for its lease; nobody waits for the answer to a second request."""

    lease_id: str
    repeatable = False
    fleet_only = False

    def apply(self, circuit: Circuit, config: CircuitBreakerConfig, now: float, luck: float) -> Circuit:
        return transitions.grant(circuit, config, now, self.lease_id)


@dataclass(frozen=True, slots=True)
class Settlement:
    """A probe ended; after a failure the service may have asked to be left alone for ``hold`` seconds."""

    lease_id: str
    outcome: CallOutcome
    hold: float | None = None
    repeatable = True
    fleet_only = False

    def apply(self, circuit: Circuit, config: CircuitBreakerConfig, now: float, luck: float) -> Circuit:
        settled = transitions.settle(circuit, config, now, luck, self.lease_id, self.outcome)
        if self.hold is None or settled.generation == circuit.generation:
            return settled
        return transitions.hold_open(settled, now, self.hold)


@dataclass(frozen=True, slots=True)
class Advance:
    """A caller has seen that time alone opened the circuit."""

    repeatable = False
    fleet_only = False

    def apply(self, circuit: Circuit, config: CircuitBreakerConfig, now: float, luck: float) -> Circuit:
        return transitions.advance(circuit, config, now, luck)


@dataclass(frozen=True, slots=True)
class HoldOpen:
    """The service asked to be left alone for ``seconds``. Dropped if the circuit has moved on since."""

    generation: int
    seconds: float
    repeatable = False
    fleet_only = False

    def apply(self, circuit: Circuit, config: CircuitBreakerConfig, now: float, luck: float) -> Circuit:
        if circuit.generation != self.generation:
            return circuit
        return transitions.hold_open(circuit, now, self.seconds)


@dataclass(frozen=True, slots=True)
class SetOverride:
    """An operator's word, or None to lift it; ``seconds`` from now it expires, if given.

    Sent late, it might undo what another operator has said since.
    """

    mode: OverrideMode | None
    reason: str
    actor: str
    seconds: float | None
    repeatable = False
    fleet_only = True

    def apply(self, circuit: Circuit, config: CircuitBreakerConfig, now: float, luck: float) -> Circuit:
        if self.mode is None:
            return transitions.overridden(circuit, None, now)
        until = None if self.seconds is None else now + self.seconds
        return transitions.overridden(circuit, Override(self.mode, self.reason, self.actor, now, until), now)


class Insisted:
    """A change that somebody waits for: made while they wait, or not at all.

    Attributes:
        made: whether it is in the store.
    """

    repeatable = False
    fleet_only = True

    def __init__(self, change: Change) -> None:
        self._change = change
        self._withdrawn = False
        self.made = False

    def withdraw(self) -> None:
        """From now on it changes nothing, also in an exchange that is under way."""
        self._withdrawn = True

    def apply(self, circuit: Circuit, config: CircuitBreakerConfig, now: float, luck: float) -> Circuit:
        return circuit if self._withdrawn else self._change.apply(circuit, config, now, luck)


def applied(
    changes: list[Change], circuit: Circuit, config: CircuitBreakerConfig, now: float, luck: float
) -> Circuit:
    """The circuit after all of them, in order."""
    for change in changes:
        circuit = change.apply(circuit, config, now, luck)
    return circuit
