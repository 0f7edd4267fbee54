"""Decides which calls are let through: by the circuit's state, and by an operator's override of it."""

import secrets
from dataclasses import dataclass

from breakwall.breaker.calls_in_hand import LimitRefusal, refusal_by_rate
from breakwall.breaker.circuit.state import CircuitState, Override, OverrideMode
from breakwall.breaker.circuit.transitions import CircuitDecision, decide
from breakwall.breaker.errors import CallLimitError, CircuitBreakerError
from breakwall.breaker.events import EventDispatcher, Refusal
from breakwall.breaker.hang_detector import RunningCall
from breakwall.breaker.permit import Permit, Recorder
from breakwall.breaker.probe_context import is_within_probe
from breakwall.breaker.sync.fast_path import FastPath
from breakwall.breaker.sync.replica import Steps

# Seconds. A refused caller always waits a little: if it asked again at once, it would probably get no slot again.
LEAST_RETRY_AFTER = 0.05


@dataclass(frozen=True, slots=True)
class Admission:
    """Hands out the permits of the circuit called ``name``."""

    name: str
    recorder: Recorder
    events: EventDispatcher

    def admit(self, *, background: bool = False) -> Steps[Permit]:
        """A permit for one call; raises `CircuitBreakerError` if the circuit, or the limit, refuses it."""
        replica = self.recorder.replica
        future = replica.refresh_for_call()
        if future is not None:
            yield future
        decision, override = self.current()
        if override is not None and override.mode is OverrideMode.FORCED_OPEN:
            raise self._refusal(decision, override)
        if decision.state is CircuitState.HALF_OPEN and is_within_probe(self.recorder):
            # A second lease would need a second slot. If there is one slot only, neither call could succeed.
            return Permit(self.recorder)
        if decision.slots:
            self._take_turn(decision.state, background=background)
            lease_id = secrets.token_hex(6)
            if (yield from self._get_lease(lease_id)):
                return Permit(self.recorder, lease_id=lease_id, call=self._entered(background=background))
            self._put_turn_back(background=background)
            decision, _ = self.current()
        if decision.slots is None:
            return self.start(replica.fast_path, background=background)
        if override is not None:
            self._take_turn(decision.state, background=background)
            self.events.dispatch(Refusal(self.name, decision.state, decision.retry_after, observed=True))
            return Permit(self.recorder, call=self._entered(background=background))
        raise self._refusal(decision, None)

    def refuse_at_once(self) -> None:
        """Raise `CircuitBreakerError` if `admit` would, and the store need not be asked for that."""
        if self.recorder.replica.refresh_for_call() is not None:
            return
        decision, override = self.current()
        if override is None and decision.slots == 0 and not is_within_probe(self.recorder):
            raise self._refusal(decision, None)
        if override is not None and override.mode is OverrideMode.FORCED_OPEN:
            raise self._refusal(decision, override)

    def start(self, fast_path: FastPath | None, *, background: bool) -> Permit:
        """A permit while the circuit is closed. Raises `CallLimitError` if the calls in hand speak against one more."""
        calls = self.recorder.calls
        if calls is None:
            self._take_turn(CircuitState.CLOSED, background=background)
            return Permit(self.recorder, fast_path=fast_path)
        replica = self.recorder.replica
        call = calls.begin(
            replica.circuit, replica.now(), background=background, is_local=not replica.store_ok
        )
        if isinstance(call, LimitRefusal):
            if self.current()[1] is None:
                raise self._refusal_by_limit(call)
            self._take_turn(CircuitState.CLOSED, background=background)
            self.events.dispatch(Refusal(self.name, CircuitState.CLOSED, call.retry_after, observed=True))
            call = calls.enter(background=background)
        return Permit(self.recorder, fast_path=fast_path, call=call)

    def current(self) -> tuple[CircuitDecision, Override | None]:
        """The decision by the computed state, and the override in force."""
        replica = self.recorder.replica
        circuit, now = replica.circuit, replica.now()
        override = circuit.override_at(now) if circuit.override else None
        return decide(circuit, self.recorder.config, now), override

    def slots_and_wait(
        self, decision: CircuitDecision, override: Override | None
    ) -> tuple[int | None, float]:
        """How many calls would be let through now (None is any number), and in how many seconds to ask again."""
        if override is None:
            return decision.slots, decision.retry_after
        if override.mode is not OverrideMode.FORCED_OPEN:
            return None, 0.0
        if override.expires_at is None:
            return 0, self.recorder.config.recovery_timeout
        return 0, override.expires_at - self.recorder.replica.now()

    def _take_turn(self, state: CircuitState, *, background: bool) -> None:
        """Under an operator's cap of the rate, which holds in every state and also by an override."""
        recorder, replica = self.recorder, self.recorder.replica
        if not background:
            return
        if recorder.calls is not None:
            recorder.calls.follow(replica.circuit, replica.now(), is_local=not replica.store_ok)
        wait = recorder.cap.take(recorder.clock())
        if wait > 0:
            raise self._refusal_by_limit(refusal_by_rate(wait), state)

    def _put_turn_back(self, *, background: bool) -> None:
        if background:
            self.recorder.cap.put_back()

    def _entered(self, *, background: bool) -> RunningCall | None:
        """A call that the limit cannot refuse."""
        calls = self.recorder.calls
        return None if calls is None else calls.enter(background=background)

    def _get_lease(self, lease_id: str) -> Steps[bool]:
        replica = self.recorder.replica
        future = replica.request_lease(lease_id)
        if future is not None:
            try:
                yield future
            except BaseException:
                replica.release_lease(lease_id)
                raise
        return replica.take_lease(lease_id)

    def _refusal_by_limit(
        self, refusal: LimitRefusal, state: CircuitState = CircuitState.CLOSED
    ) -> CallLimitError:
        self.recorder.counts.count_refusal()
        self.events.dispatch(Refusal(self.name, state, refusal.retry_after))
        return CallLimitError(self.name, state, refusal.retry_after, refusal.reason)

    def _refusal(self, decision: CircuitDecision, override: Override | None) -> CircuitBreakerError:
        self.recorder.counts.count_refusal()
        wait = max(self.slots_and_wait(decision, override)[1], LEAST_RETRY_AFTER)
        state = CircuitState.OPEN if override else decision.state
        self.events.dispatch(Refusal(self.name, state, wait))
        return CircuitBreakerError(self.name, state, wait, override.reason if override else None)
