"""After the database was restored from a backup: what was open in it may have been charged since.

The attempts of the lost time are gone, so an order's own cannot tell. Each open order becomes one that is looked up
before anything is sent. Its state stays, and so does the time at which it is due.
"""

from __future__ import annotations

import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    case,
    exists,
    func,
    or_,
    select,
    union_all,
    update,
)

from breakwall.payments.actions import Action, Author
from breakwall.payments.db.clock import Clock, DatabaseClock
from breakwall.payments.db.database import Database
from breakwall.payments.db.schema import interventions, orders
from breakwall.payments.ledger.audit import lock_orders, note_interventions
from breakwall.payments.orders import OrderStatus

OPEN = (OrderStatus.QUEUED, OrderStatus.IN_FLIGHT, OrderStatus.REVIEW, OrderStatus.DEAD)
"""States from which an order may have been charged since the backup. A dead one: somebody sent it round again."""

CHUNK = 500
"""Orders in one transaction: some tens of milliseconds, in which nobody else waits for long."""


@dataclass(frozen=True, slots=True)
class Suspects:
    """What a suspicion would do.

    Attributes:
        by_state: open orders that would be suspected, by their state.
        noted: open orders that were suspected for this time before, and would be left as they are.
    """

    by_state: Mapping[OrderStatus, int]
    noted: int


class Suspicion:
    """Suspects every open order, whatever its age; safe to stop anywhere, and to run again.

    Every method takes the time of the backup (aware) and raises `DatabaseUnavailableError` when the database does not
    answer.

    Args:
        database: where the orders are.
        clock: where the time of the suspicion comes from; a look-up is believed from the settle time after it.
        sleep: called between two chunks for as long as a chunk took, in seconds.
        timer: a monotonic clock, in seconds.
    """

    def __init__(
        self,
        database: Database,
        *,
        clock: Clock | None = None,
        sleep: Callable[[float], None] = time.sleep,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._clock = clock or DatabaseClock()
        self._sleep = sleep
        self._timer = timer

    def preview(self, since: datetime) -> Suspects:
        """Count what `run` would do."""
        noted = _noted(since)
        is_open = orders.c.status.in_(OPEN)
        by_state = select(orders.c.status, func.count().label("number")).where(is_open, ~noted)

        def count(connection: Connection) -> Suspects:
            rows = connection.execute(by_state.group_by(orders.c.status))
            found = {OrderStatus(row.status): row.number for row in rows}
            before = connection.scalar(select(func.count()).select_from(orders).where(is_open, noted)) or 0
            return Suspects(found, before)

        return self._database.read(count)

    def run(self, since: datetime, author: Author) -> Iterator[Mapping[OrderStatus, int]]:
        """Suspect all open orders. Yields after each chunk is committed: how many it suspected, by their state.

        Nothing is sent any more under a claim from before: what its holder finds counts only as proof of a payment.
        Orders that were suspected for this time before are left as they are.
        """
        run = uuid.uuid4().hex
        after: tuple[datetime, str] | None = None
        while found := self._find(chunk_query(after)):
            started = self._timer()
            after = (found[-1].created_at, found[-1].id)
            yield self._suspect([order.id for order in found], since, author, run)
            self._sleep(self._timer() - started)

    def _find(self, query: Select[Any]) -> Sequence[Row[Any]]:
        return self._database.read(lambda connection: connection.execute(query).all())

    def _suspect(
        self, order_ids: list[str], since: datetime, author: Author, run: str
    ) -> Mapping[OrderStatus, int]:
        def work(connection: Connection) -> Mapping[OrderStatus, int]:
            locked = lock_orders(connection, order_ids)
            known = set(
                connection.scalars(select(orders.c.id).where(orders.c.id.in_(order_ids), _noted(since)))
            )
            chosen = [order for order in locked if order.status in OPEN and order.id not in known]
            self._mark(connection, [order.id for order in chosen])
            note_interventions(
                connection, self._clock, chosen, Action.SUSPECT, author, evidence=_told(since), run=run
            )
            return Counter(OrderStatus(order.status) for order in chosen)

        return self._database.write(work, name="suspect")

    def _mark(self, connection: Connection, order_ids: list[str]) -> None:
        # Who holds a claim has read the order before this: its fence is old from now on.
        taken = case((orders.c.status == OrderStatus.IN_FLIGHT, 1), else_=0)
        connection.execute(
            update(orders)
            .where(orders.c.id.in_(order_ids))
            .values(suspected_at=self._clock.after(0), fence=orders.c.fence + taken)
        )


def chunk_query(after: tuple[datetime, str] | None = None) -> Select[Any]:
    """The next open orders, oldest first.

    One statement for all states, each of them read from the index: it misses none that goes from one open state to
    another meanwhile.
    """
    walks = [select(_walk(status, after).subquery()) for status in OPEN]
    merged = union_all(*walks).subquery()
    return select(merged).order_by(merged.c.created_at, merged.c.id).limit(CHUNK)


def _walk(status: OrderStatus, after: tuple[datetime, str] | None) -> Select[Any]:
    query = (
        select(orders.c.id, orders.c.created_at)
        .where(orders.c.status == status)
        .order_by(orders.c.created_at, orders.c.id)
        .limit(CHUNK)
    )
    if after is None:
        return query
    at, order_id = after
    return query.where(orders.c.created_at >= at, or_(orders.c.created_at > at, orders.c.id > order_id))


def _noted(since: datetime) -> ColumnElement[bool]:
    return exists().where(
        interventions.c.order_id == orders.c.id,
        interventions.c.action == Action.SUSPECT,
        interventions.c.evidence == _told(since),
    )


def _told(since: datetime) -> str:
    return since.astimezone(UTC).isoformat()
