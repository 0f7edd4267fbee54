"""Accepting an order: charge it now, or store it for the worker. Follow `OrderProducer.place`."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Protocol, Self

from breakwall.breaker import CircuitBreaker, CircuitBreakerError, Permit
from breakwall.crashpoints import reach
from breakwall.host.concurrency import check_host
from breakwall.host.exhaustion import lack_of
from breakwall.payments.charging import Charger, given_back_on_error
from breakwall.payments.db.database import DatabaseUnavailableError, Patience, telling_shortages
from breakwall.payments.decisions import put_off
from breakwall.payments.ledger.acceptance import Accepted
from breakwall.payments.ledger.claims import Attempt
from breakwall.payments.ledger.ledger import Ledger
from breakwall.payments.ledger.pruned import PrunedOrder
from breakwall.payments.ledger.queries import Naming, get_order
from breakwall.payments.orders import Order, OrderStatus, StoredOrder
from breakwall.settings import Settings

log = logging.getLogger("breakwall.orders")

QUIET = 60.0
"""Seconds between two openings of the circuit that a producer warns of: it has a log of its own to fill."""

BATCH = 500
"""Orders that `OrderProducer.enqueue` stores in one transaction: short, and few of them."""


class Publisher(Protocol):
    """Tells the workers about queued orders. Bounded in time; never raises, because it is only a hint."""

    def publish_many(self, order_ids: list[str]) -> int: ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class PlaceResult:
    """What became of an order that was handed in.

    Attributes:
        order_id: Breakwall's id of the order.
        status: its state now; compares equal to the design's names, ``"paid"``, ``"queued"``, ….
        charge_id: the payment service's id of the charge, once it is paid.
        replayed: the idempotency key was known and nothing was done; this is the earlier order's state.
    """

    order_id: str
    status: OrderStatus
    charge_id: str | None = None
    replayed: bool = False


class OrderProducer:
    """Accepts orders. Safe for threads; one per process is enough.

    Args:
        ledger: where orders are stored.
        charger: what charges them.
        breaker: asked before each charge.
        publisher: tells the workers what was queued.
        timeout: seconds that one charge may take, all in all.
        draw: uniform random numbers from 0 to 1, for the jitter.
        monotonic: the clock that deadlines are on, the gateway's.
    """

    def __init__(
        self,
        ledger: Ledger,
        charger: Charger,
        breaker: CircuitBreaker,
        publisher: Publisher,
        *,
        timeout: float,
        draw: Callable[[], float],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ledger = ledger
        self._charger = charger
        self._breaker = breaker
        self._publisher = publisher
        self._timeout = timeout
        self._draw = draw
        self._monotonic = monotonic

    @classmethod
    def from_settings(cls, settings: Settings | None = None) -> Self:
        """Build a producer from the environment, or from settings that are already read.

        Takes some tenths of a second, so that the first order does not: do it when the process starts. Asks the
        circuit's store, so that a process that starts during an outage sends nothing; a store that does not
        answer costs ``BREAKER__FIRST_CONTACT`` seconds, once. Connects to nothing else.

        Raises:
            SettingsError: naming every variable that is unusable.
            HostError: the process's host would have us hang; the text says what to do.
        """
        from breakwall.broker import Publisher as BrokerPublisher
        from breakwall.settings import load_settings
        from breakwall.wiring import log_circuit, open_breaker, open_charger, open_database, open_ledger

        check_host()
        chosen = settings or load_settings()
        publisher = BrokerPublisher(chosen)
        publisher.prepare()
        ledger = open_ledger(chosen, open_database(chosen))
        charger, breaker = open_charger(chosen, ledger), open_breaker(chosen)
        log_circuit(chosen, breaker, charger, pause=QUIET)
        breaker.meet_store()
        return cls(
            ledger,
            charger,
            breaker,
            publisher,
            timeout=chosen.payment_timeout,
            draw=charger.draw,
        )

    def place(self, order: Order) -> PlaceResult:
        """Accept one order and, if the circuit lets it, charge it now.

        Blocks at most for the payment timeout and a second, whatever is down but the database. For that it
        waits: 5 s in all for locks that others hold in it, and for a PostgreSQL that is stopped and not dead until
        it goes on. Placing the same order again, with the same idempotency key, does nothing and returns the
        first one's state.

        Raises:
            DatabaseUnavailableError: do not count on the order, and place it again with the same key, which
                is safe: as a rule nothing was accepted, but a commit whose answer was lost may have been. So
                too where this process runs out of descriptors, threads, memory or disk; ``lack`` says of what.
            IdempotencyConflictError: the key belongs to another order.
            HostError: nothing was accepted: this process was patched since, see `breakwall.host.concurrency`.
        """
        check_host()
        with telling_shortages():
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
        deadline, patience = self._monotonic() + self._timeout, Patience()
        try:
            permit = self._breaker.acquire()
        except CircuitBreakerError as refusal:
            return self._queue_refused(order, refusal.retry_after, patience)
        with given_back_on_error(permit):
            accepted = self._ledger.accept_sending(order, patience)
        if not isinstance(accepted, Attempt):
            permit.release()
            return _replay(accepted)
        return self._charge(accepted, permit, deadline, patience)

    def enqueue(self, orders: Iterable[Order]) -> list[PlaceResult]:
        """Store orders for the worker without charging them here, `BATCH` to a transaction.

        Returns a result for each, in their order. All the same rules of idempotency hold.

        Raises:
            DatabaseUnavailableError: the batches before this one were accepted; enqueue all again.
            IdempotencyConflictError: as above, for the first order whose key belongs to another one.
        """
        check_host()
        waiting = iter(orders)
        results: list[PlaceResult] = []
        while batch := list(islice(waiting, BATCH)):
            with telling_shortages():
                results += self._enqueue_batch(batch)
        return results

    def get(self, name: str, by: Naming = Naming.ANY) -> StoredOrder:
        """The order as it is now.

        Args:
            name: its id, its idempotency key, or a key that it travels under.
            by: which of them it is, for a name that could be two orders'.

        Raises:
            OrderNotFoundError: there is none; `OrderPrunedError` where there was one, which tells how it had ended.
            AmbiguousNameError: there are two, and ``by`` does not say which is meant.
            DatabaseUnavailableError: the database does not answer.
        """
        return get_order(self._ledger.database, name, by)

    def close(self) -> None:
        """Hand in what the breaker has still to tell the others, and close every connection."""
        self._breaker.close()
        self._publisher.close()
        self._charger.gateway.close()
        self._ledger.database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def _charge(self, attempt: Attempt, permit: Permit, deadline: float, patience: Patience) -> PlaceResult:
        order_id = attempt.claim.order_id
        try:
            with telling_shortages():
                status, charge_id = self._charger.send(attempt, permit, deadline=deadline, patience=patience)
        except Exception as error:
            # Accepted, and perhaps charged, whatever went wrong. Its claim runs out, and a worker settles it.
            if not isinstance(error, DatabaseUnavailableError):
                log.exception("order (id %s): what became of its charge could not be recorded", order_id)
            return PlaceResult(order_id, OrderStatus.IN_FLIGHT)
        if status is OrderStatus.QUEUED:
            self._publish([order_id])
        return PlaceResult(order_id, status, charge_id)

    def _queue_refused(self, order: Order, retry_after: float, patience: Patience) -> PlaceResult:
        delay = put_off(retry_after, self._draw())
        accepted = self._ledger.accept_queued([order], delay=delay, deferrals=1, patience=patience)
        self._publish(list(accepted.new.values()))
        return _result(order, accepted)

    def _enqueue_batch(self, batch: list[Order]) -> list[PlaceResult]:
        accepted = self._ledger.accept_queued(batch)
        self._publish(list(accepted.new.values()))
        return [_result(order, accepted) for order in batch]

    def _publish(self, order_ids: list[str]) -> None:
        if not order_ids:
            return
        reach("before", "publish")
        try:
            self._publisher.publish_many(order_ids)
        except Exception as error:
            # They are stored, whatever went wrong now; the dispatcher publishes them.
            if lack_of(error) is None:
                log.exception("%d orders are stored and could not be published", len(order_ids))
        reach("after", "publish")


def _result(order: Order, accepted: Accepted) -> PlaceResult:
    known = accepted.known.get(order.idempotency_key)
    if known is not None:
        return _replay(known)
    return PlaceResult(accepted.new[order.idempotency_key], OrderStatus.QUEUED)


def _replay(known: StoredOrder | PrunedOrder) -> PlaceResult:
    return PlaceResult(known.id, known.status, known.charge_id, replayed=True)
