"""`CircuitBreaker`: what stands between a caller and a service that can fail."""

from __future__ import annotations

import functools
import random
import time
from collections.abc import Callable
from types import CoroutineType
from typing import Any, TypeVar, cast

from breakwall.breaker import forking
from breakwall.breaker.admission import Admission
from breakwall.breaker.circuit.operations import SetOverride
from breakwall.breaker.circuit.state import CallOutcome, Circuit, OverrideMode
from breakwall.breaker.classification import classify
from breakwall.breaker.config import CircuitBreakerConfig
from breakwall.breaker.errors import StoreLostError
from breakwall.breaker.events import (
    EventDispatcher,
    Listener,
    Overridden,
    StoreBack,
    StoreLost,
    Transition,
    logger,
)
from breakwall.breaker.invocation import Invocation, fall_back, falls_back, is_async, is_generating
from breakwall.breaker.metrics import BreakerMetrics, BreakerStatus, CallCounts
from breakwall.breaker.permit import Permit, PermitBlock, Recorder, Replica
from breakwall.breaker.probe_context import leave_probes
from breakwall.breaker.stores import AnyStore, MemoryStore
from breakwall.breaker.sync.fast_path import FastPath
from breakwall.breaker.sync.local import LocalReplica
from breakwall.breaker.sync.replica import Setup
from breakwall.breaker.sync.shared import SharedReplica

F = TypeVar("F", bound=Callable[..., Any])

# Seconds; no call waits for these: an operator for the confirmation of an override, and `close` for the store.
OVERRIDE_PATIENCE = 3.0
CLOSE_PATIENCE = 1.0
# Three hundred years: a store keeps whole milliseconds, and other readers of its JSON have fewer digits for them.
LONGEST_OVERRIDE = 1e10


class CircuitBreaker:
    """One named circuit, shared by everybody who gives the same name and store.

    Args:
        name: the circuit's, up to 200 characters, none of them NUL.
        config: how it judges; by default `CircuitBreakerConfig()`.
        store: where it is kept, see `store_from_url`; by default this process's memory.
        clock: monotonic seconds, for tests.
        jitter: 0 up to 1, at random: how much of ``config.jitter`` applies to an open interval; for tests.

    Threads and tasks may share a breaker; a forked child may go on using it, however it was forked. No lock is held
    during a call, and no error of a store is raised out of one. A call waits for a store ``config.store_timeout`` at
    most before it and as long after it; only the first calls of a process wait for ``config.first_contact`` (see
    `meet_store`).

    While the circuit is closed, calls are let through by this process's copy of it, which is at most
    ``config.refresh_interval`` old. So after another process opens the circuit, this one may go on with its calls for
    that long, plus ``config.store_timeout`` if the store is slow just then: at 100 calls a second and the defaults 20
    calls, 25 at worst.
    """

    def __init__(
        self,
        name: str,
        config: CircuitBreakerConfig | None = None,
        store: AnyStore | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        if not name or len(name) > 200 or "\0" in name:
            raise ValueError("name should be a text of 1 to 200 characters, none of them NUL")
        self.name = name
        self.config = config or CircuitBreakerConfig()
        self._clock = clock
        self._counts = CallCounts()
        self._events = EventDispatcher()
        self._fast_path: FastPath | None = None
        self._closed = False
        setup = Setup(
            name, self.config, clock, jitter, self._set_fast_path, self._changed, self._store_changed
        )
        store = MemoryStore() if store is None else store
        self._replica: Replica = (
            LocalReplica(setup, store.circuit(name))
            if isinstance(store, MemoryStore)
            else SharedReplica(setup, store)
        )
        self._recorder = Recorder(self.config, clock, self._counts, self._replica)
        self._admission = Admission(name, self._recorder, self._events)
        self._invocation = Invocation(self._admission)
        forking.remember(self)

    # --- calls

    def call(self, func: Callable[..., Any], /, *args: Any, fallback: Any = None, **kwargs: Any) -> Any:
        """``func(*args, **kwargs)``, if the circuit lets it through.

        A coroutine function's call is awaited: ``await breaker.call(fetch, url)``. A coroutine that a plain function
        returns is awaited too. But that is seen only after the call, so its wait for the store before the call,
        ``config.store_timeout`` at most or the first contact, blocks the event loop. Any other result is a success as
        soon as it is there, also a generator, a future or a task.

        Args:
            fallback: what to return instead when the call is refused or fails with an
                ``expected_exception``: a callable, which gets the same arguments, or a value.

        Raises:
            CircuitBreakerError: refused, and no fallback was given.
            Exception: whatever ``func`` raised.
        """
        fast_path = self._fast_path
        if fast_path is None or self._clock() >= fast_path.fresh_until:
            return self._invocation.call(func, fallback, args, kwargs)
        try:
            result = func(*args, **kwargs)
        except BaseException as error:
            permit = Permit(self._recorder, fast_path=fast_path)
            outcome = permit.record_exception(error)
            if fallback is not None and falls_back(outcome, error):
                return fall_back(fallback, args, kwargs)
            raise
        if result.__class__ is CoroutineType:
            permit = Permit(self._recorder, fast_path=fast_path)
            return self._invocation.finish(result, permit, fallback, args, kwargs)
        fast_path.succeed()
        return result

    def acquire(self) -> Permit:
        """A permit for one call. The caller records the result in it, or uses it as a context manager.

        Raises:
            CircuitBreakerError: the circuit lets no call through now.
        """
        fast_path = self._fast_path
        if fast_path is None or self._clock() >= fast_path.fresh_until:
            return self._replica.run(self._admission.admit())
        return Permit(self._recorder, fast_path=fast_path)

    def permit(self) -> PermitBlock:
        """`acquire` for an event loop, which is never blocked: ``async with breaker.permit() as permit:``."""
        return PermitBlock(self._replica, self._admission.admit)

    def protect(self, func: F | None = None, *, fallback: Any = None) -> Any:
        """A decorator, with or without a ``fallback``: each call of the function goes through `call`.

        Raises:
            TypeError: a generator function, because its call runs nothing yet; put `acquire` or `permit` around the
                loop that reads it.
        """
        if func is None:
            return functools.partial(self.protect, fallback=fallback)
        if is_generating(func):
            raise TypeError(
                "a generator function cannot be protected: put acquire() or permit() around its loop"
            )
        if is_async(func):

            @functools.wraps(func)
            async def protected_async(*args: Any, **kwargs: Any) -> Any:
                return await self._invocation.call_async(func, fallback, args, kwargs)

            return cast("F", protected_async)

        @functools.wraps(func)
        def protected(*args: Any, **kwargs: Any) -> Any:
            bound = functools.partial(fallback, *args, **kwargs) if callable(fallback) else fallback
            return self.call(functools.partial(func, *args, **kwargs), fallback=bound)

        return cast("F", protected)

    def classify(self, error: BaseException) -> CallOutcome:
        """What an exception out of a call says about the service, by the configuration."""
        return classify(error, self.config)

    # --- looking

    def meet_store(self) -> bool:
        """Speak with the store now, so that this process's first call need not wait for it.

        Waits for ``config.first_contact`` at most, and only if the store was not spoken to yet. Raises nothing.

        Returns:
            Whether the store answers.
        """
        self._look()
        return self._replica.is_in_touch

    def status(self) -> BreakerStatus:
        """The circuit now. Only looks: no permit is handed out and nothing changes. What calls have counted since the
        last synchronization is sent along.

        Asks the store at most every ``config.refresh_interval``.
        """
        self._look()
        replica = self._replica
        circuit, now = replica.circuit, replica.now()
        decision, override = self._admission.look()
        slots, retry_after = self._admission.outlook(decision, override)
        return BreakerStatus(
            name=self.name,
            state=decision.state,
            slots=slots,
            retry_after=retry_after,
            generation=circuit.generation,
            failure_count=circuit.failure_count(self.config, now),
            success_count=circuit.window.total(self.config, now).successes,
            opened_at=circuit.opened_at,
            open_until=circuit.open_until,
            last_failure_at=circuit.last_failure_at,
            open_count=circuit.open_count,
            override=override,
            store_ok=replica.is_in_touch,
            store_error=replica.store_error,
            store_time=now,
        )

    def metrics(self) -> BreakerMetrics:
        """Counts of this process's calls, beside pooled values of the circuit. Asks nobody."""
        forking.notice()
        circuit = self._replica.circuit
        successes, failures, neutral, refused = self._counts.read()
        return BreakerMetrics(
            state=self._admission.look()[0].state,
            total_calls=successes + failures + neutral,
            successful_calls=successes,
            failed_calls=failures,
            rejected_calls=refused,
            success_rate=successes / (successes + failures) if successes + failures else 1.0,
            failure_count=circuit.failure_count(self.config, self._replica.now()),
            circuit_open_count=circuit.open_count,
            last_failure_time=circuit.last_failure_at,
        )

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Have ``listener`` called with each event of `breakwall.breaker.events`. Returns a function that ends that.

        It is called outside every lock, in a caller's thread or the store's, and should be quick.
        """
        return self._events.listen(listener)

    # --- an operator's overrides

    def force_open(self, reason: str, actor: str, seconds: float | None = None) -> None:
        """Refuse every call of the whole fleet, for ``seconds`` or until `auto`.

        Every process knows after one refresh interval. The computed state goes on beside it.

        Raises:
            StoreLostError: the store did not confirm it in time. It is not sent any more, but may have arrived.
            ValueError: names what is missing.
        """
        self._override(OverrideMode.FORCED_OPEN, reason, actor, seconds)

    def force_close(self, reason: str, actor: str, seconds: float | None = None) -> None:
        """Refuse no call of the whole fleet; otherwise as `force_open`."""
        self._override(OverrideMode.FORCED_CLOSED, reason, actor, seconds)

    def observe(self, reason: str, actor: str, seconds: float | None = None) -> None:
        """Refuse no call, but tell listeners of each that would have been refused; otherwise as `force_open`."""
        self._override(OverrideMode.OBSERVING, reason, actor, seconds)

    def auto(self, actor: str) -> None:
        """Lift the override: the computed state decides again. Raises as `force_open`."""
        self._override(None, "back to automatic", actor, None)

    # --- its life

    def close(self) -> None:
        """Store what was counted, and leave the store. Safe to call twice; waits a second at most.

        The last breaker that leaves a store closes the store's connections.
        """
        if not self._closed:
            self._closed = True
            self._replica.close(CLOSE_PATIENCE)

    def __enter__(self) -> CircuitBreaker:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"CircuitBreaker({self.name!r}, {self._admission.look()[0].state.value})"

    def after_fork(self) -> None:
        """In a forked child: begin anew, with the child's own locks, connections and counts."""
        leave_probes()
        self._counts.reset()
        self._replica.reset()

    def _look(self) -> None:
        forking.notice()
        self._replica.wait(self._replica.look())

    def _override(self, mode: OverrideMode | None, reason: str, actor: str, seconds: float | None) -> None:
        if not reason.strip() or not actor.strip():
            raise ValueError("an override should have a reason and an actor")
        if seconds is not None and not 0 < seconds <= LONGEST_OVERRIDE:
            raise ValueError(
                f"seconds should be above 0 and at most {LONGEST_OVERRIDE:.0f}; without, it lasts until auto"
            )
        if not self._replica.confirm(SetOverride(mode, reason, actor, seconds), OVERRIDE_PATIENCE):
            raise StoreLostError(f"the store of circuit {self.name!r} did not confirm the override in time")

    # --- what the replica tells

    def _set_fast_path(self, fast_path: FastPath | None) -> None:
        self._fast_path = fast_path
        if fast_path is not None:
            self._counts.watch(fast_path)

    def _changed(self, before: Circuit, after: Circuit, now: float) -> None:
        if after.override != before.override and after.override == after.override_at(now):
            self._events.tell(Overridden(self.name, after.override))
        if before.generation == after.generation:
            return
        wait = max(0.0, (after.open_until or 0.0) - now)
        logger.info("circuit %r: %s, was %s", self.name, after.state.value, before.state.value)
        opened_by, reopenings = after.opened_by, after.reopenings
        states = (before.state, after.state, after.generation)
        self._events.tell(Transition(self.name, *states, wait, failures=opened_by, reopenings=reopenings))

    def _store_changed(self, error: str | None) -> None:
        if error is None:
            # As loud as its loss: whoever was warned of that will want to know.
            logger.warning("circuit %r: its store is back", self.name)
            self._events.tell(StoreBack(self.name))
        else:
            logger.warning("circuit %r: its store is lost (%s); a local circuit goes on", self.name, error)
            self._events.tell(StoreLost(self.name, error))
