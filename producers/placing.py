"""Charges orders in threads of the producer, so that no caller waits for a payment service, a broker or a lock."""

import logging
import time
from collections.abc import Callable
from functools import partial
from typing import Protocol

from breakwall import tracing
from breakwall.breaker import CircuitBreaker, CircuitBreakerError, Permit, forking
from breakwall.host.exhaustion import exhausted_resource
from breakwall.log_throttle import LogThrottle
from breakwall.payments.charging import Charger, released_on_error
from breakwall.payments.db.database import DatabaseUnavailableError
from breakwall.payments.db.errors import exhaustion_as_unavailable
from breakwall.payments.db.lock_timeouts import LockBudget
from breakwall.payments.ledger.claim import Attempt
from breakwall.payments.ledger.ledger import Ledger
from breakwall.payments.orders import Order, OrderStatus
from breakwall.producers.bulkhead import Bulkhead
from breakwall.producers.in_hand import OrdersInHand
from breakwall.producers.pending import (
    COMMIT_GRACE,
    PendingOrder,
    PlaceResult,
    Signal,
    as_exception,
    replay,
)
from breakwall.producers.queueing import GATHER, STORERS, QueueingOrders
from breakwall.producers.threads import ThreadPool, Work

log = logging.getLogger("breakwall.orders")

# Seconds after a call's deadline in which its answer is recorded. Then `close` goes on without it.
RECORD_GRACE = 1.0


class Executor(Protocol):
    """Runs work in the background. The product's is `ThreadPool`; the simulation has its own."""

    def submit(self, work: Work) -> None:
        """Raises `RuntimeError` or `MemoryError`, and does nothing, if no thread can be started."""

    def close(self) -> None:
        """Let idle threads end."""


class Placing:
    """Places orders in the background; the threads, the bulkhead and the orders in hand of one producer."""

    def __init__(
        self,
        ledger: Ledger,
        charger: Charger,
        breaker: CircuitBreaker,
        publish: Callable[[list[str]], None],
        *,
        timeout: float,  # Seconds that one charge may take in total.
        concurrency: int,  # Charges at the same time.
        jitter: Callable[[], float],
        monotonic: Callable[[], float],
        executor: Executor | None = None,  # For everything, instead of the threads.
    ) -> None:
        self._ledger, self._charger, self._breaker, self._publish = ledger, charger, breaker, publish
        self._timeout, self._monotonic = timeout, monotonic
        self._calls = executor or ThreadPool(concurrency, "breakwall-payment")
        self._storers = executor or ThreadPool(STORERS, "breakwall-queueing")
        self.bulkhead = Bulkhead(concurrency)
        self.in_hand = OrdersInHand()
        self._full_throttle = LogThrottle()
        self._queueing = QueueingOrders(
            ledger,
            submit=self._storers.submit,
            publish=publish,
            left=self.left,
            on_end=self.in_hand.remove,
            jitter=jitter,
            gather=_wait_for_more if executor is None else lambda: None,
        )
        forking.remember(self)

    def after_fork(self) -> None:
        """In a forked child: a thread of the parent may have held the throttle's lock."""
        self._full_throttle = LogThrottle()

    def pending(
        self, order: Order, wait: float, accepted: Signal, finished: Signal, *, may_block: bool = True
    ) -> PendingOrder:
        """An order whose caller waits so many seconds from now. `start` begins to place it."""
        pending = PendingOrder(
            order,
            waits_until=self._monotonic() + wait,
            accepted=accepted,
            finished=finished,
            may_block=may_block,
        )
        pending.ends_by = time.monotonic() + self._timeout + RECORD_GRACE
        return pending

    def start(self, pending: PendingOrder) -> None:
        """Begin to place an order. If this is interrupted, or the wait for its end, call `abandon`.

        Does not block. Only if this process can start no thread, and ``may_block`` is set, this thread stores the
        order, and others that wait, until its caller wants to leave.
        """
        forking.notice()
        self.in_hand.add(pending)
        try:
            self._breaker.refuse_at_once()
        except CircuitBreakerError as refusal:
            self._queueing.add(pending, refusal.retry_after)
            return
        # Before the permit: a call without room must not take a probe's.
        if self.bulkhead.try_enter(pending):
            self._submit(pending)
        else:
            self._warn_of_full()
            self._queueing.add(pending)

    def start_queued(self, pending: PendingOrder) -> None:
        """Begin to store an order for the worker, without charging it here; as `start`."""
        forking.notice()
        self.in_hand.add(pending)
        self._queueing.add(pending)

    def abandon(self, pending: PendingOrder) -> None:
        """Its caller was interrupted, at whatever point. What a thread has begun goes on; the rest is given back."""
        pending.caller_left = True
        if pending.work.take():
            self.bulkhead.leave(pending)
            self.in_hand.remove(pending)

    def grace_left(self, pending: PendingOrder) -> float:
        """The seconds for which its caller still waits for a commit to be confirmed; at least 0."""
        return min(COMMIT_GRACE, max(0.0, COMMIT_GRACE + self.left(pending)))

    def left(self, pending: PendingOrder) -> float:
        """The seconds for which its caller still waits. Below 0: since when it no longer does."""
        return pending.waits_until - self._monotonic()

    def close(self) -> None:
        """Wait for the orders in hand until their deadlines, then let the threads end."""
        self.in_hand.wait()
        self._calls.close()
        self._storers.close()

    def _submit(self, pending: PendingOrder) -> None:
        try:
            self._calls.submit(partial(self._work, pending))
        except (RuntimeError, MemoryError):
            if not pending.work.take():
                raise  # A signal's handler has raised it, after the thread had begun.
            # Nothing could be charged behind. The order is stored for the worker.
            self.bulkhead.leave(pending)
            self._queueing.add(pending)

    def _work(self, pending: PendingOrder) -> None:
        if not pending.work.take():
            return  # Its caller has abandoned it.
        try:
            self._try(pending)
        except CircuitBreakerError as refusal:
            self._queueing.add(pending, refusal.retry_after, may_wait=True)
        except BaseException as error:
            pending.fail(as_exception(error))
            self.in_hand.remove(pending)
            if not isinstance(error, Exception):
                raise

    def _try(self, pending: PendingOrder) -> None:
        try:
            with exhaustion_as_unavailable():
                result = self._charge(pending) if pending.trace is None else self._charge_traced(pending)
        finally:
            # Before the caller continues: its next order must find room.
            self.bulkhead.leave(pending)
        self._log_late(pending, result)
        pending.finish(result)
        self.in_hand.remove(pending)

    def _charge_traced(self, pending: PendingOrder) -> PlaceResult:
        with tracing.within(pending.trace):
            return self._charge(pending)

    def _charge(self, pending: PendingOrder) -> PlaceResult:
        deadline = self._monotonic() + self._timeout
        permit = self._breaker.acquire()
        permit.prepare()
        with released_on_error(permit):
            pending.check_caller()  # `acquire` may have waited for its store.
            accepted = self._ledger.accept_sending(
                pending.order,
                LockBudget(self.left(pending)),
                prepares=self._charger.gateway.profile.prepares,
                before_commit=pending.check_before_commit,
                trace=None if pending.trace is None else tracing.parent_of(pending.trace),
            )
        if not isinstance(accepted, Attempt):
            permit.release()
            return replay(accepted)
        pending.accept(accepted.claim.order_id)
        return self._send(pending, accepted, permit, deadline)

    def _send(self, pending: PendingOrder, attempt: Attempt, permit: Permit, deadline: float) -> PlaceResult:
        order_id = attempt.claim.order_id
        try:
            send_by = deadline - self._timeout + attempt.claim.send_within
            recorded = self._charger.send(attempt, permit, deadline=deadline, send_by=send_by, caller=pending)
        except Exception as error:
            # The order is accepted, and may have been charged. Its claim expires, and a worker finishes it.
            if not isinstance(error, DatabaseUnavailableError) and exhausted_resource(error) is None:
                log.exception("order (id %s): the outcome of its charge could not be recorded", order_id)
            return PlaceResult(order_id, OrderStatus.IN_FLIGHT)
        if recorded.status is OrderStatus.QUEUED:
            self._publish([order_id])
        return PlaceResult(order_id, recorded.status, recorded.charge_id, reason=recorded.reason)

    def _log_late(self, pending: PendingOrder, result: PlaceResult) -> None:
        if pending.caller_left:
            key, status = pending.order.idempotency_key, result.status.value
            details = {"key": key, "order_id": result.order_id, "status": status}
            log.info("order %s (id %s): %s, later", key, result.order_id, status, extra=details)

    def _warn_of_full(self) -> None:
        if self._full_throttle.admit():
            log.warning(
                "all %d payment calls of this process are in use; orders are queued until one ends (%d so far)",
                *(self.bulkhead.size, self.bulkhead.refused),
            )


def _wait_for_more() -> None:
    time.sleep(GATHER)
