"""`CircuitBreaker`: what stands between a caller and a service that can fail."""

from __future__ import annotations

import functools
import random
import time
from collections.abc import Callable
from types import CoroutineType
from typing import Any, TypeVar, cast

from breakwall.breaker import forking
from breakwall.breaker.caller import Caller, fails, fall_back, is_async, is_generating
from breakwall.breaker.changes import SetOverride
from breakwall.breaker.circuit import CallOutcome, Circuit, OverrideMode
from breakwall.breaker.config import CircuitBreakerConfig
from breakwall.breaker.contact import Contact
from breakwall.breaker.errors import StoreLostError
from breakwall.breaker.events import Announcer, Listener, Overridden, StoreBack, StoreLost, Transition, logger
from breakwall.breaker.gate import Gate
from breakwall.breaker.lane import Lane
from breakwall.breaker.measures import BreakerMetrics, BreakerStatus, Tally
from breakwall.breaker.news import Observer
from breakwall.breaker.permit import Books, Permit, PermitBlock, leave_probes
from breakwall.breaker.replica import Replica
from breakwall.breaker.stores import Store
from breakwall.breaker.stores.memory import MemoryStore

F = TypeVar("F", bound=Callable[..., Any])

# Nobody's call waits for these: an operator's word to the store, and the last one.
OVERRIDE_PATIENCE = 3.0
LAST_WORD_PATIENCE = 1.0
# Three hundred years: a store keeps whole milliseconds, and a reader of its JSON may have only so many digits.
LONGEST_OVERRIDE = 1e10


class CircuitBreaker:
    """One named circuit, shared by everybody who gives the same name and store.

    Args:
        name: the circuit's, up to 200 characters, none of them NUL.
        config: how it judges; by default `CircuitBreakerConfig()`.
        store: where it is kept, see `store_from_url`; by default this process's memory.
        clock: monotonic seconds, for tests.
        luck: 0 up to 1, for the jitter of the open interval, for tests.

    Threads and tasks may share a breaker; a forked child may go on using it, however it was forked. No lock is
    held during a call, nothing that a store does is raised out of one, and no call waits for a store longer than
    ``config.store_timeout`` at each of its ends, but the first of a process, which waits for
    ``config.first_contact`` (see `meet_store`).

    While the circuit is closed calls are let through from this process's copy of it, which is at most
    ``config.refresh_interval`` old; so after the circuit has opened elsewhere this process goes on with
    its calls for at most that long, plus ``config.store_timeout`` if the store is slow just then: at 100
    calls a second and the defaults 20 calls, 25 at worst. Lost races for the store change nothing of it.
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
        if not name or len(name) > 200 or "\0" in name:
            raise ValueError("name should be a text of 1 to 200 characters, none of them NUL")
        self.name = name
        self.config = config or CircuitBreakerConfig()
        self._clock = clock
        self._tally = Tally()
        self._announcer = Announcer()
        self._lane: Lane | None = None
        self._closed = False
        observer = Observer(self._set_lane, self._changed, self._contact)
        self._replica = Replica(name, self.config, store or MemoryStore(), observer, clock, luck)
        self._books = Books(self.config, clock, self._tally, self._replica)
        self._gate = Gate(name, self._books, self._announcer)
        self._caller = Caller(self._gate, self._replica.waiter)
        forking.remember(self)

    # --- calls

    def call(self, func: Callable[..., Any], /, *args: Any, fallback: Any = None, **kwargs: Any) -> Any:
        """``func(*args, **kwargs)``, if the circuit lets it through.

        A coroutine function's call is awaited: ``await breaker.call(fetch, url)``. So is what a plain function
        returns if that is a coroutine; but that is seen only afterwards, and the wait for the store
        before the call, ``config.store_timeout`` at most, or the first contact, is then one of the whole loop.
        Any other result is a success as soon as it is there, a generator, a future or a task too.

        Args:
            fallback: what to return instead when the call is refused or fails with an
                ``expected_exception``: a callable, which gets the same arguments, or a value.

        Raises:
            CircuitBreakerError: refused, and no fallback was given.
            Exception: whatever ``func`` raised.
        """
        lane = self._lane
        if lane is None or self._clock() >= lane.fresh_until:
            return self._caller.call(func, fallback, args, kwargs)
        try:
            result = func(*args, **kwargs)
        except BaseException as error:
            if fails(Permit(self._books, lane=lane), error, fallback):
                return fall_back(fallback, args, kwargs)
            raise
        if result.__class__ is CoroutineType:
            return self._caller.finish(result, Permit(self._books, lane=lane), fallback, args, kwargs)
        lane.succeed()
        return result

    def acquire(self) -> Permit:
        """A permit for one call; the caller settles it, or uses it as a context manager.

        Raises:
            CircuitBreakerError: the circuit lets no call through now.
        """
        lane = self._lane
        if lane is None or self._clock() >= lane.fresh_until:
            return self._replica.waiter.run(self._gate.admit())
        return Permit(self._books, lane=lane)

    def permit(self) -> PermitBlock:
        """`acquire` for an event loop, which it never blocks: ``async with breaker.permit() as permit:``."""
        return PermitBlock(self._replica.waiter, self._gate.admit)

    def protect(self, func: F | None = None, *, fallback: Any = None) -> Any:
        """A decorator, plain or with a ``fallback``: each call of the function goes through `call`.

        Raises:
            TypeError: a generator function, whose call runs nothing yet; put `acquire` or `permit` around
                the loop that reads it.
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
                return await self._caller.call_async(func, fallback, args, kwargs)

            return cast("F", protected_async)

        @functools.wraps(func)
        def protected(*args: Any, **kwargs: Any) -> Any:
            bound = functools.partial(fallback, *args, **kwargs) if callable(fallback) else fallback
            return self.call(functools.partial(func, *args, **kwargs), fallback=bound)

        return cast("F", protected)

    def classify(self, error: BaseException) -> CallOutcome:
        """What an exception out of a call says about the service, after the configuration."""
        return self._books.classify(error)

    # --- looking

    def meet_store(self) -> bool:
        """Speak with the store now, so that this process's first call need not wait for it.

        Waits for ``config.first_contact`` at most, and only if the store was not spoken to yet. Raises nothing.

        Returns:
            Whether the store answers.
        """
        self._replica.waiter.run(self._replica.look())
        return self._replica.belief.contact is Contact.IN_TOUCH

    def status(self) -> BreakerStatus:
        """The circuit now. Looks only: no permit is handed out and nothing changes. What calls have counted
        since the last exchange travels along.

        Asks the store at most every ``config.refresh_interval``.
        """
        replica, belief = self._replica, self._replica.belief
        replica.waiter.run(replica.look())
        circuit, now = belief.circuit, belief.now()
        slots, retry_after = self._gate.outlook()
        return BreakerStatus(
            name=self.name,
            state=belief.decision().state,
            slots=slots,
            retry_after=retry_after,
            generation=circuit.generation,
            failure_count=circuit.failure_count(self.config, now),
            success_count=circuit.evidence.count(self.config, now).successes,
            opened_at=circuit.opened_at,
            open_until=circuit.open_until,
            last_failure_at=circuit.last_failure_at,
            open_count=circuit.open_count,
            override=belief.override(),
            store_ok=belief.contact is Contact.IN_TOUCH,
            store_error=belief.lost,
            store_time=now,
        )

    def metrics(self) -> BreakerMetrics:
        """Counts of this process's calls, beside pooled values of the circuit. Asks nobody."""
        forking.notice()
        belief = self._replica.belief
        circuit, now = belief.circuit, belief.now()
        successes, failures, neutral, rejected = self._tally.read()
        return BreakerMetrics(
            state=belief.decision().state,
            total_calls=successes + failures + neutral,
            successful_calls=successes,
            failed_calls=failures,
            rejected_calls=rejected,
            success_rate=successes / (successes + failures) if successes + failures else 1.0,
            failure_count=circuit.failure_count(self.config, now),
            circuit_open_count=circuit.open_count,
            last_failure_time=circuit.last_failure_at,
        )

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Have ``listener`` called with each event of `breakwall.breaker.events`. Returns how to end that.

        It is called outside every lock, in a caller's thread or the store's, and should be quick.
        """
        return self._announcer.listen(listener)

    # --- an operator's word

    def force_open(self, reason: str, actor: str, seconds: float | None = None) -> None:
        """Refuse every call of the whole fleet, for ``seconds`` or until `auto`.

        Everybody knows after one refresh interval. The computed state goes on beside it.

        Raises:
            StoreLostError: the store did not confirm it. It will not be sent any more, but may have arrived.
            ValueError: naming what is missing.
        """
        self._override(OverrideMode.FORCED_OPEN, reason, actor, seconds)

    def force_close(self, reason: str, actor: str, seconds: float | None = None) -> None:
        """Refuse no call of the whole fleet; otherwise as `force_open`."""
        self._override(OverrideMode.FORCED_CLOSED, reason, actor, seconds)

    def observe(self, reason: str, actor: str, seconds: float | None = None) -> None:
        """Refuse no call, but tell listeners of each that would have been; otherwise as `force_open`."""
        self._override(OverrideMode.OBSERVING, reason, actor, seconds)

    def auto(self, actor: str) -> None:
        """Lift the override: the computed state decides again. Raises as `force_open`."""
        self._override(None, "back to automatic", actor, None)

    # --- its life

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
        return f"CircuitBreaker({self.name!r}, {self._replica.belief.decision().state.value})"

    def after_fork(self) -> None:
        """In a forked child: begin anew, with the child's own locks, connections and counts."""
        leave_probes()
        self._tally.reset()
        self._replica.reset()

    # --- what operators and the replica tell

    def _override(self, mode: OverrideMode | None, reason: str, actor: str, seconds: float | None) -> None:
        if not reason.strip() or not actor.strip():
            raise ValueError("reason and actor should each say something: others will want to know")
        if seconds is not None and not 0 < seconds <= LONGEST_OVERRIDE:
            raise ValueError(
                f"seconds should be above 0 and at most {LONGEST_OVERRIDE:.0f}; without, it lasts until auto"
            )
        if not self._replica.insist(SetOverride(mode, reason, actor, seconds), OVERRIDE_PATIENCE):
            raise StoreLostError(f"the store of circuit {self.name!r} did not confirm the override in time")

    def _set_lane(self, lane: Lane | None) -> None:
        self._lane = lane
        if lane is not None:
            self._tally.watch(lane)

    def _changed(self, before: Circuit, after: Circuit) -> None:
        now = self._replica.belief.now()
        if after.override != before.override and after.override == after.override_at(now):
            self._announcer.tell(Overridden(self.name, after.override))
        if before.generation == after.generation:
            return
        wait = max(0.0, (after.open_until or 0.0) - now)
        logger.info("circuit %r: %s, was %s", self.name, after.state.value, before.state.value)
        self._announcer.tell(
            Transition(
                self.name,
                before.state,
                after.state,
                after.generation,
                wait,
                failures=after.opened_by,
                reopenings=after.reopenings,
            )
        )

    def _contact(self, error: str | None) -> None:
        if error is None:
            # As loud as its loss: who was told of that will want to know.
            logger.warning("circuit %r: its store is back", self.name)
            self._announcer.tell(StoreBack(self.name))
        else:
            logger.warning("circuit %r: its store is lost (%s); a local circuit goes on", self.name, error)
            self._announcer.tell(StoreLost(self.name, error))
