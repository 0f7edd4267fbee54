"""Writes down the orders of a bulk retry, in short transactions: those that matched when it was made.

What makes the set a definite one is the moment when the bulk retry was made. An order that was accepted after it, or
has become dead or gone to review after it, does not match. One that matched and is no longer in its state when its turn
comes is left out.
"""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, func, insert, select, update

from breakwall.payments.db.clock import Clock
from breakwall.payments.db.database import Database
from breakwall.payments.db.operator_tables import BulkState, bulk_retries, bulk_retry_orders
from breakwall.payments.db.schema import orders
from breakwall.payments.db.time_limit import TimeLimit
from breakwall.payments.ledger.batches import BATCH, Position
from breakwall.payments.operator.bulk_retry.preview import COUNTED_FOR, MAY_HAVE_CHARGED, preview
from breakwall.payments.operator.bulk_retry.record import BulkRetries, BulkRetry
from breakwall.payments.operator.bulk_retry.selection import batch_query
from breakwall.payments.orders import OrderStatus

Found = tuple[OrderStatus, Sequence[Row[Any]]]
"""The state of some orders, and their ids and times of acceptance."""


class Freezing:
    """Writes down up to `BATCH` orders at once.

    Two processes may do it for one bulk retry: what one of them does has no effect.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._bulk_retries = BulkRetries(database, clock=clock)

    def run_once(self, bulk: BulkRetry) -> None:
        """Write down the next orders of one that is `COLLECTING`; if there are none, it is `RUNNING` from then on.

        The orders are found outside of the transaction that writes: on SQLite other writers would wait for that.
        """
        found = self._database.read(lambda connection: _next(connection, bulk))
        changes = self._counts(bulk) if found is None else _progress(bulk, *found)

        def work(connection: Connection) -> None:
            now = self._bulk_retries.lock(connection, bulk.id)
            if (now.state, now.position) != (bulk.state, bulk.position):
                return  # Another process was faster, or it was aborted.
            if found is not None:
                connection.execute(insert(bulk_retry_orders), _rows(bulk, *found))
            connection.execute(update(bulk_retries).where(bulk_retries.c.id == bulk.id).values(changes))

        self._database.write(work, name="collect_bulk_retry")

    def _counts(self, bulk: BulkRetry) -> dict[str, Any]:
        seen = preview(self._database, bulk.selection, clock=self._clock, until=bulk.until)
        first = TimeLimit(COUNTED_FOR).read(
            self._database, lambda connection: _looked_up_first(connection, bulk)
        )
        return {
            "state": BulkState.RUNNING,
            "started_at": self._clock.after(0),
            "looked_up_first": first,
            "already_paid": seen.already_paid,
            "skipped": None if seen.skipped is None else sum(seen.skipped.values()),
            "to_be_resolved": seen.to_be_resolved,
        }


def _next(connection: Connection, bulk: BulkRetry) -> Found | None:
    left = BATCH if bulk.order_limit is None else bulk.order_limit - bulk.eligible
    if left == 0:
        return None
    statuses, after = _rest(bulk)
    for status in statuses:
        query = batch_query(
            *(bulk.selection, status),
            until=bulk.until,
            asked_at=bulk.created_at,
            after=after,
            size=min(left, BATCH),
        )
        if rows := connection.execute(query).all():
            return status, rows
        after = None
    return None


def _rest(bulk: BulkRetry) -> tuple[list[OrderStatus], Position | None]:
    """The states whose orders are not all written down, and how far the first of them has come."""
    statuses = bulk.selection.in_sequence
    if bulk.position is None:
        return statuses, None
    status, at, order_id = json.loads(bulk.position)
    return statuses[statuses.index(status) :], Position(datetime.fromisoformat(at), order_id)


def _progress(bulk: BulkRetry, status: OrderStatus, found: Sequence[Row[Any]]) -> dict[str, Any]:
    last = Position.of(found[-1])
    position = json.dumps([status, last.at.isoformat(), last.order_id])
    return {"eligible": bulk.eligible + len(found), "position": position}


def _rows(bulk: BulkRetry, status: OrderStatus, found: Sequence[Row[Any]]) -> list[dict[str, Any]]:
    return [
        {"bulk_id": bulk.id, "place": place, "order_id": row.id, "status": status}
        for place, row in enumerate(found, start=bulk.eligible)
    ]


def _looked_up_first(connection: Connection, bulk: BulkRetry) -> int:
    frozen = bulk_retry_orders.c.bulk_id == bulk.id, bulk_retry_orders.c.order_id == orders.c.id
    doubtful = select(func.count()).select_from(bulk_retry_orders.join(orders, frozen[1]))
    return connection.scalar(doubtful.where(frozen[0], MAY_HAVE_CHARGED)) or 0
