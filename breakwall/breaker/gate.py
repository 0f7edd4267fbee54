"""Who is let through: the circuit's decision, and an operator's word over it."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from breakwall.breaker.circuit import CircuitState, Override, OverrideMode
from breakwall.breaker.errors import CircuitBreakerError
from breakwall.breaker.events import Announcer, Refusal
from breakwall.breaker.permit import Books, Permit, is_within_probe
from breakwall.breaker.transitions import Decision
from breakwall.breaker.waiter import Steps

# A refusal always says to wait a little: a caller that came straight back would only lose the race again.
LEAST_RETRY_AFTER = 0.05


@dataclass(frozen=True, slots=True)
class Gate:
    """Hands out the permits of the circuit called ``name``."""

    name: str
    books: Books
    announcer: Announcer

    def admit(self) -> Steps[Permit]:
        """A permit. Raises `CircuitBreakerError` when there is none."""
        replica, belief = self.books.replica, self.books.replica.belief
        yield from replica.refresh()
        override = belief.override()
        if override is not None and override.mode is OverrideMode.FORCED_OPEN:
            raise self._refusal(belief.decision(), override)
        decision = belief.decision()
        if decision.state is CircuitState.HALF_OPEN and is_within_probe(self.books):
            # With a place of its own it would be a second probe: where there may be one, none could succeed.
            return Permit(self.books)
        if decision.slots:
            lease_id = secrets.token_hex(6)
            if (yield from replica.grant(lease_id)):
                return Permit(self.books, lease_id=lease_id)
            decision = belief.decision()
        if decision.slots is None:
            return Permit(self.books, lane=belief.lane())
        if override is not None:
            self.announcer.tell(Refusal(self.name, decision.state, decision.retry_after, observed=True))
            return Permit(self.books)
        raise self._refusal(decision, None)

    def outlook(self) -> tuple[int | None, float]:
        """How many calls would be let through now, and in how many seconds to ask again."""
        belief = self.books.replica.belief
        return self._overridden(belief.decision(), belief.override())

    def _overridden(self, decision: Decision, override: Override | None) -> tuple[int | None, float]:
        if override is None:
            return decision.slots, decision.retry_after
        if override.mode is not OverrideMode.FORCED_OPEN:
            return None, 0.0
        if override.expires_at is None:
            return 0, self.books.config.recovery_timeout
        return 0, override.expires_at - self.books.replica.belief.now()

    def _refusal(self, decision: Decision, override: Override | None) -> CircuitBreakerError:
        self.books.tally.reject()
        wait = max(self._overridden(decision, override)[1], LEAST_RETRY_AFTER)
        state = CircuitState.OPEN if override else decision.state
        self.announcer.tell(Refusal(self.name, state, wait))
        return CircuitBreakerError(self.name, state, wait, override.reason if override else None)
