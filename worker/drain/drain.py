"""The threads of the drain: one for the exchange, and one for each slot."""

import logging
import threading
from collections.abc import Callable, Sequence
from queue import SimpleQueue

from breakwall.breaker import CircuitBreaker
from breakwall.host.exhaustion import EXHAUSTION_ERRORS, THREADS, ResourceExhaustion, exhausted_resource
from breakwall.payments.charging import Charger
from breakwall.payments.ledger.dispatch_queue import DispatchQueue
from breakwall.worker.control.hold import Hold
from breakwall.worker.drain.exchange import Exchange
from breakwall.worker.drain.jobs import Event, Finished, Job, Result, Retry, Stop, Submitted
from breakwall.worker.drain.log import DrainLog
from breakwall.worker.drain.slot import Slot
from breakwall.worker.exhaustion import ExhaustionRetry
from breakwall.worker.log.orders import OrderLog
from breakwall.worker.retry import Retrier

log = logging.getLogger("breakwall.worker")

# How many orders a worker holds for each slot, at most: enough for the next exchange, and few enough that several
# workers share a queue fairly.
HELD_PER_SLOT = 4


class Drain:
    """Works on the orders that it is given. Safe for threads. Its own start with `start`, or with the first order.

    ``slots``: how many payments run at once. If no thread can be started, it works with fewer, and tries again.
    ``on_room`` is called, from any thread, when it has use for more orders again.
    """

    def __init__(
        self,
        exchange: Exchange,
        slot: Slot,
        *,
        inbox: SimpleQueue[Event],
        jobs: SimpleQueue[Job | None],
        slots: int,
        exhaustion: ResourceExhaustion,
        on_room: Callable[[], object] = lambda: None,
    ) -> None:
        self._exchange = exchange
        self._slot = slot
        self._inbox = inbox
        self._jobs = jobs
        self._slots = slots
        self._exhaustion = exhaustion
        self._on_room = on_room
        # At a second Ctrl-C Celery stops the drain in the signal's handler, which may have interrupted `submit`.
        self._lock = threading.RLock()
        self._submitted = 0
        self._thread: threading.Thread | None = None
        self._stopped = False

    def start(self) -> None:
        """Start the exchange, unless it runs. Raises `RuntimeError` if no thread can be started."""
        with self._lock:
            if self._thread is None and not self._stopped:
                thread = threading.Thread(target=self._run, name="breakwall-exchange", daemon=True)
                thread.start()
                self._thread = thread

    def submit(self, order_ids: Sequence[str], done: Callable[[], None]) -> None:
        """Work on the orders of a message.

        ``done`` is called once, by any thread, when each of them is finished or put off.
        """
        self.start()
        with self._lock:
            if not self._stopped:
                self._submitted += len(order_ids)
                self._inbox.put(Submitted(order_ids, done))
                return
        done()

    @property
    def held(self) -> int:
        """How many ids it was given and has not finished."""
        return self._submitted - self._exchange.messages.finished

    @property
    def wanted(self) -> int:
        """How many more ids it would take now."""
        return max(0, HELD_PER_SLOT * self._slots - self.held)

    def work_on_released(self, order_id: str) -> None:
        """Work on an order that a person has released although the drain is paused, in the caller's thread."""
        self._slot.run(Retry(order_id, released=True))

    def ask_to_stop(self) -> None:
        """Begin nothing more, and give back what was not sent; does not wait. Safe to call twice."""
        with self._lock:
            if not self._stopped:
                self._stopped = True
                self._inbox.put(Stop())

    def stop(self) -> None:
        """`ask_to_stop`, and wait for the calls in hand."""
        self.ask_to_stop()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._exchange.is_over:
            try:
                self._run_once()
            except Exception:
                log.exception("an exchange failed")
        for _ in range(self._exchange.slots):
            self._jobs.put(None)

    def _run_once(self) -> None:
        self._grow()
        had_room = self.wanted > 0
        self._exchange.run_once()
        if self.wanted > 0 and not had_room:
            self._on_room()

    def _grow(self) -> None:
        """Start the threads that are missing."""
        try:
            while self._exchange.slots < self._slots:
                name = f"breakwall-slot-{self._exchange.slots + 1}"
                threading.Thread(target=self._work, name=name, daemon=True).start()
                self._exchange.slots += 1
        except EXHAUSTION_ERRORS as error:
            if exhausted_resource(error) is None:
                raise
            self._exhaustion.report(THREADS)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            self._inbox.put(self._result_of(job))

    def _result_of(self, job: Job) -> Result:
        try:
            return self._slot.run(job)
        # An exit or a cancellation, which a gateway has raised. Without a result the slot would never get another job.
        except BaseException:
            log.exception("order %s failed", job.order_id)
            return Finished(job.order_id)


def open_drain(
    charger: Charger,
    breaker: CircuitBreaker,
    retrier: Retrier,
    due: DispatchQueue,
    order_log: OrderLog,
    exhaustion_retry: ExhaustionRetry,
    hold: Hold,
    *,
    slots: int,
    timeout: float,
    on_work: Callable[[], object],
    on_room: Callable[[], object],
) -> Drain:
    """The drain of a process.

    ``timeout``: seconds of one call; ``on_work`` is called after orders were worked on; ``on_room`` as in `Drain`.
    """
    inbox: SimpleQueue[Event] = SimpleQueue()
    jobs: SimpleQueue[Job | None] = SimpleQueue()
    drain_log = DrainLog(order_log, on_work)
    exhaustion = exhaustion_retry.exhaustion
    slot = Slot(charger, breaker, retrier, exhaustion_retry, timeout=timeout, on_finished=drain_log.finished)
    exchange = Exchange(charger, breaker, due, drain_log, exhaustion, hold, inbox=inbox, jobs=jobs)
    return Drain(exchange, slot, inbox=inbox, jobs=jobs, slots=slots, exhaustion=exhaustion, on_room=on_room)
