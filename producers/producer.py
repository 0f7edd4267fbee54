"""Accepts an order: charges it now, or stores it for the worker. Start reading at `OrderProducer.place`."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from itertools import islice
from typing import TYPE_CHECKING, Self

from breakwall import tracing
from breakwall.breaker import CircuitBreaker
from breakwall.crashpoints import reach
from breakwall.host.concurrency import check_host
from breakwall.host.exhaustion import exhausted_resource
from breakwall.payments.charging import Charger
from breakwall.payments.db.database import DatabaseUnavailableError
from breakwall.payments.db.errors import exhaustion_as_unavailable
from breakwall.payments.ledger.ledger import Ledger
from breakwall.payments.ledger.queries import Naming, get_order
from breakwall.payments.orders import Order, StoredOrder
from breakwall.producers.pending import COMMIT_GRACE, PlaceResult, check_wait
from breakwall.producers.placing import Executor, Placing
from breakwall.producers.polling import Polling
from breakwall.producers.queueing import result_of
from breakwall.producers.separate_results import OrderResult, enqueue_each
from breakwall.producers.threads import Latch
from breakwall.settings import Settings

if TYPE_CHECKING:
    from opentelemetry.context import Context

    from breakwall.broker.publisher import Publisher

log = logging.getLogger("breakwall.orders")

# Seconds between two warnings that the circuit has opened. The log is the application's, so it gets few.
WARNING_INTERVAL = 60.0
BATCH = 500  # Orders that `OrderProducer.enqueue` stores in one transaction: few, so that it is short.


class OrderProducer:
    """Accepts orders. Safe for threads; one per process is enough.

    Args:
        ledger: stores the orders.
        charger: charges them.
        breaker: asked before each charge.
        publisher: sends the ids of queued orders to the workers.
        timeout: seconds that one charge may take in total.
        wait: seconds for which `place` waits for the outcome by default.
        concurrency: charges that this process has in hand at most.
        jitter: uniform random numbers from 0 to 1.
        monotonic: the clock of the deadlines, which the gateway uses too.
        sleep: waits some seconds; for `wait_for`.
        executor: runs the work instead of the producer's own threads.
        signal: makes what `place` waits for, instead of a `Latch`.
    """

    def __init__(
        self,
        ledger: Ledger,
        charger: Charger,
        breaker: CircuitBreaker,
        publisher: Publisher,
        *,
        timeout: float,
        jitter: Callable[[], float],
        wait: float = 2.0,
        concurrency: int = 32,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
        executor: Executor | None = None,
        signal: Callable[[], Latch] = Latch,
    ) -> None:
        self._ledger = ledger
        self._charger = charger
        self._breaker = breaker
        self._publisher = publisher
        self._wait = wait
        self._signal = signal
        self._monotonic = monotonic
        self._sleep = sleep
        self.placing = Placing(
            ledger,
            charger,
            breaker,
            lambda ids: self._publish(ids, publisher.publish_soon),
            timeout=timeout,
            concurrency=concurrency,
            jitter=jitter,
            monotonic=monotonic,
            executor=executor,
        )

    @classmethod
    def from_settings(cls, settings: Settings | None = None) -> Self:
        """Build a producer from the environment, or from ``settings``.

        Takes some tenths of a second: do it when the process starts, not at the first order. It reads the circuit
        from its store, so that a process that starts during an outage sends nothing. If the store does not answer,
        it waits ``BREAKER__FIRST_CONTACT`` seconds. It makes the embedded database, and connects to nothing else.

        Raises:
            SettingsError: naming every bad variable. Those of ``OUTCOMES__`` are only logged as a warning: they are
                for workers.
            HostError: calls would hang in this process, for example because gevent has patched it; the text says
                what to do.
        """
        from breakwall.broker.publisher import Publisher
        from breakwall.broker.shop_apps import warn_of_another_broker
        from breakwall.settings import load_producer_settings
        from breakwall.wiring import log_circuit, open_breaker, open_charger, open_database, open_ledger

        check_host()
        chosen = settings or load_producer_settings()
        warn_of_another_broker(chosen)
        publisher = Publisher(chosen)
        publisher.prepare()
        ledger = open_ledger(chosen, open_database(chosen))
        charger, breaker = open_charger(chosen, ledger), open_breaker(chosen)
        log_circuit(chosen, breaker, charger, pause=WARNING_INTERVAL)
        breaker.meet_store()
        if chosen.embedded_database:
            # Making the tables takes longer than the first customer may wait. If it fails, `place` says why.
            with suppress(DatabaseUnavailableError):
                ledger.read_site()
        return cls(
            *(ledger, charger, breaker, publisher),
            timeout=chosen.payment_timeout,
            wait=chosen.place.wait,
            concurrency=chosen.payment_max_concurrency,
            jitter=charger.jitter,
        )

    def place(self, order: Order, wait: float | None = None) -> PlaceResult:
        """Accept one order and, if the circuit permits, charge it now.

        Returns within ``wait`` (seconds; by default ``PLACE__WAIT``) and half a second, whatever the payment service,
        the broker or the database does. If the charge takes longer, the status is ``in_flight``: the charge goes on
        in a thread of this producer, which records its answer. If ``PAYMENT_MAX_CONCURRENCY`` charges are in hand, or
        the circuit is open, the order is queued at once. The same order, placed again with the same idempotency key,
        is not charged again: the result is the state of the first one.

        Raises:
            DatabaseUnavailableError: place the order again with the same key, which is safe. Normally nothing was
                accepted, but a commit that was not confirmed in time may have happened; then the order is finished
                like any other. If the text says that the order is accepted, it may have ended, and no outcome is sent
                for that: place it again to learn it. Also raised if descriptors, threads, memory or disk of this
                process are exhausted; ``lack`` names the resource.
            IdempotencyConflictError: the key belongs to another order.
            InvalidOrderError: with ``PAYMENT_KEYS=caller``, the key is too long to be sent.
            ValueError: ``wait`` is negative or no number.
            HostError: calls would hang, because gevent or eventlet has patched this process since `from_settings`.
                Nothing was accepted.

        What a signal's handler raises meanwhile, for example Celery's soft time limit, is raised too. The order goes
        its way then: either it is accepted and finished, or it is never accepted. Place it again to learn which: if it
        had ended just before, no outcome is sent for that.
        """
        check_host()
        seconds = self.seconds_to_wait(wait)
        if tracing.is_on():
            with tracing.span("place") as span:
                result = self._place(order, seconds, tracing.carry())
                span.set(**describe(result))
        else:
            result = self._place(order, seconds)
        log_placed(order, result)
        return result

    def _place(self, order: Order, seconds: float, trace: Context | None = None) -> PlaceResult:
        accepted, finished = self._signal(), self._signal()
        pending = self.placing.pending(order, seconds, accepted, finished)
        pending.trace = trace
        try:
            with exhaustion_as_unavailable():
                self.placing.start(pending)
            # Not ``seconds``: without threads, `start` takes a part of them.
            if not finished.wait(max(0.0, self.placing.left(pending))):
                accepted.wait(COMMIT_GRACE)
                if pending.time_is_over():
                    finished.wait(self.placing.grace_left(pending))
        except BaseException:
            # Also what a signal's handler raises, such as Celery's soft time limit or Ctrl-C.
            self.placing.abandon(pending)
            raise
        return pending.leave()

    def seconds_to_wait(self, wait: float | None) -> float:
        """``wait`` or its default. Raises `ValueError` as `place`."""
        return self._wait if wait is None else check_wait(wait)

    @property
    def queued_because_full(self) -> int:
        """Orders that this process has queued because ``PAYMENT_MAX_CONCURRENCY`` charges were in hand."""
        return self.placing.bulkhead.refused

    def enqueue(self, orders: Iterable[Order]) -> list[PlaceResult]:
        """Store orders for the worker without charging them here, `BATCH` in a transaction.

        Returns a result for each, in the same order. Idempotency works as in `place`.

        Raises:
            DatabaseUnavailableError: earlier batches were accepted; enqueue all again.
            IdempotencyConflictError, InvalidOrderError: as in `place`. The batch with this order was not stored;
                earlier ones were accepted.
            HostError: as in `place`.
        """
        check_host()
        waiting = iter(orders)
        results: list[PlaceResult] = []
        while batch := list(islice(waiting, BATCH)):
            with exhaustion_as_unavailable(), tracing.span("enqueue", orders=len(batch)):
                accepted = self._ledger.accept_queued(batch, traces=_traces(batch))
                self._publish(list(accepted.new.values()), self._publisher.publish_many)
            results += [result_of(order, accepted) for order in batch]
        return results

    def enqueue_each(self, orders: Iterable[Order]) -> list[OrderResult]:
        """`enqueue`, for at most `BATCH` orders, without letting a refused one stop the others.

        Where an order is refused, its `IdempotencyConflictError` or `InvalidOrderError` is the result. All others are
        accepted together. Raises `DatabaseUnavailableError` and `HostError` as `place`, and `ValueError` for more.
        """
        batch = list(orders)
        if len(batch) > BATCH:
            raise ValueError(f"should be at most {BATCH} orders")
        return enqueue_each(self.enqueue, self._ledger.database, batch)

    def get(self, name: str, by: Naming = Naming.ANY) -> StoredOrder:
        """The order as it is now.

        Args:
            name: its id, its idempotency key, or a key under which it was charged.
            by: what ``name`` is. Needed only if it fits two orders.

        Raises:
            OrderNotFoundError: there is none. `OrderPrunedError`: there was one; the error says how it finished.
            AmbiguousNameError: it fits two orders, and ``by`` does not decide.
            DatabaseUnavailableError: the database does not answer.
        """
        return get_order(self._ledger.database, name, by)

    def wait_for(self, name: str, timeout: float, by: Naming = Naming.ANY) -> StoredOrder:
        """Wait until an order has ended, and return it; when ``timeout`` (seconds) is over, return it as it is then.

        It reads the order again after some milliseconds, later after a second: cheap, for a page or a script. A shop
        that must hear of each end has outcomes delivered. Raises as `get`, and `ValueError` for a ``timeout`` that is
        negative or no number.
        """
        polling = Polling(check_wait(timeout, "timeout"), self._monotonic)
        order = self.get(name, by)
        while (pause := polling.next_pause(order)) is not None:
            self._sleep(pause)
            order = self.get(order.id, Naming.ID)
        return order

    def close(self) -> None:
        """Wait for the charges in hand until their deadlines; send the last reports; close every connection.

        A charge that has not ended by then is like that of a crashed process: a worker finishes its order.
        """
        self.placing.close()
        self._breaker.close()
        self._publisher.close()
        self._charger.gateway.close()
        self._ledger.database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def _publish(self, order_ids: list[str], publish: Callable[[list[str]], object]) -> None:
        if not order_ids:
            return
        reach("before", "publish")
        try:
            publish(order_ids)
        except Exception as error:
            # The orders are stored, and the dispatcher publishes them.
            if exhausted_resource(error) is None:
                log.exception("%d orders are stored and could not be published", len(order_ids))
        reach("after", "publish")


def describe(result: PlaceResult) -> dict[str, tracing.Value]:
    """The attributes of the span of a ``place``."""
    return {"order_id": result.order_id, "status": result.status.value, "replayed": result.replayed}


def _traces(batch: list[Order]) -> dict[str, str]:
    """The current span for each order of a batch, by key; nothing in a process that does not trace."""
    parent = tracing.parent_of(tracing.carry())
    return {} if parent is None else {order.idempotency_key: parent for order in batch}


def log_placed(order: Order, result: PlaceResult) -> None:
    """Log what the caller of ``place`` is told."""
    key, order_id, status = order.idempotency_key, result.order_id, result.status.value
    details = {"key": key, "order_id": order_id, "status": status, "replayed": result.replayed}
    before = ", as before" if result.replayed else ""
    log.info("order %s (id %s): %s%s", key, order_id, status, before, extra=details)
