"""This process's copy of a shared circuit: answers at once, and keeps in touch with the store.

In touch, the copy is what the store said last, at most one refresh interval old, and changes travel to
the store. When the store does not answer in time, the same changes are applied to the copy too, which
thereby becomes a local circuit of the same configuration. When an answer comes, the copy follows the
store again; `exchange.overrules` says who is right then.
"""

from __future__ import annotations

import asyncio
import secrets
import threading
from collections.abc import Callable, Generator
from concurrent.futures import Future
from typing import TypeVar, cast

from breakwall.breaker.changes import Advance, Change, Grant, Outcomes, Settlement, applied
from breakwall.breaker.circuit import (
    CallOutcome,
    Circuit,
    CircuitState,
    Decision,
    Override,
    OverrideMode,
    decide,
    shifted,
)
from breakwall.breaker.config import CircuitBreakerConfig
from breakwall.breaker.contact import Contact, Observer
from breakwall.breaker.evidence import Report
from breakwall.breaker.exchange import Answer, ContentionError, Exchange, overrules
from breakwall.breaker.lane import Lane
from breakwall.breaker.link import link_for
from breakwall.breaker.stores import Store
from breakwall.breaker.stores.memory import steady_time

T = TypeVar("T")
Ticket = Future[None]
Steps = Generator[Ticket | None, None, T]

# After an exchange that lost every race, the pause before the next doubles up to this many intervals.
LONGEST_STRETCH = 8
# A store's time is worked out from its last answer; past this many seconds it is asked for anew.
ANSWER_LIFE = 10.0
# A busy process is late now and then; only a store that is late for so many seconds is news.
WORTH_TELLING = 1.0
NEVER = float("-inf")


class Replica:
    """One circuit's copy. ``clock`` is monotonic seconds; ``luck`` is 0 up to 1, for the jitter."""

    def __init__(
        self,
        name: str,
        config: CircuitBreakerConfig,
        store: Store,
        observer: Observer,
        clock: Callable[[], float],
        luck: Callable[[], float],
    ) -> None:
        self._name = name
        self._config = config
        self._store = store
        self._observer = observer
        self._clock = clock
        self._luck = luck
        self._link = link_for(store)
        self._link.attach()
        self.reset()

    def reset(self) -> None:
        """Know nothing: at the start, and in a forked child, whose parent reports what was counted."""
        self._lock = threading.Lock()
        self.member = secrets.token_hex(4)
        self.contact = Contact.NEW
        self.circuit = self._stored = self._told = Circuit()
        self._told_lost: str | None = None
        self._slow_since = NEVER
        self.lost: str | None = None
        self._answer: Answer | None = None
        self._offset = steady_time()() - self._clock()
        self._pending: list[Change] = []
        self._in_flight: list[Change] = []
        self._failures = self._slow = 0
        self._next: Ticket | None = None
        self._under_way: Ticket | None = None
        self._due = NEVER
        self._stretch = 1
        self._lane: Lane | None = None
        self._observer.on_lane(None)

    # --- what callers ask

    def now(self) -> float:
        """The store's time, as far as this process can tell."""
        return self._clock() + self._offset

    def decision(self) -> Decision:
        """What the computed state has for a caller now."""
        return decide(self.circuit, self._config, self.now())

    def override(self) -> Override | None:
        """The override in force."""
        return self.circuit.override_at(self.now())

    def lane(self) -> Lane | None:
        """The lane of the closed circuit."""
        return self._lane

    # Each of the next is a series of exchanges to wait for, so that a thread and an event loop wait each in
    # its own way: `run` and `run_async`.

    def refresh(self) -> Steps[None]:
        """Exchange with the store if the copy is older than the refresh interval."""
        if self._clock() >= self._due:
            if self._ripe():
                self._note(Advance())
            yield self._under_way or self._ticket()

    def grant(self, lease_id: str) -> Steps[bool]:
        """Ask for a probe's lease. Without the store's answer in time it is the local circuit's to give."""
        request = Grant(lease_id)
        self._note(request)
        try:
            yield self._ticket()
        except BaseException:
            # Cancelled or interrupted: nobody will hold what the request gets.
            self._note(Settlement(lease_id, CallOutcome.NEUTRAL))
            self._ticket()
            raise
        with self._lock:
            if self.circuit.holds(lease_id):
                return True
            if request in self._pending:
                self._pending.remove(request)
        if self.contact.local:
            # The request may still be on its way; what it gets nobody will use.
            self._note(Settlement(lease_id, CallOutcome.NEUTRAL))
        return False

    def fail(self, generation: int, *, slow: bool = False) -> Steps[None]:
        """A call that was let through while closed failed, or was slow."""
        with self._lock:
            if self._lane is None or self._lane.generation != generation:
                return
            self._slow += slow
            self._failures += not slow
            if self.contact.local:
                self._collect()
        yield self._ticket()

    def submit(self, change: Change) -> Steps[None]:
        """Have ``change`` made."""
        self._note(change)
        yield self._ticket()

    def insist(self, change: Change, patience: float) -> bool:
        """Have ``change`` made in the store, which is tried at once and waited for; whether it answered."""
        self._note(change)
        with self._lock:
            self._due = NEVER
        self._wait(self._ticket(), patience)
        return self.contact is Contact.IN_TOUCH

    def run(self, steps: Steps[T], patience: float | None = None) -> T:
        """Take ``steps``, waiting at each at most ``patience`` seconds (default: the store time-out).

        While the store is slow or lost nobody waits who did not ask to.
        """
        try:
            while True:
                self._wait(next(steps), patience)
        except StopIteration as end:
            return cast("T", end.value)
        finally:
            steps.close()

    async def run_async(self, steps: Steps[T]) -> T:
        """`run` for an event loop."""
        try:
            while True:
                await self._wait_async(next(steps))
        except StopIteration as end:
            return cast("T", end.value)
        finally:
            steps.close()

    def close(self, patience: float) -> None:
        """Tell the store what it does not know yet, wait for that at most ``patience``, and leave."""
        with self._lock:
            self._collect()
            unsaid = bool(self._pending) and self.contact is Contact.IN_TOUCH
        if unsaid:
            self._wait(self._ticket(), patience)
        self._link.detach(patience)

    # --- keeping in touch

    def _ticket(self) -> Ticket | None:
        """The exchange that will carry what is pending: callers that come together share one."""
        with self._lock:
            if self._next is not None:
                return self._next
            if self.contact is Contact.LOST and self._clock() < self._due:
                return None
            ticket = self._next = Ticket()
        self._link.run(lambda: self._exchange(ticket), self._announce)
        return ticket

    def _wait(self, ticket: Ticket | None, patience: float | None) -> None:
        if ticket is not None and self._is_worth_waiting(patience):
            try:
                ticket.result(self._config.store_timeout if patience is None else patience)
            except TimeoutError:
                self._overdue(ticket)
        self._announce()

    async def _wait_async(self, ticket: Ticket | None) -> None:
        if ticket is not None and not ticket.done() and self._is_worth_waiting(None):
            answer = asyncio.wrap_future(ticket)
            _, overdue = await asyncio.wait([answer], timeout=self._config.store_timeout)
            if overdue:
                self._overdue(ticket)
        self._announce()

    def _is_worth_waiting(self, patience: float | None) -> bool:
        return (patience is not None or not self.contact.local) and not self._link.is_this_thread()

    def _exchange(self, ticket: Ticket) -> None:
        with self._lock:
            if self._next is ticket:
                self._next, self._under_way = None, ticket
                self._collect()
                self._in_flight, self._pending = self._pending, []
        try:
            if self._under_way is ticket:
                self._converse(self._in_flight)
        finally:
            self._under_way = None
            ticket.set_result(None)

    def _converse(self, changes: list[Change]) -> None:
        exchange = Exchange(
            self._store, self._name, self._config, self._clock, self._luck(), self._reconciled
        )
        try:
            self._adopt(*exchange.run(changes, self._recent_answer() if changes else None))
        except ContentionError:
            self._postpone(changes)
        # Whatever a store raises, the call that is being protected must not see it.
        except Exception as error:
            self._lose(changes, type(error).__name__)

    def _recent_answer(self) -> Answer | None:
        if self._answer is None or self._clock() - self._answer.received_at > ANSWER_LIFE:
            return None
        return self._answer if self.contact is Contact.IN_TOUCH else None

    def _reconciled(self, stored: Circuit | None, now: float) -> Circuit:
        ours = self.circuit if self.contact is Contact.LOST else self._stored
        if overrules(ours, self._stored, stored):
            return shifted(ours, now - self.now())
        return stored or Circuit()

    def _adopt(self, answer: Answer, circuit: Circuit) -> None:
        with self._lock:
            self.contact, self.lost = Contact.IN_TOUCH, None
            self.circuit = self._stored = circuit
            self._answer = answer
            self._offset = answer.record.now - answer.received_at
            self._stretch = max(1, self._stretch // 2)
            self._due = answer.received_at + self._config.refresh_interval
            new = self._lane is None or self._lane.generation != circuit.generation
            if self._pending or (new and circuit.state is CircuitState.CLOSED):
                # A member's first outcome, and what came while the store was slow, travel with the next
                # call: the others weigh an outage by who else has been heard.
                self._due = answer.received_at
            self._relane()

    def _postpone(self, changes: list[Change]) -> None:
        with self._lock:
            self._stretch = min(self._stretch * 2, LONGEST_STRETCH)
            # Nobody waits any more for the answer to a request for a lease.
            self._pending = [change for change in changes if not isinstance(change, Grant)] + self._pending
            self._due = self._clock() + self._config.refresh_interval * self._stretch
            self._relane()

    def _lose(self, changes: list[Change], reason: str) -> None:
        with self._lock:
            if not self.contact.local:
                self._apply_locally(changes + self._pending)
            self.contact, self.lost = Contact.LOST, reason
            # What was sent may have arrived, and the local circuit has the rest.
            self._pending = [change for change in changes + self._pending if change.repeatable]
            self._due = self._clock() + self._config.refresh_interval
            self._relane()

    def _overdue(self, ticket: Ticket) -> None:
        with self._lock:
            if ticket.done() or self.contact.local:
                return
            self._collect()
            self.contact, self.lost = Contact.SLOW, TimeoutError.__name__
            self._slow_since = self._clock()
            self._apply_locally(self._in_flight + self._pending)
            self._due = self._clock() + self._config.refresh_interval
            self._relane()

    # --- the copy itself

    def _note(self, change: Change) -> None:
        with self._lock:
            self._add(change)

    def _add(self, change: Change) -> None:
        if self.contact.local:
            self._apply_locally([change])
            self._relane()
        if self.contact is not Contact.LOST or change.repeatable or change.fleet_only:
            self._pending.append(change)

    def _collect(self) -> None:
        """Turn what was counted since the last time into a report."""
        failures, slow, self._failures, self._slow = self._failures, self._slow, 0, 0
        if self._lane is None:
            return
        report = Report(self._lane.generation, self.member, self._lane.unreported(), failures, slow)
        if report:
            self._add(Outcomes(report))

    def _apply_locally(self, changes: list[Change]) -> None:
        ours = [change for change in changes if not change.fleet_only]
        self.circuit = applied(ours, self.circuit, self._config, self.now(), self._luck())

    def _relane(self) -> None:
        """Open the lane for calls, or close it, after the circuit or the time of its refresh has changed."""
        circuit, override = self.circuit, self.override()
        forced_open = override is not None and override.mode is OverrideMode.FORCED_OPEN
        if circuit.state is not CircuitState.CLOSED:
            self._lane = None
        elif self._lane is None or self._lane.generation != circuit.generation:
            self._lane = Lane(circuit.generation)
        if self._lane is not None:
            self._lane.fresh_until = NEVER if self._config.slow_call_duration else self._due
        self._observer.on_lane(None if forced_open else self._lane)

    def _ripe(self) -> bool:
        suspected_at = self.circuit.evidence.suspected_at
        return suspected_at is not None and self.now() >= suspected_at + self._config.refresh_interval

    def _announce(self) -> None:
        with self._lock:
            before, self._told = self._told, self.circuit
            was_lost = self._told_lost
            if self.contact is not Contact.SLOW or self._clock() - self._slow_since >= WORTH_TELLING:
                self._told_lost = self.lost
        if self._told is not before:
            self._observer.on_change(before, self._told)
        if self._told_lost != was_lost:
            self._observer.on_contact(self._told_lost)
