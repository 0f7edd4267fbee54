"""Which calls are let through: the circuit's decision, and an operator's override of it."""

import secrets
from dataclasses import dataclass

from breakwall.breaker.circuit.state import CircuitState, Override, OverrideMode
from breakwall.breaker.circuit.transitions import CircuitDecision, decide
from breakwall.breaker.errors import CircuitBreakerError
from breakwall.breaker.events import EventDispatcher, Refusal
from breakwall.breaker.permit import Permit, Recorder
from breakwall.breaker.probe_context import is_within_probe
from breakwall.breaker.sync.replica import Steps

# A refusal always asks to wait a little: a caller that came straight back would only lose the race for a place again.
LEAST_RETRY_AFTER = 0.05


@dataclass(frozen=True, slots=True)
class Admission:
    """Hands out the permits of the circuit called ``name``."""

    name: str
    recorder: Recorder
    events: EventDispatcher

    def admit(self) -> Steps[Permit]:
        """A permit. Raises `CircuitBreakerError` when there is none."""
        replica = self.recorder.replica
        pending = replica.refresh()
        if pending is not None:
            yield pending
        decision, override = self.look()
        if override is not None and override.mode is OverrideMode.FORCED_OPEN:
            raise self._refusal(decision, override)
        if decision.state is CircuitState.HALF_OPEN and is_within_probe(self.recorder):
            # With a place of its own it would be a second probe; where there is one place, neither could succeed.
            return Permit(self.recorder)
        if decision.slots:
            lease_id = secrets.token_hex(6)
            if (yield from self._get_lease(lease_id)):
                return Permit(self.recorder, lease_id=lease_id)
            decision, _ = self.look()
        if decision.slots is None:
            return Permit(self.recorder, fast_path=replica.fast_path)
        if override is not None:
            self.events.tell(Refusal(self.name, decision.state, decision.retry_after, observed=True))
            return Permit(self.recorder)
        raise self._refusal(decision, None)

    def look(self) -> tuple[CircuitDecision, Override | None]:
        """What the computed state offers now, and the override in force."""
        replica = self.recorder.replica
        circuit, now = replica.circuit, replica.now()
        override = circuit.override_at(now) if circuit.override else None
        return decide(circuit, self.recorder.config, now), override

    def outlook(self, decision: CircuitDecision, override: Override | None) -> tuple[int | None, float]:
        """How many calls would be let through now, and in how many seconds to ask again."""
        if override is None:
            return decision.slots, decision.retry_after
        if override.mode is not OverrideMode.FORCED_OPEN:
            return None, 0.0
        if override.expires_at is None:
            return 0, self.recorder.config.recovery_timeout
        return 0, override.expires_at - self.recorder.replica.now()

    def _get_lease(self, lease_id: str) -> Steps[bool]:
        replica = self.recorder.replica
        pending = replica.request_lease(lease_id)
        if pending is not None:
            try:
                yield pending
            except BaseException:
                replica.give_up_lease(lease_id)
                raise
        return replica.take_lease(lease_id)

    def _refusal(self, decision: CircuitDecision, override: Override | None) -> CircuitBreakerError:
        self.recorder.counts.count_refusal()
        wait = max(self.outlook(decision, override)[1], LEAST_RETRY_AFTER)
        state = CircuitState.OPEN if override else decision.state
        self.events.tell(Refusal(self.name, state, wait))
        return CircuitBreakerError(self.name, state, wait, override.reason if override else None)
