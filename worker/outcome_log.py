"""What became of one order, for the log and for the task's result, which Flower shows."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection, select

from breakwall.breaker import CircuitBreaker
from breakwall.payments.db.clock import Clock, DatabaseClock
from breakwall.payments.db.database import Database, DatabaseUnavailableError, SchemaError
from breakwall.payments.db.schema import attempts, orders
from breakwall.payments.orders import OrderStatus

log = logging.getLogger("breakwall.orders")

NOTHING = "nothing to do"
"""Of a message that was doubled, early or late."""


class Telling:
    """Says what became of an order: its key, the reason and the next attempt.

    It reads the order once more where that is told at all: while it waits on, or where the log is at INFO.

    Args:
        database: where the order is.
        breaker: read, for what put the order off.
        stray: told of a message whose order is not in the database; the id is its argument.
        clock: what the next attempt is measured by.
        monotonic: seconds.
    """

    def __init__(
        self,
        database: Database,
        breaker: CircuitBreaker,
        *,
        stray: Callable[[str], None] = lambda order_id: None,
        clock: Clock | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._breaker = breaker
        self._stray = stray
        self._clock = clock or DatabaseClock()
        self._monotonic = monotonic

    def tell(self, order_id: str, work: Callable[[str], OrderStatus | None]) -> str:
        """Do the work on an order, log what came of it and return that as a text.

        Raises:
            DatabaseUnavailableError: from the work.
        """
        began = self._monotonic()
        status = work(order_id)
        if status is None:
            log.info("order (id %s): %s", order_id, NOTHING, extra={"order_id": order_id})
            if not self._knows(order_id):
                self._stray(order_id)
            return NOTHING
        if status.is_final and not log.isEnabledFor(logging.INFO):
            return status.value
        return self._tell(order_id, status, self._monotonic() - began)

    def _knows(self, order_id: str) -> bool:
        try:
            known = self._database.read(
                lambda connection: connection.scalar(select(orders.c.id).where(orders.c.id == order_id))
            )
        except (DatabaseUnavailableError, SchemaError):
            return True  # nobody can tell
        return known is not None

    def _tell(self, order_id: str, status: OrderStatus, took: float) -> str:
        try:
            row = self._database.read(lambda connection: self._look(connection, order_id))
        except (DatabaseUnavailableError, SchemaError):
            row = None  # what was done is done; it is only told shorter
        if row is None:
            return status.value
        fields = self._fields(row, took)
        said = status.value
        if status is OrderStatus.QUEUED:
            said = f"{said}, {fields['reason']}, next attempt in {fields['next_attempt_seconds']:,.0f} s"
        elif status in {OrderStatus.REVIEW, OrderStatus.DEAD, OrderStatus.DECLINED} and row.last_error:
            said = f"{said}, {fields['reason']}"
        log.info(
            "order %s (id %s): %s",
            *(row.idempotency_key, order_id, said),
            extra={"order_id": order_id, "key": row.idempotency_key, "status": status.value, **fields},
        )
        return said

    def _look(self, connection: Connection, order_id: str) -> Any:
        newest = attempts.alias()
        return connection.execute(
            select(
                self._clock.after(0).label("now"),
                orders.c.idempotency_key,
                orders.c.retry_count,
                orders.c.last_error,
                orders.c.next_attempt_at,
                newest.c.code,
                newest.c.finished_at,
            )
            .select_from(orders.outerjoin(newest, newest.c.order_id == orders.c.id))
            .where(orders.c.id == order_id)
            .order_by(newest.c.number.desc())
            .limit(1)
        ).first()

    def _fields(self, row: Any, took: float) -> dict[str, Any]:
        due = row.next_attempt_at
        wait = 0.0 if due is None else max(0.0, (due - row.now).total_seconds())
        return {
            "reason": self._reason(row, took),
            "next_attempt_seconds": round(wait, 1),
            "retry_count": row.retry_count,
        }

    def _reason(self, row: Any, took: float) -> str:
        finished = row.finished_at
        if finished is not None and (row.now - finished).total_seconds() <= took:
            return row.code or "no answer"
        if self._breaker.status().retry_after > 0:
            return "circuit_open"
        return (row.last_error or "put off").partition(":")[0]
