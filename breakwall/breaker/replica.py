"""This process's copy of a shared circuit: answers at once, and keeps in touch with the store.

In touch, the copy is what the store said last, at most one refresh interval old, and changes travel to
the store. When the store does not answer in time, the same changes are applied to the copy too, which
thereby becomes a local circuit of the same configuration. When an answer comes, the copy follows the
store again; `rejoin` says who is right then.
"""

from __future__ import annotations

import asyncio
import secrets
import threading
from collections.abc import Callable, Generator
from concurrent.futures import Future
from typing import TypeVar, cast

from breakwall.breaker import rejoin
from breakwall.breaker.changes import Advance, Change, Grant, Insisted, Outcomes, Settlement, applied
from breakwall.breaker.circuit import (
    CallOutcome,
    Circuit,
    CircuitState,
    Override,
    OverrideMode,
)
from breakwall.breaker.config import CircuitBreakerConfig
from breakwall.breaker.contact import Contact, Observer
from breakwall.breaker.evidence import Report
from breakwall.breaker.exchange import Answer, ContentionError, Exchange
from breakwall.breaker.lane import Lane
from breakwall.breaker.link import NoThreadError, link_for
from breakwall.breaker.outbox import Outbox
from breakwall.breaker.stores import Store
from breakwall.breaker.stores.memory import steady_time
from breakwall.breaker.timeshift import shifted
from breakwall.breaker.timetable import NEVER, Timetable
from breakwall.breaker.transitions import Decision, decide

T = TypeVar("T")


class _PrematureError(Exception):
    """Others may yet show that the local circuit is wrong: not before they have had time to."""


Ticket = Future[None]
Steps = Generator[Ticket | None, None, T]

# A store's time is worked out from its last answer; past this many seconds it is asked for anew.
ANSWER_LIFE = 10.0


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
        self.lost: str | None = None
        self._times = Timetable(self._config, self._clock)
        self._answer: Answer | None = None
        self._offset = steady_time()() - self._clock()
        self._outbox = Outbox()
        self._failures = self._slow = 0
        self._next: Ticket | None = None
        self._under_way: Ticket | None = None
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

    def look(self) -> Steps[None]:
        """Exchange with the store if the copy is older than the refresh interval."""
        if self._times.is_due:
            yield self._under_way or self._ticket()

    def refresh(self) -> Steps[None]:
        """`look`, before a call: what time alone has done is then done in the store too."""
        if self._times.is_due and self._ripe():
            self._note(Advance())
        yield from self.look()

    def grant(self, lease_id: str) -> Steps[bool]:
        """Ask for a probe's lease. Without the store's answer in time it is the local circuit's to give."""
        request = Grant(lease_id)
        self._note(request)
        try:
            yield self._ticket()
        except BaseException:
            # Cancelled or interrupted: nobody will hold what the request gets.
            with self._lock:
                self._outbox.withdraw(request)
            self._note(Settlement(lease_id, CallOutcome.NEUTRAL))
            self._ticket()
            raise
        with self._lock:
            if self.circuit.holds(lease_id):
                return True
            self._outbox.withdraw(request)
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
            elif not self._times.may_flush:
                return
        yield self._ticket()

    def submit(self, change: Change) -> Steps[None]:
        """Have ``change`` made."""
        self._note(change)
        yield self._ticket()

    def insist(self, change: Change, patience: float) -> bool:
        """Have ``change`` made in the store, which is tried at once and waited for; whether it was.

        If not, it will not be sent any more. What was sent and not answered may have arrived.
        """
        word = Insisted(change)
        self._note(word)
        ticket = self._ticket(at_once=True)
        if ticket is not None and self._link.is_this_thread():
            self._exchange(ticket)
        self._wait(ticket, patience, True)
        with self._lock:
            self._outbox.withdraw(word)
            word.withdraw()
            return word.made

    def run(self, steps: Steps[T], patience: float | None = None) -> T:
        """Take ``steps``, waiting for all of them at most ``patience`` seconds (default: the store time-out).

        While the store is slow or lost nobody waits who did not ask to.
        """
        end = self._clock() + (self._config.store_timeout if patience is None else patience)
        try:
            while True:
                self._wait(next(steps), end - self._clock(), patience is not None)
        except StopIteration as stop:
            return cast("T", stop.value)
        finally:
            steps.close()

    async def run_async(self, steps: Steps[T]) -> T:
        """`run` for an event loop."""
        end = self._clock() + self._config.store_timeout
        try:
            while True:
                await self._wait_async(next(steps), end - self._clock())
        except StopIteration as stop:
            return cast("T", stop.value)
        finally:
            steps.close()

    def close(self, patience: float) -> None:
        """Tell the store what it does not know yet and leave it, within ``patience`` seconds."""
        end = self._clock() + patience
        with self._lock:
            self._collect()
            unsaid = bool(self._outbox) and self.contact is Contact.IN_TOUCH
        if unsaid:
            self._wait(self._ticket(), patience, True)
        self._link.detach(max(0.0, end - self._clock()))

    # --- keeping in touch

    def _ticket(self, *, at_once: bool = False) -> Ticket | None:
        """The exchange that will carry what is pending: callers that come together share one.

        A lost store is asked once in a refresh interval, or ``at_once``.
        """
        with self._lock:
            if self._next is not None:
                return self._next
            if self.contact is Contact.LOST and not (at_once or self._times.is_due):
                return None
            ticket = self._next = Ticket()
        try:
            self._link.run(lambda: self._exchange(ticket), self._announce)
        except NoThreadError as error:
            with self._lock:
                self._next = None
            self._lose(type(error).__name__)
            ticket.set_result(None)
        return ticket

    def _wait(self, ticket: Ticket | None, patience: float, asked: bool) -> None:
        if ticket is not None and self._is_worth_waiting(asked):
            try:
                ticket.result(max(0.0, patience))
            except TimeoutError:
                self._overdue(ticket)
        self._announce()

    async def _wait_async(self, ticket: Ticket | None, patience: float) -> None:
        if ticket is not None and not ticket.done() and self._is_worth_waiting(False):
            answer = asyncio.wrap_future(ticket)
            _, overdue = await asyncio.wait([answer], timeout=max(0.0, patience))
            if overdue:
                self._overdue(ticket)
        self._announce()

    def _is_worth_waiting(self, asked: bool) -> bool:
        return (asked or not self.contact.local) and not self._link.is_this_thread()

    def _exchange(self, ticket: Ticket) -> None:
        with self._lock:
            if self._next is not ticket:
                # The link's own thread did not wait for its turn.
                return
            self._give_up_if_silent()
            self._collect()
            self._next, self._under_way = None, ticket
            changes = self._outbox.take(outcomes=self._times.may_flush)
            self._times.sent()
        try:
            self._converse(changes)
        finally:
            self._under_way = None
            ticket.set_result(None)

    def _converse(self, changes: list[Change]) -> None:
        exchange = Exchange(
            self._store, self._name, self._config, self._clock, self._luck(), self._reconciled
        )
        try:
            answer, circuit = exchange.run(changes, self._recent_answer() if changes else None)
            self._adopt(answer, circuit, flushed=bool(changes))
        except ContentionError as crowd:
            self._postpone(crowd.answer, crowd.circuit)
        except _PrematureError:
            self._linger()
        # Whatever a store raises, the call that is being protected must not see it.
        except Exception as error:
            self._lose(type(error).__name__)

    def _recent_answer(self) -> Answer | None:
        if self._answer is None or self._clock() - self._answer.received_at > ANSWER_LIFE:
            return None
        return self._answer if self.contact is Contact.IN_TOUCH else None

    def _reconciled(self, stored: Circuit | None, now: float) -> Circuit:
        with self._lock:
            self._times.hear()
            ours = self.circuit if self.contact is Contact.LOST else self._stored
            stand = rejoin.Stand(
                self.member,
                shifted(ours, now - self.now()),
                self._stored.generation,
                now - (self._clock() - self._times.lost_at),
            )
            premature = stored is not None and rejoin.is_premature(stand, stored, self._config.window)
            if premature and not self._times.others_had_time():
                raise _PrematureError
        return rejoin.reconciled(stand, stored)

    def _adopt(self, answer: Answer, circuit: Circuit, *, flushed: bool) -> None:
        with self._lock:
            self._times.hear()
            self._outbox.arrived()
            if flushed:
                self._times.flushed()
            self._follow(answer, circuit)

    def _follow(self, answer: Answer, circuit: Circuit) -> None:
        self.contact, self.lost, self._under_way = Contact.IN_TOUCH, None, None
        self.circuit = self._stored = circuit
        self._answer = answer
        self._offset = answer.record.now - answer.received_at
        new = self._lane is None or self._lane.generation != circuit.generation
        # A member's first outcome, and what came while the store was slow, travel with the next call: the
        # others weigh an outage by who else has been heard.
        unsaid = bool(self._outbox) and self._times.may_flush
        again = unsaid or (new and circuit.state is CircuitState.CLOSED)
        self._times.fresh_from(answer.received_at, again=again)
        self._relane()

    def _postpone(self, answer: Answer, circuit: Circuit) -> None:
        with self._lock:
            self._outbox.failed()
            self._times.crowded()
            if self.contact is Contact.LOST:
                self._times.try_later()
            else:
                self._follow(answer, circuit)

    def _linger(self) -> None:
        """Stay with the local circuit for another refresh interval."""
        with self._lock:
            self._become_lost(self.lost)

    def _lose(self, reason: str) -> None:
        with self._lock:
            if not self.contact.local:
                self._apply_locally(self._outbox.unconfirmed)
                self._times.lost()
            self._times.failed()
            self._become_lost(reason)

    def _overdue(self, ticket: Ticket) -> None:
        with self._lock:
            if self.contact.local or ticket not in {self._next, self._under_way}:
                return
            self._collect()
            self.contact, self.lost = Contact.SLOW, TimeoutError.__name__
            self._times.late()
            self._apply_locally(self._outbox.unconfirmed)
            self._relane()

    def _give_up_if_silent(self) -> None:
        if self.contact is Contact.SLOW and self._times.is_silent:
            self._become_lost(self.lost)

    def _become_lost(self, reason: str | None) -> None:
        self.contact, self.lost = Contact.LOST, reason
        self._outbox.lost(self._stored)
        self._times.try_later()
        self._relane()

    # --- the copy itself

    def _note(self, change: Change) -> None:
        with self._lock:
            self._add(change)

    def _add(self, change: Change) -> None:
        self._give_up_if_silent()
        if self.contact.local:
            self._apply_locally([change])
            self._relane()
        if self.contact is Contact.LOST:
            self._outbox.add_while_lost(change)
        else:
            self._outbox.add(change)

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
            self._lane.fresh_until = NEVER if self._config.slow_call_duration else self._times.due
        self._observer.on_lane(None if forced_open else self._lane)

    def _ripe(self) -> bool:
        suspected_at = self.circuit.evidence.suspected_at
        return suspected_at is not None and self.now() >= suspected_at + self._config.refresh_interval

    def _announce(self) -> None:
        with self._lock:
            self._give_up_if_silent()
            before, self._told = self._told, self.circuit
            was_lost = self._told_lost
            if self.contact is not Contact.SLOW:
                self._told_lost = self.lost
        if self._told is not before:
            self._observer.on_change(before, self._told)
        if self._told_lost != was_lost:
            self._observer.on_contact(self._told_lost)
