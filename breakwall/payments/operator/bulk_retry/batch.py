"""Retries the next orders of a bulk retry, and writes down the result of each, in one transaction."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, or_, select, update

from breakwall.payments.db.clock import Clock
from breakwall.payments.db.database import Database
from breakwall.payments.db.operator_tables import BulkResult, BulkState, bulk_retries, bulk_retry_orders
from breakwall.payments.db.own_gateway import is_own
from breakwall.payments.db.schema import orders
from breakwall.payments.interventions import Author
from breakwall.payments.ledger.batches import BATCH
from breakwall.payments.operator.bulk_retry.record import BulkRetries, BulkRetry
from breakwall.payments.operator.locking import lock_orders
from breakwall.payments.operator.retry_and_cancel import requeue, with_key_conflict
from breakwall.payments.orders import OrderStatus

SEARCHED = 10_000  # Places at once: on SQLite every other writer waits meanwhile.

Results = dict[BulkResult, list[int]]
"""The places of the orders with each result."""


class RetryBatch:
    """Retries up to `BATCH` orders at once.

    Two processes may do it for one bulk retry: they wait for each other, and each order has one result.

    Args:
        gateway: whose orders it retries; the others are left for a worker with theirs. None: all.
        looks_up: whether that payment service has a look-up.
    """

    def __init__(
        self, database: Database, clock: Clock, *, looks_up: bool, gateway: str | None = None
    ) -> None:
        self._database = database
        self._clock = clock
        self._looks_up, self._gateway = looks_up, gateway
        self._bulk_retries = BulkRetries(database, clock=clock)
        # By bulk retry, the place before which none of its orders is left for this process.
        self._through: dict[str, int] = {}

    def is_through(self, bulk: BulkRetry) -> bool:
        """Whether each order that is left of one that is `RUNNING` is another gateway's."""
        return bulk.state is BulkState.RUNNING and 0 < bulk.eligible <= self._through.get(bulk.id, 0)

    def run_once(self, bulk_id: str) -> BulkRetry:
        """Retry the next orders of one that is `RUNNING`, if its rate allows any now; returns it as it is then.

        Not more than its rate allows for one second. Of many orders that are another gateway's, it passes some. If
        there are none, it is `FINISHED`.
        """

        def work(connection: Connection) -> tuple[BulkRetry, int | None]:
            bulk = self._bulk_retries.lock(connection, bulk_id)
            if bulk.state is not BulkState.RUNNING or bulk.is_held_back:
                return bulk, None
            through = self._retry_next(connection, bulk)
            return self._bulk_retries.lock(connection, bulk_id), through

        bulk, through = self._database.write(work, name="retry_batch")
        if through is not None:
            self._through[bulk_id] = through
        if bulk.has_ended:
            self._through.pop(bulk_id, None)
        return bulk

    def _retry_next(self, connection: Connection, bulk: BulkRetry) -> int:
        """The place before which nothing is left for this process."""
        size = BATCH if bulk.rate is None else min(BATCH, max(1, int(bulk.rate)))
        start = self._through.get(bulk.id, 0)
        until = min(start + SEARCHED, bulk.eligible)
        frozen = self._find(connection, bulk, start, until, size)
        results = self._retry(connection, bulk, frozen)
        for result, places in results.items():
            _write(connection, bulk, result, places)
        changes: dict[str, Any] = {name.value: getattr(bulk, name) + len(results[name]) for name in results}
        if frozen and bulk.rate is not None:
            changes["next_at"] = self._clock.after(len(frozen) / bulk.rate)
        if bulk.done + len(frozen) == bulk.eligible:
            changes |= {"state": BulkState.FINISHED, "ended_at": self._clock.after(0), "next_at": None}
        if changes:
            connection.execute(update(bulk_retries).where(bulk_retries.c.id == bulk.id).values(changes))
        return frozen[-1].place + 1 if len(frozen) == size else until

    def _find(
        self, connection: Connection, bulk: BulkRetry, start: int, until: int, size: int
    ) -> Sequence[Row[Any]]:
        """The first orders of this gateway between two places, and pruned ones, that have no result."""
        place = bulk_retry_orders.c.place
        wanted = select(bulk_retry_orders).where(
            bulk_retry_orders.c.bulk_id == bulk.id,
            bulk_retry_orders.c.result.is_(None),
            place >= start,
            place < until,
        )
        if self._gateway is not None:
            with_order = bulk_retry_orders.outerjoin(orders, orders.c.id == bulk_retry_orders.c.order_id)
            wanted = wanted.select_from(with_order).where(or_(orders.c.id.is_(None), is_own(self._gateway)))
        return connection.execute(wanted.order_by(place).limit(size)).all()

    def _retry(self, connection: Connection, bulk: BulkRetry, frozen: Sequence[Row[Any]]) -> Results:
        locked = {order.id: order for order in lock_orders(connection, [row.order_id for row in frozen])}
        disputed = with_key_conflict(connection, list(locked.values()))
        results: Results = defaultdict(list)
        chosen = []
        for row in frozen:
            result = _result(bulk, row, locked.get(row.order_id), disputed)
            results[result].append(row.place)
            if result is BulkResult.RETRIED:
                chosen.append(locked[row.order_id])
        author = Author(bulk.actor, bulk.reason)
        requeue(connection, self._clock, chosen, author, looks_up=self._looks_up, run=bulk.id)
        return results


def _result(bulk: BulkRetry, frozen: Row[Any], order: Row[Any] | None, disputed: set[str]) -> BulkResult:
    """What becomes of an order that is locked now, or was pruned."""
    if order is not None and order.status == OrderStatus.PAID:
        return BulkResult.PAID
    # An order that was retried or paid meanwhile and is in the same state again has a later `settled_at`.
    if order is None or order.status != frozen.status or _has_ended_since(bulk, order):
        return BulkResult.CHANGED
    return BulkResult.DISPUTED if order.id in disputed else BulkResult.RETRIED


def _has_ended_since(bulk: BulkRetry, order: Row[Any]) -> bool:
    return order.settled_at is not None and order.settled_at > bulk.created_at


def _write(connection: Connection, bulk: BulkRetry, result: BulkResult, places: list[int]) -> None:
    chosen = bulk_retry_orders.c.bulk_id == bulk.id, bulk_retry_orders.c.place.in_(places)
    connection.execute(update(bulk_retry_orders).where(*chosen).values(result=result))
