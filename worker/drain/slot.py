"""What a slot's thread does with a job: it calls the payment service."""

import logging
import threading
import time
from collections.abc import Callable

from breakwall.breaker import CircuitBreaker, CircuitBreakerError, Permit
from breakwall.payments.charging import Charger
from breakwall.payments.db.database import DatabaseUnavailableError
from breakwall.payments.ledger.batch_claiming import Payment, proves_payment
from breakwall.payments.orders import OrderStatus
from breakwall.worker.drain.jobs import Finished, Job, Paid, RecordAnswer, Result, Send, Unsent
from breakwall.worker.exhaustion import ExhaustionRetry
from breakwall.worker.retry import Retrier

log = logging.getLogger("breakwall.worker")

# Seconds that an attempt waits for a permit, and in all until it is sent, once it may be. What waited longer is undone:
# too much of its time for the call would be gone.
PERMIT_WAIT = 0.5
LONGEST_WAIT = 1.0

OnFinished = Callable[[str, OrderStatus | None, float], object]
"""Gets the order, its state (None: nothing to do), and the seconds that the work took."""


class Places:
    """Lets who waits for a place at the payment service know at once when a call of this process has ended."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._freed = 0

    @property
    def freed(self) -> int:
        """How many calls have ended."""
        return self._freed

    def free(self) -> None:
        """A call has ended."""
        with self._changed:
            self._freed += 1
            self._changed.notify()

    def wait(self, freed: int, seconds: float) -> None:
        """Wait until more than ``freed`` calls have ended, at most for so many seconds."""
        with self._changed:
            self._changed.wait_for(lambda: self._freed > freed, seconds)


class Slot:
    """Runs one job after another. All threads of a process may share it.

    ``timeout``: seconds of one call, from its exchange. ``on_finished`` logs what was done the single way.
    """

    def __init__(
        self,
        charger: Charger,
        breaker: CircuitBreaker,
        retrier: Retrier,
        exhaustion_retry: ExhaustionRetry,
        *,
        timeout: float,
        on_finished: OnFinished,
        monotonic: Callable[[], float] = time.monotonic,
        places: Places | None = None,
    ) -> None:
        self._charger = charger
        self._breaker = breaker
        self._retrier = retrier
        self._exhaustion_retry = exhaustion_retry
        self._timeout = timeout
        self._on_finished = on_finished
        self._monotonic = monotonic
        self._places = places or Places()

    def run(self, job: Job) -> Result:
        """Do a job. Raises nothing but what ends the process; an order that failed is worked on after its lease."""
        if isinstance(job, Send):
            try:
                return self._send(job)
            except Exception:
                log.exception("order %s failed", job.order_id)
                return Finished(job.order_id)
        if isinstance(job, RecordAnswer):
            return self._singly(job.order_id, lambda: self._charger.record(job.attempt, job.answer).status)
        mark = job.permitted.set
        return self._singly(
            job.order_id, lambda: self._retrier.run(job.order_id, released=job.released, on_permit=mark)
        )

    def _send(self, job: Send) -> Result:
        """Ask the breaker now, however long ago the attempt was begun; then send it."""
        try:
            permit = self._permit(job)
        except CircuitBreakerError as error:
            return Unsent(job, error.retry_after)
        if permit is None:
            return Unsent(job, None)
        job.permitted.set()
        began = self._monotonic()
        try:
            answer = self._charger.charge(
                job.attempt, permit, deadline=job.begun + self._timeout, send_by=job.send_by
            )
        finally:
            self._places.free()
        trusted = self._charger.trusted(job.attempt, answer)
        if proves_payment(trusted):
            return Paid(Payment(job.attempt, trusted), answer, job, self._monotonic() - began)
        return self.run(RecordAnswer(job.attempt, answer))

    def _permit(self, job: Send) -> Permit | None:
        """The permit for a call. None if it would come too late; raises `CircuitBreakerError` if it is refused."""
        asked = self._monotonic()
        while not self._is_late(job):
            freed = self._places.freed
            try:
                permit = self._breaker.acquire(background=True)
            except CircuitBreakerError as error:
                if self._monotonic() + error.retry_after > asked + PERMIT_WAIT:
                    raise
                self._places.wait(freed, error.retry_after)
            else:
                if not self._is_late(job):
                    return permit
                permit.release()
                self._places.free()
        return None

    def _is_late(self, job: Send) -> bool:
        # A slow commit is no reason: the next one would be as slow.
        now = self._monotonic()
        latest = min(job.begun + self._timeout, job.send_by)
        return now - job.given > min(LONGEST_WAIT, self._timeout / 4) or now > latest

    def _singly(self, order_id: str, work: Callable[[], OrderStatus | None]) -> Finished:
        started = self._monotonic()
        try:
            status = self._exhaustion_retry.run(work)
            self._on_finished(order_id, status, self._monotonic() - started)
        except DatabaseUnavailableError as error:
            # Nothing is lost: the order's row is unchanged, or its claim expires. Then the dispatcher republishes it.
            log.warning("order %s is deferred: %s", order_id, error)
        except Exception:
            log.exception("order %s failed", order_id)
        return Finished(order_id)
