"""`CircuitBreaker`: protects the calls of a service that can fail."""

import math
import random
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, NoReturn

from breakwall.breaker import forking
from breakwall.breaker.admission import Admission
from breakwall.breaker.announcer import Announcer
from breakwall.breaker.calls_in_hand import CallsInHand, Load
from breakwall.breaker.circuit.state import CircuitState
from breakwall.breaker.circuit.transitions import passing_since
from breakwall.breaker.config import CircuitBreakerConfig
from breakwall.breaker.events import EventDispatcher, Listener
from breakwall.breaker.invocation import Invocation
from breakwall.breaker.metrics import BreakerMetrics, BreakerStatus, CallCounts
from breakwall.breaker.operator_commands import OperatorCommands
from breakwall.breaker.permit import Recorder, Replica
from breakwall.breaker.probe_context import leave_probes
from breakwall.breaker.protected_calls import ProtectedCalls
from breakwall.breaker.rate_cap import RateCap, lower
from breakwall.breaker.stores import AnyStore, MemoryStore
from breakwall.breaker.sync.fast_path import FastPath
from breakwall.breaker.sync.memory import MemoryReplica
from breakwall.breaker.sync.replica import Setup, no_report
from breakwall.breaker.sync.shared import SharedReplica

CLOSE_TIMEOUT = 1.0  # Seconds that `close` waits for the store.


class CircuitBreaker(ProtectedCalls, OperatorCommands):
    """One named circuit. All breakers with the same name and store share it.

    Args:
        name: of the circuit: 1 to 200 characters, without NUL.
        config: when it opens and closes; by default `CircuitBreakerConfig()`.
        store: keeps the circuit, see `store_from_url`; by default this process's memory.
        clock: monotonic seconds, for tests.
        jitter: 0 up to 1, at random: how much of ``config.jitter`` applies to an open interval; for tests.

    Threads and tasks may share a breaker. A forked child may use it too, however it was forked. No lock is held during
    a call, and a call never raises a store's error. Before and after it, a call waits for a store at most
    ``config.store_timeout``. Only the first calls of a process wait up to ``config.first_contact`` (see `meet_store`).

    While the circuit is closed, this process's copy of it lets calls through. The copy is at most
    ``config.refresh_interval`` old. So after another process has opened the circuit, this one may continue its calls
    for that time, plus ``config.store_timeout`` if the store is slow just then. With the defaults and 100 calls a
    second these are 20 calls, at worst 25.
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
        self._is_failed_result = self.config.is_failed_result
        self._counts = CallCounts()
        self._events = EventDispatcher()
        self._announcer = Announcer(name, self._events, clock)
        # For `acquire`, and for `call`, which does not enter its calls in a table.
        self._permit_path: FastPath | None = None
        self._fast_path: FastPath | None = None
        self._closed = False
        store = MemoryStore() if store is None else store
        is_reporting = self.config.adaptive_limit and not isinstance(store, MemoryStore)
        self._cap = RateCap(is_shared=is_reporting)
        self._calls = (
            CallsInHand(clock, self.config.lease_seconds, self._hang_changed, self._cap)
            if self.config.adaptive_limit
            else None
        )
        listeners = (
            self._set_fast_path,
            self._announcer.circuit_changed,
            self._announcer.store_changed,
        )
        report = no_report if self._calls is None else self._calls.report
        setup = Setup(name, self.config, clock, jitter, *listeners, report=report)
        self._replica: Replica = (
            MemoryReplica(setup, store.circuit(name))
            if isinstance(store, MemoryStore)
            else SharedReplica(setup, store)
        )
        self._recorder = Recorder(self.config, clock, self._counts, self._replica, self._calls, self._cap)
        self._admission = Admission(name, self._recorder, self._events)
        self._invocation = Invocation(self._admission)
        forking.remember(self)

    # --- reading

    def meet_store(self) -> bool:
        """Contact the store now, so that this process's first call need not wait for it.

        Waits at most ``config.first_contact``, and only if the store was not contacted yet. Raises nothing.

        Returns:
            Whether the store answers.
        """
        self._refresh()
        return self._replica.store_ok

    @property
    def state(self) -> CircuitState:
        """The computed state now: that of `status`, which says more. Asks the store as `status` does."""
        return self.status().state

    def status(self) -> BreakerStatus:
        """The circuit now.

        Asks the store at most once in a ``config.refresh_interval`` and sends what this process has counted. Gives no
        permit and changes nothing else.
        """
        self._refresh()
        replica = self._replica
        circuit, now = replica.circuit, replica.now()
        decision, override = self._admission.current()
        slots, retry_after = self._admission.slots_and_wait(decision, override)
        load = (
            Load(background_slots=slots)
            if self._calls is None
            else self._calls.load(circuit, now, slots, is_local=not replica.store_ok)
        )
        cap_at = self._clock()
        # By an operator's override any number, whatever is in hand.
        free = slots if override is not None else load.background_slots
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
            store_ok=replica.store_ok,
            store_error=replica.store_error,
            store_time=now,
            limit=load.limit,
            in_hand=load.in_hand,
            background_slots=lower(free, self._cap.turns(cap_at)),
            hanging=load.hanging,
            rate=lower(load.rate, self._cap.per_second),
            background_wait=max(load.background_wait, self._cap.wait(cap_at)),
            half_open_count=circuit.half_open_count,
            close_count=circuit.close_count,
            passing_since=passing_since(circuit, self.config, now),
        )

    def metrics(self) -> BreakerMetrics:
        """Counts of this process's calls, and values of the circuit. Does not ask the store."""
        forking.notice()
        circuit = self._replica.circuit
        successes, failures, neutral, refused = self._counts.read()
        return BreakerMetrics(
            state=self._admission.current()[0].state,
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
        """Call ``listener`` with each event of `breakwall.breaker.events`. Returns a function that ends that.

        The listener runs outside of every lock, in a caller's thread or in the store's, and should be quick.
        """
        return self._events.listen(listener)

    # --- operators

    def cap_background_rate(self, per_second: float | None, processes: int = 1) -> None:
        """Let all processes together start at most so many background calls a second; None: any number.

        Each process sets the same. It gets an even share, by the processes that make background calls now. The cap
        holds whatever an operator's override says, and also for probes.

        Args:
            processes: how many processes may make background calls. They share the cap where the circuit cannot tell:
                while its store is lost, unless it is closed, without ``config.adaptive_limit``, and in ``memory://``.

        Raises:
            ValueError: the rate is not above 0.
        """
        if per_second is not None and not 0 < per_second < math.inf:
            raise ValueError("per_second should be a number above 0, or None")
        self._cap.set(per_second, processes, self._clock())

    # --- closing and forking

    def close(self) -> None:
        """Store what was counted, and leave the store. Safe to call twice; waits at most a second.

        The last breaker that leaves a store closes the store's connections.
        """
        if not self._closed:
            self._closed = True
            self._replica.close(CLOSE_TIMEOUT)

    if not TYPE_CHECKING:
        # A block may mean a call or the end of the breaker, so it means neither. Type checkers see no context manager.
        def __enter__(self) -> NoReturn:
            raise TypeError(
                "a breaker is no context manager: write `with breaker.acquire():` for one call, and "
                "`with contextlib.closing(breaker):` to close it at the end of the block"
            )

        async def __aenter__(self) -> NoReturn:
            raise TypeError(
                "a breaker is no context manager: write `async with breaker.permit():` for one call, and "
                "call `breaker.close()` at the end of the program"
            )

        def __exit__(self, *_: object) -> None:
            """Python looks it up before it calls `__enter__`."""

        async def __aexit__(self, *_: object) -> None:
            """As `__exit__`."""

    def __repr__(self) -> str:
        return f"CircuitBreaker({self.name!r}, {self._admission.current()[0].state.value})"

    def after_fork(self) -> None:
        """In a forked child: begin anew, with locks, connections and counts of its own."""
        leave_probes()
        self._counts.reset()
        self._cap.reset(self._clock())
        if self._calls is not None:
            self._calls.reset()
        self._replica.reset()

    def _refresh(self) -> None:
        forking.notice()
        self._replica.wait(self._replica.refresh())

    # --- called by the replica

    def _set_fast_path(self, fast_path: FastPath | None) -> None:
        self._permit_path = fast_path
        self._fast_path = None if self.config.adaptive_limit else fast_path
        if fast_path is not None:
            self._counts.watch(fast_path)

    def _hang_changed(self, hanging: bool) -> None:
        in_hand = 0 if self._calls is None else self._calls.number
        self._announcer.hang_changed(in_hand, hanging=hanging)
