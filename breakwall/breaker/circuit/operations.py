"""Changes of the circuit, as objects: after a lost race they are applied again, to the newer circuit."""

from collections.abc import Iterable
from dataclasses import dataclass

from breakwall.breaker.circuit import transitions
from breakwall.breaker.circuit.fleet_limit import LoadReport
from breakwall.breaker.circuit.state import CallOutcome, Circuit, Override, OverrideMode
from breakwall.breaker.circuit.window import CounterDelta
from breakwall.breaker.config import CircuitBreakerConfig


class Operation:
    """A change of the circuit. Each subclass is one kind of change."""

    idempotent = False  # Whether it may be sent again if it is unknown whether it arrived.
    for_store_only = False  # Whether it must not be applied to a local circuit while the store is lost.

    def apply(self, circuit: Circuit, config: CircuitBreakerConfig, now: float, jitter: float) -> Circuit:
        raise NotImplementedError


@dataclass(frozen=True)
class RecordOutcomes(Operation):
    """Calls that ended. Not idempotent: counted twice, they could open a healthy circuit."""

    delta: CounterDelta

    def apply(self, circuit: Circuit, config: CircuitBreakerConfig, now: float, jitter: float) -> Circuit:
        return transitions.record(circuit, config, now, jitter, self.delta)


@dataclass(frozen=True)
class RequestLease(Operation):
    """A probe asks for its lease. Not idempotent: no caller would wait for the answer to a second request."""

    lease_id: str

    def apply(self, circuit: Circuit, config: CircuitBreakerConfig, now: float, jitter: float) -> Circuit:
        return transitions.request_lease(circuit, config, now, self.lease_id)


@dataclass(frozen=True)
class RecordProbe(Operation):
    """A probe ended. After a failure the service may have asked for a pause of ``hold`` seconds."""

    lease_id: str
    outcome: CallOutcome
    hold: float | None = None
    idempotent = True

    def apply(self, circuit: Circuit, config: CircuitBreakerConfig, now: float, jitter: float) -> Circuit:
        recorded = transitions.record_probe(circuit, config, now, jitter, self.lease_id, self.outcome)
        if self.hold is None or recorded.generation == circuit.generation:
            return recorded
        return transitions.hold_open(recorded, now, self.hold)


@dataclass(frozen=True)
class Advance(Operation):
    """A caller has noticed that the circuit is open because a suspicion lasted."""

    def apply(self, circuit: Circuit, config: CircuitBreakerConfig, now: float, jitter: float) -> Circuit:
        return transitions.advance(circuit, config, now, jitter)


@dataclass(frozen=True)
class HoldOpen(Operation):
    """The service asked for a pause of ``seconds``. Changes nothing in a later ``generation``."""

    generation: int
    seconds: float

    def apply(self, circuit: Circuit, config: CircuitBreakerConfig, now: float, jitter: float) -> Circuit:
        if circuit.generation != self.generation:
            return circuit
        return transitions.hold_open(circuit, now, self.seconds)


@dataclass(frozen=True)
class ReportLoad(Operation):
    """What one process says of its calls in hand. It belongs to one synchronization: if it does not arrive, the next
    one brings a newer report."""

    report: LoadReport
    for_store_only = True

    def apply(self, circuit: Circuit, config: CircuitBreakerConfig, now: float, jitter: float) -> Circuit:
        return transitions.report_load(circuit, config, now, self.report)


@dataclass(frozen=True)
class SetOverride(Operation):
    """An operator's override, or None to lift it; it expires ``seconds`` from now, if given.

    Not idempotent: sent late, it could undo what another operator has set since.
    """

    mode: OverrideMode | None
    reason: str
    actor: str
    seconds: float | None
    for_store_only = True

    def apply(self, circuit: Circuit, config: CircuitBreakerConfig, now: float, jitter: float) -> Circuit:
        if self.mode is None:
            return transitions.overridden(circuit, None, now)
        until = None if self.seconds is None else now + self.seconds
        return transitions.overridden(circuit, Override(self.mode, self.reason, self.actor, now, until), now)


@dataclass(frozen=True)
class EndInterval(Operation):
    """End the open interval of ``generation``. Changes nothing in a later one: sent late, it could end that."""

    generation: int
    for_store_only = True

    def apply(self, circuit: Circuit, config: CircuitBreakerConfig, now: float, jitter: float) -> Circuit:
        if self.generation != circuit.generation:
            return circuit
        return transitions.end_interval(transitions.advance(circuit, config, now, jitter), now)


@dataclass(frozen=True)
class ResetCircuit(Operation):
    """Close the circuit, as new. Not idempotent: sent late, it could close a circuit that has opened since."""

    reason: str | None
    actor: str | None
    for_store_only = True

    def apply(self, circuit: Circuit, config: CircuitBreakerConfig, now: float, jitter: float) -> Circuit:
        return transitions.reset(circuit, now, self.reason, self.actor)


def apply_all(
    operations: Iterable[Operation], circuit: Circuit, config: CircuitBreakerConfig, now: float, jitter: float
) -> Circuit:
    """The circuit after all of them, in order."""
    for operation in operations:
        circuit = operation.apply(circuit, config, now, jitter)
    return circuit
