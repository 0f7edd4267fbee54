"""Logs what became of the orders that the worker worked on: a line for each, or one for many that are paid."""

import logging
from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import Connection, select

from breakwall.breaker import CircuitBreaker
from breakwall.payments.db.clock import DATABASE_CLOCK, Clock, seconds_between
from breakwall.payments.db.database import Database, DatabaseUnavailableError, SchemaError
from breakwall.payments.db.schema import attempts, orders
from breakwall.payments.ledger.claim import Attempt
from breakwall.payments.orders import OrderStatus

log = logging.getLogger("breakwall.orders")

ORDERS_A_LINE = 20  # At most; each is named by its key and its id, so that either finds the line.

NOTHING_TO_DO = "nothing to do"  # The outcome of a message that was doubled, early or late.

_WITH_REASON = {OrderStatus.REVIEW, OrderStatus.DEAD, OrderStatus.DECLINED}


class OrderLog:
    """Logs an order's key, its new state, the reason and the next attempt.

    Reads the order only if its text needs that: the order still waits, or the log is at INFO. Of the breaker it reads
    the status. ``on_unknown_order`` is called with the id of an order that is not in the database.
    """

    def __init__(
        self,
        database: Database,
        breaker: CircuitBreaker,
        *,
        on_unknown_order: Callable[[str], None] = lambda order_id: None,
        clock: Clock = DATABASE_CLOCK,
    ) -> None:
        self._database = database
        self._breaker = breaker
        self._on_unknown_order = on_unknown_order
        self._clock = clock

    def write(self, order_id: str, status: OrderStatus | None, took: float) -> str:
        """Log the order's new state, None if there was nothing to do; return it as a text.

        ``took`` is the seconds that the work took.
        """
        if status is None:
            log.info("order (id %s): %s", order_id, NOTHING_TO_DO, extra={"order_id": order_id})
            if not self._exists(order_id):
                self._on_unknown_order(order_id)
            return NOTHING_TO_DO
        if status.is_final and not log.isEnabledFor(logging.INFO):
            return status.value
        row = self._read(lambda connection: self._select(connection, order_id))
        if row is None:
            return status.value  # the database does not answer, so there is no line
        return self._write(order_id, status, row, took)

    def paid(self, payments: Sequence[Attempt]) -> None:
        """Log orders that are paid, without reading them."""
        requests = [one.claim.request for one in payments]
        names = [(one.order_id, one.reference or one.idempotency_key) for one in requests]
        self._write_many(names, OrderStatus.PAID.value, "paid")

    def deferred(self, order_ids: Sequence[str], seconds: float, why: str) -> None:
        """Log orders that are due again in so many seconds."""
        outcome = f"queued, {why}, next attempt in {seconds:,.0f} s"
        self._write_many([(one, None) for one in order_ids], OrderStatus.QUEUED.value, outcome)

    def expired(self, order_ids: Sequence[str]) -> None:
        """Log orders that have ended because their last moment has passed."""
        self._write_many(
            [(one, None) for one in order_ids], OrderStatus.CANCELLED.value, "cancelled, expired"
        )

    def nothing_to_do(self, order_ids: Sequence[str]) -> None:
        """Log messages that were doubled, early or late; report those whose orders are unknown."""
        self._write_many([(one, None) for one in order_ids], None, NOTHING_TO_DO)
        query = select(orders.c.id).where(orders.c.id.in_(order_ids))
        known = self._read(lambda connection: connection.scalars(query).all())
        if known is not None:  # else the database does not answer
            for order_id in set(order_ids).difference(known):
                self._on_unknown_order(order_id)

    def _write_many(self, names: Sequence[tuple[str, str | None]], status: str | None, outcome: str) -> None:
        """``names``: ids and, where known, keys."""
        if not log.isEnabledFor(logging.INFO):
            return
        for start in range(0, len(names), ORDERS_A_LINE):
            part = names[start : start + ORDERS_A_LINE]
            shown = [f"(id {one})" if key is None else f"{key} (id {one})" for one, key in part]
            what = "order" if len(part) == 1 else f"{len(part)} orders"
            log.info("%s %s: %s", what, ", ".join(shown), outcome, extra=_fields(part, status))

    def _exists(self, order_id: str) -> bool:
        query = select(orders.c.id).where(orders.c.id == order_id)
        rows = self._read(lambda connection: connection.scalars(query).all())
        return rows is None or bool(rows)  # None: the database does not answer

    def _read(self, query: Callable[[Connection], Any]) -> Any:
        try:
            return self._database.read(query)
        except (DatabaseUnavailableError, SchemaError):
            return None

    def _select(self, connection: Connection, order_id: str) -> Any:
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

    def _write(self, order_id: str, status: OrderStatus, row: Any, took: float) -> str:
        reason = self._reason(row, took)
        due = row.next_attempt_at
        wait = seconds_between(row.now, due)
        outcome = status.value
        if status is OrderStatus.QUEUED:
            outcome = f"{outcome}, {reason}, next attempt in {wait:,.0f} s"
        elif status in _WITH_REASON and row.last_error:
            outcome = f"{outcome}, {reason}"
        log.info(
            "order %s (id %s): %s",
            *(row.idempotency_key, order_id, outcome),
            extra={
                "order_id": order_id,
                "key": row.idempotency_key,
                "status": status.value,
                "reason": reason,
                "next_attempt_seconds": round(wait, 1),
                "retry_count": row.retry_count,
            },
        )
        return outcome

    def _reason(self, row: Any, took: float) -> str:
        if row.finished_at is not None and (row.now - row.finished_at).total_seconds() <= took:
            return row.code or "no answer"  # the attempt that has just been made
        if self._breaker.status().retry_after > 0:
            return "circuit_open"
        return (row.last_error or "deferred").partition(":")[0]


def _fields(names: Sequence[tuple[str, str | None]], status: str | None) -> dict[str, Any]:
    ids, keys = [one for one, _ in names], [key for _, key in names if key is not None]
    state = {} if status is None else {"status": status}
    if len(names) == 1:
        return {"order_id": ids[0], **({"key": keys[0]} if keys else {}), **state}
    return {"order_ids": ids, **({"keys": keys} if keys else {}), **state}
