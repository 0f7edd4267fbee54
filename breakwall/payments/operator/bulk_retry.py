"""Retries all orders that match, oldest first, in short transactions.

A retry only makes orders due. The dispatcher decides when they are published, the workers how fast they are charged.
"""

import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, case, exists, func, or_, select

from breakwall.payments.db.database import Database
from breakwall.payments.db.query_hints import once
from breakwall.payments.db.schema import attempts, orders
from breakwall.payments.interventions import Author
from breakwall.payments.ledger.attempt_conditions import ORDER_REJECTED, UNRESOLVED
from breakwall.payments.ledger.batches import BATCH, BatchJob, Position, orders_by_age
from breakwall.payments.operator.locking import lock_orders
from breakwall.payments.operator.retry_and_cancel import (
    HAS_KEY_CONFLICT,
    RETRYABLE,
    requeue,
    with_key_conflict,
)
from breakwall.payments.orders import OrderStatus


@dataclass(frozen=True, slots=True)
class Selection:
    """The conditions on the orders to retry; an order must meet all of them."""

    statuses: tuple[OrderStatus, ...]  # Each one of `RETRYABLE`.
    currency: str | None = None  # An ISO 4217 code; None: any.
    older_than: float = 0.0  # Seconds since they were accepted, at least.
    error_contains: str | None = None  # A text within their last error, in any case; None: any.
    rejected: bool = False  # Only those whose answer stays the same until the settings are corrected.

    def __post_init__(self) -> None:
        wrong = [status for status in self.statuses if status not in RETRYABLE]
        if wrong or not self.statuses:
            raise ValueError(f"statuses: should be of {', '.join(RETRYABLE)}")


@dataclass(frozen=True, slots=True)
class Preview:
    """What a retry would do, in numbers of orders."""

    eligible: int  # Would be retried.
    looked_up_first: (
        int  # Of those: may have been charged, so a worker looks them up before it sends anything.
    )
    already_paid: int  # Would be skipped because they are paid.
    skipped: dict[OrderStatus, int]  # Would be skipped because of another state, by that state.
    to_be_resolved: int = 0  # Would be refused because of a key conflict: only `resolve` ends their review.


@dataclass(frozen=True, slots=True)
class RetriedBatch:
    """The result of one transaction of a bulk retry, in numbers of orders."""

    retried: int  # Are due now.
    changed: int  # Were left alone, because their state had changed meanwhile.
    to_be_resolved: int  # Were refused, see `Preview`.


class BulkRetry(BatchJob):
    """Retries all orders that match. ``looks_up``: whether the payment service has a look-up."""

    def __init__(self, database: Database, *, looks_up: bool = True, **options: Any) -> None:
        super().__init__(database, **options)
        self._looks_up = looks_up

    def preview(self, selection: Selection) -> Preview:
        """Count what `run` would do, and the orders that match apart from their state."""
        accepted = orders.c.created_at <= once(self._clock.after(-selection.older_than))
        matching = and_(accepted, *_filters(selection, _any_error_contains))
        return self._preview(matching, selection.statuses)

    def preview_named(self, order_ids: Sequence[str]) -> Preview:
        """Count what a retry of these orders would do."""
        return self._preview(orders.c.id.in_(order_ids), RETRYABLE)

    def run(
        self, selection: Selection, author: Author, *, limit: int | None = None
    ) -> Iterator[RetriedBatch]:
        """Retry the oldest orders that match, ``limit`` of them at most.

        Yields after each batch is committed. Each order gets a whole new budget of attempts; its ``retry_count``
        continues. An order that is accepted, or becomes retryable again, while this runs is left alone.
        """
        return self._paced(self._run(selection, author, limit))

    def _run(self, selection: Selection, author: Author, limit: int | None) -> Iterator[RetriedBatch]:
        run = uuid.uuid4().hex
        latest = select(self._clock.after(-selection.older_than))
        until = self._database.read(lambda connection: connection.scalars(latest).one())
        retried = 0
        # Queued orders first: a retry makes the others queued, and no order is retried twice.
        for status in sorted(selection.statuses, key=RETRYABLE.index):
            after: Position | None = None
            while size := min(BATCH, BATCH if limit is None else limit - retried):
                found = self._find(batch_query(selection, status, until=until, after=after, size=size))
                if not found:
                    break
                after = Position.of(found[-1])
                batch = self._retry([order.id for order in found], status, author, run)
                retried += batch.retried
                yield batch

    def _retry(self, order_ids: list[str], status: OrderStatus, author: Author, run: str) -> RetriedBatch:
        def work(connection: Connection) -> RetriedBatch:
            unchanged = [order for order in lock_orders(connection, order_ids) if order.status == status]
            refused = with_key_conflict(connection, unchanged)
            chosen = [order for order in unchanged if order.id not in refused]
            requeue(connection, self._clock, chosen, author, looks_up=self._looks_up, run=run)
            return RetriedBatch(len(chosen), len(order_ids) - len(unchanged), len(refused))

        return self._database.write(work, name="retry")

    def _preview(self, matching: ColumnElement[bool], statuses: Sequence[OrderStatus]) -> Preview:
        by_status = select(orders.c.status, func.count().label("number")).where(matching)
        unresolved = or_(
            orders.c.suspected_at.is_not(None),
            exists(select(attempts.c.number).where(attempts.c.order_id == orders.c.id, UNRESOLVED)),
        )
        chosen = select(func.count()).where(matching, orders.c.status.in_(statuses))

        def count(connection: Connection) -> tuple[dict[OrderStatus, int], int, int]:
            rows = connection.execute(by_status.group_by(orders.c.status))
            doubtful = connection.scalar(chosen.where(unresolved, ~HAS_KEY_CONFLICT)) or 0
            refused = connection.scalar(chosen.where(HAS_KEY_CONFLICT)) or 0
            return {OrderStatus(row.status): row.number for row in rows}, doubtful, refused

        found, looked_up_first, to_be_resolved = self._database.read(count)
        return Preview(
            eligible=sum(found.pop(status, 0) for status in statuses) - to_be_resolved,
            looked_up_first=looked_up_first,
            already_paid=found.pop(OrderStatus.PAID, 0),
            skipped=found,
            to_be_resolved=to_be_resolved,
        )


def batch_query(
    selection: Selection,
    status: OrderStatus,
    *,
    until: datetime,
    after: Position | None = None,
    size: int = BATCH,
) -> Select[Any]:
    """The next batch, oldest first, from the index on state and time of acceptance.

    It continues after the last order's time. That misses nothing, because orders that are accepted later do not match.
    """
    matching = (
        orders.c.status == status,
        orders.c.created_at <= until,
        *_filters(selection, _last_error_contains),
    )
    return orders_by_age(orders.c.created_at, *matching, after=after).limit(size)


def _filters(
    selection: Selection, error_contains: Callable[[str], ColumnElement[bool]]
) -> Iterator[ColumnElement[bool]]:
    if selection.currency is not None:
        yield orders.c.currency == selection.currency
    if selection.error_contains is not None:
        yield error_contains(selection.error_contains)
    if selection.rejected:
        yield ORDER_REJECTED


def _last_error_contains(text: str) -> ColumnElement[bool]:
    return orders.c.last_error.icontains(text, autoescape=True)


def _any_error_contains(text: str) -> ColumnElement[bool]:
    """The last error; for a paid order, whose last error is deleted, the error of any attempt."""
    errors = (column.icontains(text, autoescape=True) for column in (attempts.c.code, attempts.c.detail))
    in_attempts = orders.c.id.in_(select(attempts.c.order_id).where(or_(*errors)))
    return case((orders.c.status == OrderStatus.PAID, in_attempts), else_=_last_error_contains(text))
