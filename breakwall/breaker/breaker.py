"""`CircuitBreaker`: what stands between a caller and a service that can fail."""

from __future__ import annotations

import random
import secrets
import time
from collections.abc import Callable
from typing import Any

from breakwall.breaker import forking
from breakwall.breaker.circuit import CallOutcome, Circuit, CircuitState, Decision, Override, OverrideMode
from breakwall.breaker.config import CircuitBreakerConfig
from breakwall.breaker.contact import Contact, Listener
from breakwall.breaker.errors import CircuitBreakerError
from breakwall.breaker.lane import Lane
from breakwall.breaker.measures import BreakerMetrics, BreakerStatus, Tally
from breakwall.breaker.permit import Books, Permit
from breakwall.breaker.replica import Replica
from breakwall.breaker.stores import Store
from breakwall.breaker.stores.memory import MemoryStore

# A refusal always says to wait a little: a caller that came straight back would only lose the race again.
LEAST_RETRY_AFTER = 0.05
# Nobody's call waits for these two: the first sight of a store for a status, and the last word to it.
FIRST_SIGHT_PATIENCE = 1.0
LAST_WORD_PATIENCE = 1.0


class CircuitBreaker:
    """One named circuit, shared by everybody who gives the same name and store.

    Args:
        name: the circuit's, up to 200 characters.
        config: how it judges; by default `CircuitBreakerConfig()`.
        store: where it is kept, see `store_from_url`; by default this process's memory.
        clock: monotonic seconds, for tests.
        luck: 0 up to 1, for the jitter of the open interval, for tests.

    Threads may share a breaker; a forked child may go on using it. No lock is held during a call, nothing
    a store does is raised, and no call waits for a store longer than ``config.store_timeout`` at each of
    its ends.

    While the circuit is closed calls are let through from this process's copy of it, which is at most
    ``config.refresh_interval`` old; so after the circuit has opened elsewhere this process goes on with
    its calls for at most that long, plus ``config.store_timeout`` if the store is slow just then.
    """

    def __init__(
        self,
        name: str,
        config: CircuitBreakerConfig | None = None,
        store: Store | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        luck: Callable[[], float] = random.random,
    ) -> None:
        if not name or len(name) > 200:
            raise ValueError("name should be a text of 1 to 200 characters")
        self.name = name
        self.config = config or CircuitBreakerConfig()
        self._clock = clock
        self._tally = Tally()
        self._lane: Lane | None = None
        self._closed = False
        listener = Listener(self._set_lane, self._changed, self._contact)
        self._replica = Replica(name, self.config, store or MemoryStore(), listener, clock, luck)
        self._books = Books(self.config, clock, self._tally, self._replica)
        forking.remember(self)

    def call(self, func: Callable[..., Any], /, *args: Any, fallback: Any = None, **kwargs: Any) -> Any:
        """``func(*args, **kwargs)``, if the circuit lets it through.

        Args:
            fallback: what to return instead when the call is refused or fails with an
                ``expected_exception``: a callable, which gets the same arguments, or a value.

        Raises:
            CircuitBreakerError: refused, and no fallback was given.
            Exception: whatever ``func`` raised.
        """
        lane = self._lane
        if lane is None or self._clock() >= lane.fresh_until:
            return self._ask_and_call(func, fallback, args, kwargs)
        try:
            result = func(*args, **kwargs)
        except BaseException as error:
            outcome = self._books.classify(error)
            self._books.settle(outcome, lane)
            if outcome is not CallOutcome.FAILURE or fallback is None:
                raise
            return _fall_back(fallback, args, kwargs)
        lane.succeed()
        return result

    def acquire(self) -> Permit:
        """A permit for one call.

        Raises:
            CircuitBreakerError: the circuit lets no call through now.
        """
        lane = self._lane
        if lane is None or self._clock() >= lane.fresh_until:
            self._replica.refresh()
            return self._admit()
        return Permit(self._books, lane=lane)

    def classify(self, error: BaseException) -> CallOutcome:
        """What an exception out of a call says about the service, after the configuration."""
        return self._books.classify(error)

    def status(self) -> BreakerStatus:
        """The circuit now. Looks only: no permit is handed out and nothing changes.

        Asks the store at most every ``config.refresh_interval``.
        """
        replica = self._replica
        replica.refresh(FIRST_SIGHT_PATIENCE if replica.contact is Contact.NEW else None)
        circuit, now, decision, override = (
            replica.circuit,
            replica.now(),
            replica.decision(),
            replica.override(),
        )
        slots, retry_after = _with_override(decision, override, now, self.config.recovery_timeout)
        return BreakerStatus(
            name=self.name,
            state=decision.state,
            slots=slots,
            retry_after=retry_after,
            generation=circuit.generation,
            failure_count=circuit.failure_count(self.config, now),
            success_count=circuit.evidence.count(self.config, now).successes,
            opened_at=circuit.opened_at,
            open_until=circuit.open_until,
            last_failure_at=circuit.last_failure_at,
            open_count=circuit.open_count,
            override=override,
            store_ok=replica.contact is Contact.IN_TOUCH,
            store_error=replica.lost,
            store_time=now,
        )

    def metrics(self) -> BreakerMetrics:
        """Counts of this process's calls, beside pooled values of the circuit. Asks nobody."""
        circuit, now = self._replica.circuit, self._replica.now()
        successes, failures, neutral, rejected = self._tally.read()
        return BreakerMetrics(
            state=self._replica.decision().state,
            total_calls=successes + failures + neutral,
            successful_calls=successes,
            failed_calls=failures,
            rejected_calls=rejected,
            success_rate=successes / (successes + failures) if successes + failures else 1.0,
            failure_count=circuit.failure_count(self.config, now),
            circuit_open_count=circuit.open_count,
            last_failure_time=circuit.last_failure_at,
        )

    def close(self) -> None:
        """Tell the store what it has not heard yet, and leave it. Safe to call twice; waits a second at most.

        The last breaker of a store to leave closes the store's connections.
        """
        if not self._closed:
            self._closed = True
            self._replica.close(LAST_WORD_PATIENCE)

    def __enter__(self) -> CircuitBreaker:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"CircuitBreaker({self.name!r}, {self._replica.decision().state.value})"

    def after_fork(self) -> None:
        """In a forked child: begin anew, with the child's own locks, connections and counts."""
        self._tally.reset()
        self._replica.reset()

    # --- admission and settlement

    def _ask_and_call(
        self, func: Callable[..., Any], fallback: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        try:
            permit = self.acquire()
        except CircuitBreakerError:
            if fallback is None:
                raise
            return _fall_back(fallback, args, kwargs)
        try:
            result = func(*args, **kwargs)
        except BaseException as error:
            if permit.record_exception(error) is not CallOutcome.FAILURE or fallback is None:
                raise
            return _fall_back(fallback, args, kwargs)
        permit.record_success()
        return result

    def _admit(self) -> Permit:
        replica = self._replica
        override = replica.override()
        if override is not None and override.mode is OverrideMode.FORCED_OPEN:
            raise self._refusal(replica.decision(), override)
        decision = replica.decision()
        if decision.slots:
            lease_id = secrets.token_hex(6)
            if replica.grant(lease_id):
                return Permit(self._books, lease_id=lease_id)
            decision = replica.decision()
        if decision.slots is None:
            return Permit(self._books, lane=replica.lane())
        if override is not None:
            return Permit(self._books)
        raise self._refusal(decision, None)

    def _refusal(self, decision: Decision, override: Override | None) -> CircuitBreakerError:
        self._tally.reject()
        _, wait = _with_override(decision, override, self._replica.now(), self.config.recovery_timeout)
        state = CircuitState.OPEN if override else decision.state
        return CircuitBreakerError(
            self.name, state, max(wait, LEAST_RETRY_AFTER), override.reason if override else None
        )

    # --- what the replica tells

    def _set_lane(self, lane: Lane | None) -> None:
        self._lane = lane
        if lane is not None:
            self._tally.watch(lane)

    def _changed(self, before: Circuit, after: Circuit) -> None:
        pass

    def _contact(self, error: str | None) -> None:
        pass


def _with_override(
    decision: Decision, override: Override | None, now: float, default_wait: float
) -> tuple[int | None, float]:
    """How many calls would be let through, and after how many seconds to ask again."""
    if override is None:
        return decision.slots, decision.retry_after
    if override.mode is not OverrideMode.FORCED_OPEN:
        return None, 0.0
    return 0, default_wait if override.expires_at is None else override.expires_at - now


def _fall_back(fallback: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return fallback(*args, **kwargs) if callable(fallback) else fallback
