"""Accepts an order: charges it now, or stores it for the worker. Start reading at `OrderProducer.place`."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Self

from breakwall.breaker import CircuitBreaker, CircuitBreakerError, Permit
from breakwall.crashpoints import reach
from breakwall.host.concurrency import check_host
from breakwall.host.exhaustion import exhausted_resource
from breakwall.payments.charging import Charger, released_on_error
from breakwall.payments.db.database import DatabaseUnavailableError
from breakwall.payments.db.errors import exhaustion_as_unavailable
from breakwall.payments.db.lock_timeouts import LockBudget
from breakwall.payments.ledger.accept import Accepted
from breakwall.payments.ledger.claim import Attempt
from breakwall.payments.ledger.ledger import Ledger
from breakwall.payments.ledger.pruned_orders import PrunedOrder
from breakwall.payments.ledger.queries import Naming, get_order
from breakwall.payments.orders import Order, OrderStatus, StoredOrder
from breakwall.payments.retry_policy import deferral
from breakwall.settings import Settings

if TYPE_CHECKING:
    from breakwall.broker.publisher import Publisher

log = logging.getLogger("breakwall.orders")

# Seconds between two warnings that the circuit has opened: the log belongs to the shop.
WARNING_INTERVAL = 60.0
BATCH = 500  # Orders that `OrderProducer.enqueue` stores in one transaction: few, so that it is short.


@dataclass(frozen=True, slots=True)
class PlaceResult:
    """The state of an order that was placed.

    Attributes:
        order_id: Breakwall's id of the order.
        status: its state now; compares equal to ``"paid"``, ``"queued"``, ….
        charge_id: the payment service's id of the charge, once the order is paid.
        replayed: the idempotency key was known, so nothing was done; this is the earlier order's state.
    """

    order_id: str
    status: OrderStatus
    charge_id: str | None = None
    replayed: bool = False


class OrderProducer:
    """Accepts orders. Safe for threads; one per process is enough.

    Args:
        ledger: stores the orders.
        charger: charges them.
        breaker: asked before each charge.
        publisher: sends the ids of queued orders to the workers.
        timeout: seconds that one charge may take in total.
        jitter: uniform random numbers from 0 to 1.
        monotonic: the clock of the deadlines, which the gateway uses too.
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
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ledger = ledger
        self._charger = charger
        self._breaker = breaker
        self._publisher = publisher
        self._timeout = timeout
        self._jitter = jitter
        self._monotonic = monotonic

    @classmethod
    def from_settings(cls, settings: Settings | None = None) -> Self:
        """Build a producer from the environment, or from ``settings``.

        Takes some tenths of a second: do it when the process starts, not at the first order. It reads the circuit
        from its store, so that a process that starts during an outage sends nothing. If the store does not answer,
        it waits ``BREAKER__FIRST_CONTACT`` seconds. It connects to nothing else.

        Raises:
            SettingsError: naming every bad variable.
            HostError: calls would hang in this process, for example because gevent has patched it; the text says
                what to do.
        """
        from breakwall.broker.publisher import Publisher
        from breakwall.settings import load_settings
        from breakwall.wiring import log_circuit, open_breaker, open_charger, open_database, open_ledger

        check_host()
        chosen = settings or load_settings()
        publisher = Publisher(chosen)
        publisher.prepare()
        ledger = open_ledger(chosen, open_database(chosen))
        charger, breaker = open_charger(chosen, ledger), open_breaker(chosen)
        log_circuit(chosen, breaker, charger, pause=WARNING_INTERVAL)
        breaker.meet_store()
        timeout = chosen.payment_timeout
        return cls(ledger, charger, breaker, publisher, timeout=timeout, jitter=charger.jitter)

    def place(self, order: Order) -> PlaceResult:
        """Accept one order and, if the circuit permits, charge it now.

        Returns within the payment timeout plus 1 s while the database answers. Locks in the database can add 5 s
        in total; a PostgreSQL that is paused (SIGSTOP) blocks until it continues. The same order, placed again with
        the same idempotency key, is not charged again: the result is the state of the first one.

        Raises:
            DatabaseUnavailableError: place the order again with the same key, which is safe. Normally nothing was
                accepted, but the answer to a commit may have been lost. Also raised if descriptors, threads, memory
                or disk of this process are exhausted; ``lack`` names the resource.
            IdempotencyConflictError: the key belongs to another order.
            InvalidOrderError: nothing was accepted: with ``PAYMENT_KEYS=caller``, the key is too long for the header.
            HostError: nothing was accepted: the process was patched after its start, for example by gevent; see
                `breakwall.host.concurrency`.
        """
        check_host()
        with exhaustion_as_unavailable():
            result = self._place(order)
        log.info(
            "order %s (id %s): %s%s",
            *(order.idempotency_key, result.order_id, result.status.value),
            ", as before" if result.replayed else "",
            extra={
                "key": order.idempotency_key,
                "order_id": result.order_id,
                "status": result.status.value,
                "replayed": result.replayed,
            },
        )
        return result

    def _place(self, order: Order) -> PlaceResult:
        deadline, lock_budget = self._monotonic() + self._timeout, LockBudget()
        try:
            permit = self._breaker.acquire()
        except CircuitBreakerError as error:
            return self._queue(order, error.retry_after, lock_budget)
        with released_on_error(permit):
            accepted = self._ledger.accept_sending(order, lock_budget)
        if not isinstance(accepted, Attempt):
            permit.release()
            return _replay(accepted)
        return self._charge(accepted, permit, deadline, lock_budget)

    def enqueue(self, orders: Iterable[Order]) -> list[PlaceResult]:
        """Store orders for the worker without charging them here, `BATCH` in a transaction.

        Returns a result for each, in the same order. Idempotency works as in `place`.

        Raises:
            DatabaseUnavailableError: earlier batches were accepted; enqueue all again.
            IdempotencyConflictError: the key of an order belongs to another one. The batch with this order was not
                stored.
            InvalidOrderError: as in `place`. The batch with this order was not stored.
            HostError: as in `place`.
        """
        check_host()
        waiting = iter(orders)
        results: list[PlaceResult] = []
        while batch := list(islice(waiting, BATCH)):
            with exhaustion_as_unavailable():
                accepted = self._ledger.accept_queued(batch)
                self._publish(list(accepted.new.values()))
            results += [_result(order, accepted) for order in batch]
        return results

    def get(self, name: str, by: Naming = Naming.ANY) -> StoredOrder:
        """The order as it is now.

        Args:
            name: its id, its idempotency key, or a key under which it was charged.
            by: which of the three ``name`` is. It is needed if the name fits two orders.

        Raises:
            OrderNotFoundError: there is none. `OrderPrunedError`: there was one; the error says how it finished.
            AmbiguousNameError: it fits two orders, and ``by`` does not decide.
            DatabaseUnavailableError: the database does not answer.
        """
        return get_order(self._ledger.database, name, by)

    def close(self) -> None:
        """Send the breaker's last reports to its store, and close every connection."""
        self._breaker.close()
        self._publisher.close()
        self._charger.gateway.close()
        self._ledger.database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def _charge(
        self, attempt: Attempt, permit: Permit, deadline: float, lock_budget: LockBudget
    ) -> PlaceResult:
        order_id = attempt.claim.order_id
        try:
            status, charge_id = self._charger.send(
                attempt, permit, deadline=deadline, lock_budget=lock_budget
            )
        except Exception as error:
            # The order is accepted, and may have been charged. Its claim expires, and a worker finishes it.
            if not isinstance(error, DatabaseUnavailableError) and exhausted_resource(error) is None:
                log.exception("order (id %s): the outcome of its charge could not be recorded", order_id)
            return PlaceResult(order_id, OrderStatus.IN_FLIGHT)
        if status is OrderStatus.QUEUED:
            self._publish([order_id])
        return PlaceResult(order_id, status, charge_id)

    def _queue(self, order: Order, retry_after: float, lock_budget: LockBudget) -> PlaceResult:
        delay = deferral(retry_after, self._jitter())
        accepted = self._ledger.accept_queued([order], delay=delay, deferrals=1, lock_budget=lock_budget)
        self._publish(list(accepted.new.values()))
        return _result(order, accepted)

    def _publish(self, order_ids: list[str]) -> None:
        if not order_ids:
            return
        reach("before", "publish")
        try:
            self._publisher.publish_many(order_ids)
        except Exception as error:
            # The orders are stored, and the dispatcher publishes them.
            if exhausted_resource(error) is None:
                log.exception("%d orders are stored and could not be published", len(order_ids))
        reach("after", "publish")


def _result(order: Order, accepted: Accepted) -> PlaceResult:
    known = accepted.known.get(order.idempotency_key)
    if known is not None:
        return _replay(known)
    return PlaceResult(accepted.new[order.idempotency_key], OrderStatus.QUEUED)


def _replay(known: StoredOrder | PrunedOrder) -> PlaceResult:
    return PlaceResult(known.id, known.status, known.charge_id, replayed=True)
