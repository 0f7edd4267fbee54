"""Decides what the slots do next, and exchanges it with the database: payments in, claims out, in one transaction."""

import logging
import time
from collections import deque
from collections.abc import Callable, Iterable
from queue import Empty
from typing import Protocol, TypeVar

from breakwall.breaker import BreakerStatus, CircuitBreaker
from breakwall.host.descriptors import free_descriptors
from breakwall.host.exhaustion import ResourceExhaustion, exhausted_resource
from breakwall.log_throttle import throttled
from breakwall.payments.charging import Charger
from breakwall.payments.db.database import DatabaseUnavailableError
from breakwall.payments.gateways.base import GatewayProfile
from breakwall.payments.ledger.batch_claiming import Exchanged
from breakwall.payments.ledger.dispatch_queue import DispatchQueue
from breakwall.payments.retry_policy import deferral
from breakwall.worker.control.hold import Hold
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
from breakwall.worker.exhaustion import PAUSE, TRIES

log = logging.getLogger("breakwall.worker")

IDLE = 5.0  # Seconds that an exchange waits for an event if nothing else has to be done.
# Seconds until the breaker is asked again while orders wait: if it alone holds them back, and while calls are in hand.
# If a rate holds them back, the next turn decides, from `POLL` to `LONGEST_TURN`.
POLL = 0.05
BUSY_POLL = 0.5
LONGEST_TURN = 1.0

T = TypeVar("T")
Kept = TypeVar("Kept", Paid, Unsent)


class Queue(Protocol[T]):
    """What the exchange and the slots pass to each other, as `queue.SimpleQueue` does it."""

    def put(self, item: T, /) -> object: ...

    def get(self, block: bool = True, timeout: float | None = None, /) -> T: ...


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
    ) -> None:
        self._charger, self._ledger = charger, charger.ledger
        self._breaker = breaker
        self._due = due
        self._log = drain_log
        self._exhaustion = exhaustion
        self._hold = hold
        self._inbox, self._jobs = inbox, jobs
        self._monotonic = monotonic
        self._report = throttled(log.warning)
        self.slots = 0
        self.messages = Messages()
        self._waiting: deque[str] = deque()
        # Orders that have crashed a process. Each is worked on alone: if it does that again, no other one is suspected.
        self._crashed: deque[str] = deque()
        self._alone: str | None = None
        self._paid: list[Paid] = []
        self._unsent: list[Unsent] = []
        self._busy = 0  # Jobs that were given to the slots and have not come back.
        self._came_back = 0  # Of these, the ones that came back since the last exchange.
        self._paused_until = float("-inf")
        self._next_turn: float | None = None  # Seconds; None: there is no rate.
        self._tries = 0
        self._stopping = False

    @property
    def is_over(self) -> bool:
        """Whether it was stopped, and everything in hand has ended."""
        return self._stopping and not (self._busy or self._paid or self._unsent)

    def run_once(self) -> None:
        """Wait for events, then exchange."""
        self._receive(self._timeout())
        if self._monotonic() < self._paused_until:
            return
        if self._unsent:
            self._undo()
        if not (self._paid or self._waiting or self._crashed):
            return  # An idle worker asks nobody for anything.
        status = self._breaker.status()
        ids = self._choose(status)
        if self._paid or ids:
            self._exchange(ids, begin=status.slots is None)

    # --- events

    def _timeout(self) -> float:
        if pause := max(0.0, self._paused_until - self._monotonic()):
            return min(pause, IDLE)
        if not (self._waiting or self._crashed):
            return IDLE
        if self._next_turn is not None:
            return min(max(POLL, self._next_turn), LONGEST_TURN)
        return BUSY_POLL if self._busy else POLL

    def _receive(self, timeout: float) -> None:
        try:
            self._take(self._inbox.get(True, timeout))
            while True:
                self._take(self._inbox.get(False))
        except Empty:
            pass

    def _take(self, event: Event) -> None:
        if isinstance(event, Submitted):
            self._waiting.extend(self.messages.add(event.order_ids, event.done))
        elif isinstance(event, Stop):
            self._stopping = True
            self._withdraw_jobs()
        else:
            self._busy -= 1
            self._came_back += 1
            self._take_result(event)

    def _take_result(self, result: Result) -> None:
        if isinstance(result, Paid):
            self._paid.append(result)
        elif isinstance(result, Unsent):
            self._unsent.append(result)
        else:
            if result.order_id == self._alone:
                self._alone = None
            self.messages.finish(result.order_id)

    def _withdraw_jobs(self) -> None:
        """Take back what no slot has begun: nothing more is sent. What is to be recorded stays."""
        kept: list[Job] = []
        try:
            while (job := self._jobs.get(False)) is not None:
                if isinstance(job, RecordAnswer):
                    kept.append(job)
                    continue
                self._busy -= 1
                if isinstance(job, Send):
                    self._unsent.append(Unsent(job, None))
                else:
                    self._waiting.append(job.order_id)
        except Empty:
            pass
        for job in kept:
            self._jobs.put(job)

    # --- what is begun next

    def _choose(self, status: BreakerStatus) -> list[str]:
        """The orders for the next exchange."""
        self._next_turn = None if status.rate is None else status.background_wait
        if self._stopping:
            self._give_back()
        elif status.retry_after > 0:
            self._put_off(status.retry_after, "circuit_open")
        elif (wait := self._hold()) > 0:
            self._put_off(wait, "paused")
        elif self._crashed and self._alone is None:
            if not (self._busy or self._paid or self._unsent) and self._room(status):
                self._alone = self._crashed.popleft()
                self._give(Retry(self._alone))
        elif self._alone is None:
            room = min(self._room(status), len(self._waiting))
            return [self._waiting.popleft() for _ in range(room)]
        return []

    def _room(self, status: BreakerStatus) -> int:
        if status.slots is not None:  # Half-open: so many probes, all of them the single way.
            room = min(status.slots, self.slots) - self._busy
        else:
            # Under a rate nothing ahead: what waits for a slot has not taken its turn, which would be given again.
            room = self.slots - self._busy + (self._look_ahead() if status.rate is None else 0)
        # How many calls the fleet's limit and the rate leave to this process.
        allowed = status.background_slots
        return max(0, room if allowed is None else min(room, allowed))

    def _look_ahead(self) -> int:
        """How many orders are begun before a slot is free, so that no slot waits for the next exchange.

        As many as ended since the last one: while the service is quick these are some, while it is slow none. Where
        nothing can tell whether an attempt has charged, a crash must leave as few as possible.
        """
        return min(self.slots // 2, self._came_back) if _can_resolve(self._charger.gateway.profile) else 0

    def _give(self, job: Job) -> None:
        self._busy += 1
        self._jobs.put(job)

    # --- transactions

    def _exchange(self, ids: list[str], *, begin: bool) -> None:
        # Measured before the transaction. However long the process pauses, a call ends before its lease.
        begun = self._monotonic()
        paid, self._paid, self._came_back = self._paid, [], 0
        max_attempts = self._charger.policy.max_attempts if begin else None
        try:
            done = self._ledger.exchange([one.payment for one in paid], ids, max_attempts=max_attempts)
        except DatabaseUnavailableError as error:
            self._paid = self._still_leased(paid)
            self._pause(error, ids)
        except Exception:
            log.exception("an exchange failed: its orders are worked on one by one")
            self._record_singly(paid)
            for order_id in ids:
                self._give(Retry(order_id))
        else:
            self._tries = 0
            self._exhaustion.report_success()
            self._accept(done, ids, paid, begun)

    def _accept(self, done: Exchanged, ids: list[str], paid: list[Paid], begun: float) -> None:
        given = self._monotonic()
        for attempt in done.attempts:
            self._give(Send(attempt, begun, given))
        for order_id in done.others:
            self._give(Retry(order_id))
        self._crashed.extend(done.crashed)
        recorded = {id(one) for one in done.paid}
        self._record_singly([one for one in paid if id(one.payment) not in recorded])
        self._finish_paid([one for one in paid if id(one.payment) in recorded])
        begun_ids = {one.claim.order_id for one in done.attempts}
        self._finish_idle([one for one in ids if one not in begun_ids.union(done.others, done.crashed)])

    def _record_singly(self, paid: Iterable[Paid]) -> None:
        for one in paid:
            self._give(RecordAnswer(one.job.attempt, one.answer))

    def _finish_paid(self, paid: list[Paid]) -> None:
        if not paid:
            return
        for one in paid:
            self._charger.on_recorded(one.answer)
            self.messages.finish(one.job.order_id)
        self._log.paid([one.job.attempt for one in paid])

    def _finish_idle(self, ids: list[str]) -> None:
        if ids:
            self._finish(ids)
            self._log.nothing_to_do(ids)

    def _undo(self) -> None:
        """Undo what was not sent. What the breaker refused is due when it says so."""
        unsent, self._unsent = self._unsent, []
        refused = [one for one in unsent if one.retry_after is not None]
        late = [one for one in unsent if one.retry_after is None]
        wait = max((one.retry_after or 0.0 for one in refused), default=0.0)
        self._undo_some(refused, deferral(wait, self._charger.jitter()), deferred=True)
        self._undo_some(late, 0.0, deferred=False)

    def _undo_some(self, unsent: list[Unsent], delay: float, *, deferred: bool) -> None:
        if not unsent:
            return
        ids = [one.job.order_id for one in unsent]
        try:
            self._ledger.undo_attempts([one.job.attempt for one in unsent], delay, deferred=deferred)
        except DatabaseUnavailableError as error:
            self._unsent += self._still_leased(unsent)
            self._pause(error, [])
        except Exception:
            log.exception("attempts that were not sent could not be undone: their claims expire")
            self._finish(ids)
        else:
            self._finish(ids)
            self._log.deferred(ids, delay, "the breaker refuses calls" if deferred else "not sent in time")

    def _put_off(self, retry_after: float, why: str) -> None:
        """Nothing may be sent: defer what has not begun, and let its messages go."""
        ids = [*self._waiting, *self._crashed]
        if not ids:
            return
        self._waiting.clear()
        self._crashed.clear()
        delay = deferral(retry_after, self._charger.jitter())
        deferred = self._attempt(lambda: self._ledger.defer_many(ids, delay), ids)
        if deferred:
            self._log.deferred(deferred, delay, why)

    def _give_back(self) -> None:
        """The process ends: other workers may take what has not begun, at once."""
        ids = [*self._waiting, *self._crashed]
        if ids:
            self._waiting.clear()
            self._crashed.clear()
            self._attempt(lambda: self._due.give_back_due(ids), ids)

    def _attempt(self, work: Callable[[], T], ids: list[str]) -> T | None:
        """Do something with orders that have not begun, and finish them. A failure changes nothing."""
        try:
            return work()
        except DatabaseUnavailableError as error:
            log.warning("%d orders stay as they are: %s", len(ids), error)
        except Exception:
            log.exception("%d orders stay as they are", len(ids))
        finally:
            self._finish(ids)
        return None

    # --- failures

    def _still_leased(self, kept: list[Kept]) -> list[Kept]:
        """Those of some results that may still be recorded. The rest is found by a look-up, after its lease."""
        now = self._monotonic()
        left = [one for one in kept if now < one.job.begun + self._ledger.lease]
        for one in kept:
            if one not in left:
                log.warning("order %s is deferred: its claim expires", one.job.order_id)
                self.messages.finish(one.job.order_id)
        return left

    def _pause(self, error: DatabaseUnavailableError, ids: list[str]) -> None:
        """Wait after a failure of the database. Only if a resource is exhausted, the same orders are tried again."""
        self._paused_until = self._monotonic() + PAUSE
        self._tries += 1
        resource = exhausted_resource(error)
        if resource is not None and self._tries < TRIES and not self._stopping:
            self._exhaustion.report(resource)
            free_descriptors(error)
            self._waiting.extendleft(reversed(ids))
            return
        self._report(f"an exchange with the database failed: {error}")
        self._finish(ids)

    def _finish(self, ids: Iterable[str]) -> None:
        for order_id in ids:
            self.messages.finish(order_id)


def _can_resolve(profile: GatewayProfile) -> bool:
    """Whether an attempt whose outcome is unknown can be finished without a person."""
    return profile.looks_up or profile.deduplicates
