"""Sending many orders round again: all that match, in short transactions, oldest first.

What is sent round is only marked as due; when it is published, and how fast it is charged, stays the
dispatcher's and the workers' business.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, case, exists, func, or_, select

from breakwall.payments.actions import Author
from breakwall.payments.db.clock import Clock, DatabaseClock
from breakwall.payments.db.database import Database
from breakwall.payments.db.query_hints import once
from breakwall.payments.db.schema import attempts, orders
from breakwall.payments.ledger.attempt_conditions import ORDER_REJECTED, UNSETTLED
from breakwall.payments.ledger.audit import lock_orders
from breakwall.payments.operator.retry_and_cancel import DISPUTED, RETRYABLE, disputed, send_round
from breakwall.payments.orders import OrderStatus

CHUNK = 500
"""Orders in one transaction: some tens of milliseconds, in which nobody else waits for long."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Which orders are meant. All of it must hold.

    Attributes:
        statuses: their states; each one of `RETRYABLE`.
        currency: an ISO 4217 code; None: any.
        older_than: seconds since they were accepted, at least; 0: any.
        error_contains: a text within their last error, whatever its case; None: any.
        rejected: only those that wait for other settings.
    """

    statuses: tuple[OrderStatus, ...]
    currency: str | None = None
    older_than: float = 0.0
    error_contains: str | None = None
    rejected: bool = False

    def __post_init__(self) -> None:
        wrong = [status for status in self.statuses if status not in RETRYABLE]
        if wrong or not self.statuses:
            raise ValueError(f"statuses: should be of {', '.join(RETRYABLE)}")


@dataclass(frozen=True, slots=True)
class Preview:
    """What sending orders round would do. All are numbers of orders.

    Attributes:
        eligible: would be sent round.
        looked_up_first: of those, the ones that may have been charged: a worker asks the payment service
            before it sends anything.
        already_paid: would be skipped because they are paid.
        skipped: would be skipped because of another state, by that state.
        to_be_resolved: would be refused: their key belongs to another payload, and only `Resolution` ends
            their review.
    """

    eligible: int
    looked_up_first: int
    already_paid: int
    skipped: dict[OrderStatus, int]
    to_be_resolved: int = 0


@dataclass(frozen=True, slots=True)
class Chunk:
    """One transaction of a redrive. All are numbers of orders.

    Attributes:
        sent_round: are due now.
        changed: somebody else had taken on in the meantime.
        to_be_resolved: were refused, see `Preview`.
    """

    sent_round: int
    changed: int
    to_be_resolved: int


class Redrive:
    """Sends all orders round that match; safe to stop anywhere, and to run again.

    Every method raises `DatabaseUnavailableError` when the database does not answer.

    Args:
        database: where the orders are.
        clock: where due times come from.
        sleep: called between two chunks for as long as a chunk took, in seconds, so that a redrive never
            has more than half of the database's time.
        timer: a monotonic clock, in seconds.
        looks_up: as in `Interventions`.
    """

    def __init__(
        self,
        database: Database,
        *,
        clock: Clock | None = None,
        sleep: Callable[[float], None] = time.sleep,
        timer: Callable[[], float] = time.monotonic,
        looks_up: bool = True,
    ) -> None:
        self._looks_up = looks_up
        self._database = database
        self._clock = clock or DatabaseClock()
        self._sleep = sleep
        self._timer = timer

    def preview(self, selection: Selection) -> Preview:
        """Count what `run` would do, and the orders that match but for their state."""
        accepted = orders.c.created_at <= once(self._clock.after(-selection.older_than))
        matching = and_(accepted, *_filters(selection, _has_error))
        return self._preview(matching, selection.statuses)

    def preview_named(self, order_ids: Sequence[str]) -> Preview:
        """Count what sending these orders round would do."""
        return self._preview(orders.c.id.in_(order_ids), RETRYABLE)

    def run(self, selection: Selection, author: Author, *, limit: int | None = None) -> Iterator[Chunk]:
        """Send the oldest orders that match round again, ``limit`` of them at most.

        Yields after each chunk is committed. Each order gets a whole new budget of attempts, while its
        ``retry_count`` goes on counting. An order that comes back, or that is accepted, while this runs is
        left alone.
        """
        run = uuid.uuid4().hex
        until = self._now(-selection.older_than)
        sent = 0
        # Those that wait come first, so that none is met a second time after it was made to wait.
        for status in sorted(selection.statuses, key=RETRYABLE.index):
            after: tuple[datetime, str] | None = None
            while size := min(CHUNK, CHUNK if limit is None else limit - sent):
                started = self._timer()
                found = self._find(chunk_query(selection, status, until=until, after=after, size=size))
                if not found:
                    break
                after = (found[-1].created_at, found[-1].id)
                chunk = self._send([order.id for order in found], status, author, run)
                sent += chunk.sent_round
                yield chunk
                self._sleep(self._timer() - started)

    def _find(self, query: Select[Any]) -> Sequence[Row[Any]]:
        return self._database.read(lambda connection: connection.execute(query).all())

    def _send(self, order_ids: list[str], status: OrderStatus, author: Author, run: str) -> Chunk:
        def work(connection: Connection) -> Chunk:
            still = [order for order in lock_orders(connection, order_ids) if order.status == status]
            refused = disputed(connection, still)
            chosen = [order for order in still if order.id not in refused]
            send_round(connection, self._clock, chosen, author, looks_up=self._looks_up, run=run)
            return Chunk(len(chosen), len(order_ids) - len(still), len(refused))

        return self._database.write(work, name="retry")

    def _preview(self, matching: ColumnElement[bool], statuses: Sequence[OrderStatus]) -> Preview:
        by_status = select(orders.c.status, func.count().label("number")).where(matching)
        unsettled = or_(
            orders.c.suspected_at.is_not(None),
            exists(select(attempts.c.number).where(attempts.c.order_id == orders.c.id, UNSETTLED)),
        )
        chosen = select(func.count()).where(matching, orders.c.status.in_(statuses))

        def count(connection: Connection) -> tuple[dict[OrderStatus, int], int, int]:
            rows = connection.execute(by_status.group_by(orders.c.status))
            doubtful = connection.scalar(chosen.where(unsettled, ~DISPUTED)) or 0
            refused = connection.scalar(chosen.where(DISPUTED)) or 0
            return {OrderStatus(row.status): row.number for row in rows}, doubtful, refused

        found, looked_up_first, to_be_resolved = self._database.read(count)
        return Preview(
            eligible=sum(found.pop(status, 0) for status in statuses) - to_be_resolved,
            looked_up_first=looked_up_first,
            already_paid=found.pop(OrderStatus.PAID, 0),
            skipped=found,
            to_be_resolved=to_be_resolved,
        )

    def _now(self, seconds: float) -> datetime:
        return self._database.read(
            lambda connection: connection.scalars(select(self._clock.after(seconds))).one()
        )


def chunk_query(
    selection: Selection,
    status: OrderStatus,
    *,
    until: datetime,
    after: tuple[datetime, str] | None = None,
    size: int = CHUNK,
) -> Select[Any]:
    """The next chunk, oldest first, read from the index on state and time of acceptance.

    Nothing is missed by going on from the last order's time: what is accepted later is not meant.
    """
    query = (
        select(orders.c.id, orders.c.created_at)
        .where(orders.c.status == status, orders.c.created_at <= until, *_filters(selection, _last_error))
        .order_by(orders.c.created_at, orders.c.id)
        .limit(size)
    )
    if after is None:
        return query
    at, order_id = after
    return query.where(orders.c.created_at >= at, or_(orders.c.created_at > at, orders.c.id > order_id))


def _filters(
    selection: Selection, error: Callable[[str], ColumnElement[bool]]
) -> Iterator[ColumnElement[bool]]:
    if selection.currency is not None:
        yield orders.c.currency == selection.currency
    if selection.error_contains is not None:
        yield error(selection.error_contains)
    if selection.rejected:
        yield ORDER_REJECTED


def _last_error(text: str) -> ColumnElement[bool]:
    return orders.c.last_error.icontains(text, autoescape=True)


def _has_error(text: str) -> ColumnElement[bool]:
    """The last error, or for a paid order, which has none any more, that of any attempt."""
    told = or_(*(column.icontains(text, autoescape=True) for column in (attempts.c.code, attempts.c.detail)))
    met = orders.c.id.in_(select(attempts.c.order_id).where(told))
    return case((orders.c.status == OrderStatus.PAID, met), else_=_last_error(text))
