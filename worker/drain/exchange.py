"""Decides what the slots do next, and exchanges it with the database: payments in, claims out, in one transaction."""

import logging
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from queue import Empty

from breakwall.breaker import BreakerStatus, CircuitBreaker
from breakwall.host.exhaustion import ResourceExhaustion
from breakwall.payments.charging import Charger
from breakwall.payments.db.database import DatabaseUnavailableError
from breakwall.payments.gateways.base import GatewayProfile
from breakwall.payments.ledger.batch_claiming import Exchanged
from breakwall.payments.ledger.dispatch_queue import DispatchQueue
from breakwall.worker.control.hold import Hold
from breakwall.worker.drain.crashed import CrashedOrders
from breakwall.worker.drain.in_hand import JobsInHand, Queue
from breakwall.worker.drain.jobs import (
    Event,
    Job,
    Paid,
    RecordAnswer,
    Result,
    Retry,
    Send,
    Stop,
    Submitted,
    Unsent,
)
from breakwall.worker.drain.log import DrainLog
from breakwall.worker.drain.messages import Messages
from breakwall.worker.drain.outage import Kept, Outage
from breakwall.worker.drain.pace import Pace
from breakwall.worker.drain.returns import Returns
from breakwall.worker.drain.slot import LONGEST_WAIT

log = logging.getLogger("breakwall.worker")

IDLE = 5.0  # Seconds that an exchange waits for an event if nothing else has to be done.
# Seconds until the breaker is asked again while orders wait: if it alone holds them back, and while calls are in hand.
# If a rate holds them back, the next turn decides, from `POLL` to `LONGEST_TURN`.
POLL = 0.05
BUSY_POLL = 0.5
LONGEST_TURN = 1.0


class Exchange:
    """Runs in one thread, which alone uses it; `run_once` is repeated. Raises nothing but bugs.

    ``hold``: what operators have decided. ``inbox``: events of the consumer and of the slots. ``jobs``: what the slots
    take. ``slots``: how many threads take jobs, which may change.
    """

    def __init__(
        self,
        charger: Charger,
        breaker: CircuitBreaker,
        due: DispatchQueue,
        drain_log: DrainLog,
        exhaustion: ResourceExhaustion,
        hold: Hold,
        *,
        inbox: Queue[Event],
        jobs: Queue[Job | None],
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self._charger, self._ledger = charger, charger.ledger
        self._breaker = breaker
        self._log = drain_log
        self._hold = hold
        self._inbox, self._in_hand = inbox, JobsInHand(jobs)
        self._monotonic, self._sleep = monotonic, sleep
        self.slots = 0
        self.messages = Messages()
        self._pace = Pace()
        self._outage = Outage(exhaustion, lease=self._ledger.lease, monotonic=monotonic)
        self._returns = Returns(charger, due, drain_log, self._finish)
        self._waiting: deque[str] = deque()
        self._crashed = CrashedOrders(monotonic)
        self._paid: list[Paid] = []
        self._unsent: list[Unsent] = []
        self._has_room = False  # Whether the last exchange found orders that need no slot now.
        self._next_turn: float | None = None  # Seconds; None: there is no rate.
        self._stopping = False

    @property
    def is_over(self) -> bool:
        """Whether it was stopped, and everything in hand has ended."""
        held = self._busy or self._paid or self._unsent or self._waiting or self._crashed
        return self._stopping and not held

    def run_once(self) -> None:
        """Wait for events, then exchange."""
        self._receive(self._timeout())
        self._has_room = False
        if self._outage.pause:
            return
        self._gather()
        self._withdraw_late()
        if self._unsent:
            self._undo()
        if self._outage.pause:
            return
        if not (self._paid or self._waiting or self._crashed):
            return  # An idle worker asks nobody for anything.
        # Before the status: a permit that is taken in between counts twice, and not never.
        without_permit = self._in_hand.without_permit
        status = self._breaker.status()
        ids = self._choose(status, without_permit)
        if self._paid or ids:
            self._exchange(ids, begin=status.slots is None)

    @property
    def _busy(self) -> int:
        return self._in_hand.number

    # --- events

    def _timeout(self) -> float:
        if pause := self._outage.pause:
            return min(pause, IDLE)
        if self._paid or self._unsent:
            return POLL  # A pause has just ended: their claims do not last for long.
        if not (self._waiting or self._crashed):
            return BUSY_POLL if self._busy > self.slots else IDLE
        if self._has_room and not self._next_turn:
            return 0.0
        if self._next_turn is not None:
            return min(max(POLL, self._next_turn), LONGEST_TURN)
        return BUSY_POLL if self._busy else POLL

    def _receive(self, timeout: float) -> None:
        try:
            self._take(self._inbox.get(True, timeout))
        except Empty:
            return
        self._receive_rest()

    def _receive_rest(self) -> None:
        try:
            while True:
                self._take(self._inbox.get(False))
        except Empty:
            pass

    def _gather(self) -> None:
        """Let more results come while the slots are at work on orders that were begun ahead: one commit for all."""
        # Each slot has one of the busy jobs, and the others wait for a slot.
        pause = 0.0 if self._stopping else self._pace.gathering(self._busy - self.slots, self.slots)
        if pause:
            self._sleep(pause)
            self._receive_rest()

    def _take(self, event: Event) -> None:
        if isinstance(event, Submitted):
            self._waiting.extend(self.messages.add(event.order_ids, event.done))
        elif isinstance(event, Stop):
            self._stopping = True
            self._take_back(self._in_hand.withdraw())  # Nothing more is sent.
        else:
            self._in_hand.came_back(event)
            self._take_result(event)

    def _take_result(self, result: Result) -> None:
        if isinstance(result, Paid):
            self._paid.append(result)
            self._pace.called(result.seconds)
        elif isinstance(result, Unsent):
            self._unsent.append(result)
        else:
            self._crashed.finish(result.order_id)
            self.messages.finish(result.order_id)

    def _withdraw_late(self) -> None:
        """Give back what was begun ahead if no slot has become free: it is too late to send it."""
        if late := self._in_hand.withdraw_late(self._monotonic() - LONGEST_WAIT):
            self._pace.forget()  # Or the same number would be begun ahead again.
            self._take_back(late)

    def _take_back(self, jobs: Iterable[Job]) -> None:
        for job in jobs:
            if isinstance(job, Send):
                self._unsent.append(Unsent(job, None))
            else:
                self._waiting.append(job.order_id)

    # --- what is begun next

    def _choose(self, status: BreakerStatus, without_permit: int) -> list[str]:
        """The orders for the next exchange."""
        self._next_turn = None if status.rate is None else status.background_wait
        if self._stopping:
            self._give_back()
        elif status.retry_after > 0:
            self._put_off(status.retry_after, "circuit_open")
        elif (wait := self._hold()) > 0:
            self._put_off(wait, "paused")
        elif self._crashed.take_turn(others_wait=bool(self._waiting)):
            if not (self._busy or self._paid or self._unsent) and self._room(status, without_permit):
                self._in_hand.give(Retry(self._crashed.begin()))
        else:
            room = min(self._room(status, without_permit), len(self._waiting))
            return [self._waiting.popleft() for _ in range(room)]
        return []

    def _room(self, status: BreakerStatus, without_permit: int) -> int:
        """How many more orders may begin. ``without_permit``: calls in hand that have no permit yet."""
        allowed = status.background_slots
        if status.slots is not None:  # Half-open: so many more probes, all of them the single way.
            room = min(status.slots, status.slots if allowed is None else allowed) - without_permit
            return max(0, min(room, self.slots - self._busy))
        at_once = self.slots
        if allowed is not None:  # What the fleet's limit and the rate leave to this process.
            at_once = min(at_once, self._busy - without_permit + allowed)
        return max(0, at_once + self._look_ahead(status, at_once) - self._busy)

    def _look_ahead(self, status: BreakerStatus, at_once: int) -> int:
        """How many orders are begun before one of so many calls at once ends, so that none waits for the next exchange.

        Where nothing can tell whether an attempt has charged, a crash must leave as few as possible. Under a rate an
        attempt that waits has not taken its turn, which would be given again.
        """
        if status.hanging or status.rate is not None or not _can_resolve(self._charger.gateway.profile):
            return 0
        return self._pace.ahead(at_once)

    # --- transactions

    def _exchange(self, ids: list[str], *, begin: bool) -> None:
        # Measured before the transaction. However long the process pauses, a call ends before its lease.
        begun = self._monotonic()
        paid, self._paid = self._paid, []
        max_attempts = self._charger.policy.max_attempts if begin else None
        try:
            payments = [one.payment for one in paid]
            prepares = self._charger.gateway.profile.prepares
            done = self._ledger.exchange(payments, ids, max_attempts=max_attempts, prepares=prepares)
        except DatabaseUnavailableError as error:
            self._paid = self._still_leased(paid)
            self._fail(error, ids)
        except Exception:
            log.exception("an exchange failed: its orders are worked on one by one")
            self._record_singly(paid)
            for order_id in ids:
                self._in_hand.give(Retry(order_id))
        else:
            self._outage.end()
            self._pace.exchanged(self._monotonic() - begun)
            self._accept(done, ids, paid, begun)

    def _accept(self, done: Exchanged, ids: list[str], paid: list[Paid], begun: float) -> None:
        given = self._monotonic()
        for attempt in done.attempts:
            self._in_hand.give(Send(attempt, begun, given))
        for order_id in done.others:
            self._in_hand.give(Retry(order_id))
        self._keep_crashed(done.crashed)
        recorded = {id(one) for one in done.paid}
        self._record_singly([one for one in paid if id(one.payment) not in recorded])
        self._finish_paid([one for one in paid if id(one.payment) in recorded])
        begun_ids = {one.claim.order_id for one in done.attempts}
        self._finish_idle([one for one in ids if one not in begun_ids.union(done.others, done.crashed)])

    def _record_singly(self, paid: Iterable[Paid]) -> None:
        for one in paid:
            self._in_hand.give(RecordAnswer(one.job.attempt, one.answer))

    def _finish_paid(self, paid: list[Paid]) -> None:
        if not paid:
            return
        for one in paid:
            self._charger.on_recorded(one.answer)
            self.messages.finish(one.job.order_id)
        self._log.paid([one.job.attempt for one in paid])

    def _keep_crashed(self, ids: list[str]) -> None:
        if ids:
            self._has_room = True
            self._finish(self._crashed.add(ids, self.slots))

    def _finish_idle(self, ids: list[str]) -> None:
        if ids:
            self._has_room = True
            self._finish(ids)
            self._log.nothing_to_do(ids)

    # --- what is given back

    def _undo(self) -> None:
        """Undo what was not sent."""
        unsent, self._unsent = self._unsent, []
        for refused in (True, False):
            same = [one for one in unsent if (one.retry_after is not None) is refused]
            try:
                self._returns.undo(same)
            except DatabaseUnavailableError as error:
                self._unsent += self._still_leased(same)
                self._fail(error, [])

    def _put_off(self, retry_after: float, why: str) -> None:
        """Nothing may be sent: defer what has not begun, and let its messages go."""
        if ids := self._unbegun():
            self._returns.put_off(ids, retry_after, why)

    def _give_back(self) -> None:
        """The process ends: other workers may take what has not begun, at once."""
        if ids := self._unbegun():
            self._returns.leave(ids)

    def _unbegun(self) -> list[str]:
        """Take out what has not begun."""
        ids = [*self._waiting, *self._crashed.take_out()]
        self._waiting.clear()
        return ids

    # --- failures

    def _still_leased(self, kept: Sequence[Kept]) -> list[Kept]:
        """Those of some results that may still be recorded."""
        left, lost = self._outage.leased(kept)
        self._finish(lost)
        return left

    def _fail(self, error: DatabaseUnavailableError, ids: list[str]) -> None:
        """The database has failed. Only if a resource is exhausted, the same orders are tried again."""
        if self._outage.begin(error) and not self._stopping:
            self._waiting.extendleft(reversed(ids))
        else:
            self._finish(ids)

    def _finish(self, ids: Iterable[str]) -> None:
        for order_id in ids:
            self.messages.finish(order_id)


def _can_resolve(profile: GatewayProfile) -> bool:
    """Whether an attempt whose outcome is unknown can be finished without a person."""
    return profile.finds_charges or profile.cancels or profile.deduplicates
