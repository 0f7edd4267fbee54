"""Suspects the open orders of a database that was restored from a backup: they may have been charged since.

The attempts of the lost time are gone, so each open order is looked up before anything is sent. Its state and its due
time stay as they are.
"""

import uuid
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, case, exists, func, select, union_all, update

from breakwall.payments.db.schema import interventions, orders
from breakwall.payments.interventions import Action, Author
from breakwall.payments.ledger.audit import record_interventions
from breakwall.payments.ledger.batches import BATCH, BatchJob, Position, orders_by_age
from breakwall.payments.operator.locking import lock_orders
from breakwall.payments.orders import OrderStatus

# States in which an order may have been charged since the backup; a dead one may have been retried.
OPEN = (OrderStatus.QUEUED, OrderStatus.IN_FLIGHT, OrderStatus.REVIEW, OrderStatus.DEAD)


@dataclass(frozen=True, slots=True)
class SuspicionPreview:
    """What a suspicion would do."""

    by_state: Mapping[OrderStatus, int]  # Open orders that would be suspected, by their state.
    suspected_before: (
        int  # Open orders that were suspected for this backup before, and would stay as they are.
    )


class Suspicion(BatchJob):
    """Suspects every open order of any age. "No such charge" is trusted from the settle time after that.

    Every method takes the time of the backup (aware).
    """

    def preview(self, since: datetime) -> SuspicionPreview:
        """Count what `run` would do."""
        suspected = _suspected_before(since)
        is_open = orders.c.status.in_(OPEN)
        by_state = select(orders.c.status, func.count().label("number")).where(is_open, ~suspected)
        suspected_before = select(func.count()).select_from(orders).where(is_open, suspected)

        def count(connection: Connection) -> SuspicionPreview:
            rows = connection.execute(by_state.group_by(orders.c.status))
            found = {OrderStatus(row.status): row.number for row in rows}
            return SuspicionPreview(found, connection.scalar(suspected_before) or 0)

        return self._database.read(count)

    def run(self, since: datetime, author: Author) -> Iterator[Mapping[OrderStatus, int]]:
        """Suspect all open orders. Yields after each transaction how many it suspected, by their state.

        Nothing more is sent under an earlier claim; of its results only proof of a payment counts. Orders that were
        suspected for this backup before stay as they are.
        """
        return self._paced(self._run(since, author))

    def _run(self, since: datetime, author: Author) -> Iterator[Mapping[OrderStatus, int]]:
        run = uuid.uuid4().hex
        after: Position | None = None
        while found := self._find(batch_query(after)):
            after = Position.of(found[-1])
            yield self._suspect([order.id for order in found], since, author, run)

    def _suspect(
        self, order_ids: list[str], since: datetime, author: Author, run: str
    ) -> Mapping[OrderStatus, int]:
        suspected_before = select(orders.c.id).where(orders.c.id.in_(order_ids), _suspected_before(since))

        def work(connection: Connection) -> Mapping[OrderStatus, int]:
            locked = lock_orders(connection, order_ids)
            known = set(connection.scalars(suspected_before))
            chosen = [order for order in locked if order.status in OPEN and order.id not in known]
            self._mark(connection, [order.id for order in chosen])
            record_interventions(
                connection, self._clock, chosen, Action.SUSPECT, author, evidence=_evidence(since), run=run
            )
            return Counter(OrderStatus(order.status) for order in chosen)

        return self._database.write(work, name="suspect")

    def _mark(self, connection: Connection, order_ids: list[str]) -> None:
        # A process that holds a claim has read the order before this, so its fence must become an old one.
        raised = case((orders.c.status == OrderStatus.IN_FLIGHT, 1), else_=0)
        connection.execute(
            update(orders)
            .where(orders.c.id.in_(order_ids))
            .values(suspected_at=self._clock.after(0), fence=orders.c.fence + raised)
        )


def batch_query(after: Position | None = None) -> Select[Any]:
    """The next open orders, oldest first. Each state is read from the index.

    One statement for all states, because an order may change from one open state to another meanwhile.
    """
    by_state = [
        select(
            orders_by_age(orders.c.created_at, orders.c.status == status, after=after).limit(BATCH).subquery()
        )
        for status in OPEN
    ]
    merged = union_all(*by_state).subquery()
    return select(merged).order_by(merged.c.created_at, merged.c.id).limit(BATCH)


def _suspected_before(since: datetime) -> ColumnElement[bool]:
    return exists().where(
        interventions.c.order_id == orders.c.id,
        interventions.c.action == Action.SUSPECT,
        interventions.c.evidence == _evidence(since),
    )


def _evidence(since: datetime) -> str:
    return since.astimezone(UTC).isoformat()
