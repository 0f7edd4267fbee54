"""What one member believes of a shared circuit, and how it changes its mind: no store, no thread, no waiting.

In touch, the belief is what the store said last, and changes are noted for the store. When the store does not
answer in time, the same changes are applied to the belief too, which thereby becomes a local circuit of the
same configuration. When an answer comes, the belief follows the store again; `rejoin` says who is right then.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable

from breakwall.breaker import rejoin
from breakwall.breaker.changes import Change, Outcomes, applied
from breakwall.breaker.circuit import Circuit, CircuitState, Override, OverrideMode
from breakwall.breaker.config import CircuitBreakerConfig
from breakwall.breaker.contact import Contact
from breakwall.breaker.exchange import Answer, Exchanged
from breakwall.breaker.lane import Lane
from breakwall.breaker.outbox import Outbox
from breakwall.breaker.reporter import Reporter
from breakwall.breaker.stores.memory import steady_time
from breakwall.breaker.timeshift import shifted
from breakwall.breaker.timetable import NEVER, Timetable
from breakwall.breaker.transitions import Decision, decide
from breakwall.breaker.unheard import Unheard

# A store's time is worked out from its last answer; past this many seconds it is asked for anew.
ANSWER_LIFE = 10.0


class PrematureError(Exception):
    """Others may yet show that the local circuit is wrong: not before they have had time to."""


class Belief:
    """One member's copy of a circuit. Anybody may look at it; whoever changes it holds ``lock`` meanwhile.

    Args:
        on_lane: told, under the lock, which lane calls may take from now on without asking; None is none.
        clock: monotonic seconds.
        luck: 0 up to 1, for the jitter.

    Attributes:
        lock: guards all of it, and the tickets of its courier.
        member: this member's name in the fleet.
        contact: how it stands with the store.
        lost: the name of the error that the store is slow or lost with.
        circuit: the copy.
        outbox: what is to be done in the store.
        times: when to speak to the store.
    """

    def __init__(
        self,
        config: CircuitBreakerConfig,
        on_lane: Callable[[Lane | None], None],
        clock: Callable[[], float],
        luck: Callable[[], float],
    ) -> None:
        self._config = config
        self._on_lane = on_lane
        self._clock = clock
        self._luck = luck
        self.reset()

    def reset(self) -> None:
        """Know nothing: at the start, and in a forked child, whose parent reports what was counted."""
        self.lock = threading.Lock()
        self.member = secrets.token_hex(4)
        self.contact = Contact.NEW
        self.lost: str | None = None
        self.circuit = self._stored = Circuit()
        self.outbox = Outbox()
        self.times = Timetable(self._config, self._clock)
        self._reporter = Reporter(self.member)
        self._answer: Answer | None = None
        self._offset = steady_time()() - self._clock()
        self._born_at = self._clock()
        self._met = False
        self._unheard: Unheard | None = self._nothing_heard()
        self._on_lane(None)

    # --- looking

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
        return self._reporter.lane

    def is_ripe(self) -> bool:
        """Whether a suspicion has outlasted the interval in which others could have refuted it."""
        suspected_at = self.circuit.evidence.suspected_at
        return suspected_at is not None and self.now() >= suspected_at + self._config.refresh_interval

    def has_opened(self) -> bool:
        """Whether time alone has opened the circuit, and nobody has said so yet."""
        closed = self.circuit.state is CircuitState.CLOSED
        return closed and self.decision().state is not CircuitState.CLOSED

    def recent_answer(self) -> Answer | None:
        """What the store said last, unless too long ago to work its time out from."""
        if self._answer is None or self._clock() - self._answer.received_at > ANSWER_LIFE:
            return None
        return self._answer if self.contact is Contact.IN_TOUCH else None

    # --- what this member does

    def note(self, change: Change) -> None:
        """Have ``change`` made: in the store with the next exchange, or in the local circuit."""
        self.give_up_if_silent()
        kept = self._unheard is not None and self._unheard.take(change)
        if self.contact.local or kept:
            self._apply_locally([change])
            self._relane()
        if self.contact is Contact.LOST:
            self.outbox.add_while_lost(change)
        elif not kept:
            self.outbox.add(change)

    def fail(self, generation: int, *, slow: bool) -> float | None:
        """Count a call of the closed ``generation`` that failed, or was slow.

        Returns:
            In how many seconds to tell the store; None if there is nothing to tell.
        """
        # A child that was forked during its parent's call knows of no generation yet.
        if not (self._reporter.is_in(generation) or self.contact is Contact.NEW):
            return None
        self._reporter.count(slow=slow)
        if self.contact.local:
            self.collect()
            return 0.0
        return self.times.flush_in

    def held_back_for(self) -> float | None:
        """In how many seconds to tell failures that the last exchange could not bring; None if there are none."""
        return self.times.flush_in if self.outbox.has_failures and not self.contact.local else None

    def collect(self) -> None:
        """Note what calls have counted since the last time."""
        report = self._reporter.report()
        if report:
            self.note(Outcomes(report))

    def pack(self) -> list[Change]:
        """An exchange begins: what it is to bring."""
        self.give_up_if_silent()
        self.collect()
        changes = self.outbox.take(outcomes=self.times.may_flush)
        self.times.sent()
        return changes

    # --- what the store says

    def reconciled(self, stored: Circuit | None, now: float) -> Circuit:
        """What to go on from, given what is ``stored`` and the store's time.

        Raises:
            PrematureError: see there.
            TimeoutError: the store was silent for so long that it was given up.
        """
        self.times.hear()
        ours = self.circuit if self.contact is Contact.LOST else self._stored
        stand = rejoin.Stand(
            self.member,
            shifted(ours, now - self.now()),
            self._stored.generation,
            now - (self._clock() - self.times.lost_at),
        )
        premature = stored is not None and rejoin.is_premature(stand, stored, self._config.window)
        if premature and not self.times.others_had_time():
            raise PrematureError
        right = rejoin.reconciled(stand, stored)
        ours_counts = self.contact is Contact.LOST and (stored is None or rejoin.overrules(stand, stored))
        if self._unheard is None or ours_counts:
            return right
        return self._unheard.told_to(right, now, self._luck())

    def adopt(self, exchanged: Exchanged, *, flushed: bool) -> None:
        """An exchange has succeeded, with changes (``flushed``) or without. Raises as `reconciled`."""
        self.times.hear()
        self.outbox.arrived()
        if flushed:
            self.times.flushed(raced=exchanged.raced, luck=self._luck())
        self._unheard = None
        self._follow(exchanged.answer, exchanged.circuit)

    def postpone(self, answer: Answer, circuit: Circuit) -> None:
        """The store has answered, and the changes have lost every race."""
        self.outbox.failed()
        if self._unheard is not None:
            self._unheard.told = False
        self.times.crowded()
        if self.contact is Contact.LOST:
            self.times.try_later()
        else:
            self._follow(answer, circuit)

    def _follow(self, answer: Answer, circuit: Circuit) -> None:
        first = not self._met
        self.contact, self.lost = Contact.IN_TOUCH, None
        self.circuit = self._stored = circuit
        self._answer = answer
        self._offset = answer.record.now - answer.received_at
        new = not self._reporter.is_in(circuit.generation)
        if first:
            self._settle_in(circuit)
        # A member's first outcome, and what came while the store was slow, travel with the next call: the
        # others weigh an outage by who else has been heard.
        unsaid = bool(self.outbox) and self.times.may_flush
        again = unsaid or (new and circuit.state is CircuitState.CLOSED)
        self.times.fresh_from(answer.received_at, again=again)
        self._relane()

    def _settle_in(self, circuit: Circuit) -> None:
        """The first contact: calls in hand, which began in no generation that anybody knew, began in this one if
        it is older than this member."""
        self._met = True
        born_at = self._born_at + self._offset
        if circuit.state is CircuitState.CLOSED and (circuit.began_at or NEVER) <= born_at:
            self._reporter.adopt(circuit.generation)

    # --- the store says nothing

    def doubt(self) -> None:
        """The store does not answer in time: go on with a local circuit meanwhile."""
        if self.contact.local:
            return
        self.collect()
        self.contact, self.lost = Contact.SLOW, TimeoutError.__name__
        self.times.late()
        self._apply_locally(self.outbox.unconfirmed)
        self._relane()

    def lose(self, reason: str) -> None:
        """An exchange has failed with the error called ``reason``: go on with a local circuit."""
        if not self.contact.local:
            self._apply_locally(self.outbox.unconfirmed)
            self.times.lost()
        if self._unheard is not None and self._unheard.told:
            # It may have arrived, and counted twice it could open a healthy circuit.
            self._unheard = self._nothing_heard()
        self.times.failed()
        self._become_lost(reason)

    def linger(self) -> None:
        """Stay with the local circuit for another refresh interval."""
        self._become_lost(self.lost)

    def give_up_if_silent(self) -> None:
        """A store that is slow for too long is lost."""
        if self.contact is Contact.SLOW and self.times.is_silent:
            self._become_lost(self.lost)

    def _become_lost(self, reason: str | None) -> None:
        self.contact, self.lost = Contact.LOST, reason
        self.outbox.lost(self._stored)
        self.times.try_later()
        self._relane()

    def _nothing_heard(self) -> Unheard:
        return Unheard(self._config, self.member, self.now)

    # --- the copy itself

    def _apply_locally(self, changes: list[Change]) -> None:
        ours = [change for change in changes if not change.fleet_only]
        self.circuit = applied(ours, self.circuit, self._config, self.now(), self._luck())

    def _relane(self) -> None:
        """Open the lane for calls, or close it, after the circuit or the time of its refresh has changed."""
        self._reporter.follow(self.circuit)
        lane, override = self._reporter.lane, self.override()
        if lane is not None:
            # Time alone may decide a suspicion, so each call asks while there is one.
            asks = self._config.slow_call_duration or self.circuit.evidence.suspected_at is not None
            lane.fresh_until = NEVER if asks else self.times.due
        forced_open = override is not None and override.mode is OverrideMode.FORCED_OPEN
        self._on_lane(None if forced_open else lane)
