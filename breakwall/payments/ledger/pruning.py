"""Prunes orders: deletes those that finished long ago, with all that is stored about them, in short transactions.

`known_keys` keeps what recognizes their keys, for a time of its own. After that the key is forgotten, and the order's
charge with it. Only the newest charges of each shape of key stay, because look-ups are tested with them.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Delete,
    Insert,
    Row,
    Select,
    and_,
    delete,
    exists,
    func,
    literal,
    null,
    or_,
    select,
)

from breakwall.payments.db.clock import Clock
from breakwall.payments.db.database import Database
from breakwall.payments.db.insert_missing import insert_missing
from breakwall.payments.db.operator_tables import earlier_ends, order_traces, payment_hints
from breakwall.payments.db.query_hints import likely, once
from breakwall.payments.db.revisions import existing_columns, has_table, without_missing_columns
from breakwall.payments.db.schema import (
    attempts,
    charges,
    deliveries,
    destinations,
    incidents,
    interventions,
    known_keys,
    orders,
    outcomes,
)
from breakwall.payments.ledger.batches import BatchJob, Position, orders_by_age
from breakwall.payments.ledger.bulk_pruning import prune_bulk_list
from breakwall.payments.ledger.charges import DEFAULT_ACCOUNT, KNOWN
from breakwall.payments.ledger.pruned_orders import kept_row
from breakwall.payments.orders import OrderStatus

BATCH = 100  # Orders in one transaction: some ten milliseconds, so that no `place` waits for long.
PREVIEWED = 50 * BATCH  # Orders that a preview reads at once.

PRUNING, FORGETTING = "prune", "forget_keys"

# The states that need nothing more. A dead order is not charged: it waits for a person, who may retry or cancel it.
PRUNABLE = (OrderStatus.PAID, OrderStatus.DECLINED, OrderStatus.CANCELLED)


class Pruning(BatchJob):
    """Prunes orders, and forgets keys ``keys_for`` seconds after their orders have finished.

    Several processes may do it at once. Ages are seconds.
    """

    def __init__(self, database: Database, *, keys_for: float, **options: Any) -> None:
        super().__init__(database, **options)
        self._keys_for = keys_for

    def run(self, age: float) -> Iterator[tuple[int, int]]:
        """Prune all orders that finished longer ago than ``age``, then forget expired keys, then old bulk lists.

        Yields after each transaction how many orders it has pruned, and how many keys it has forgotten.
        """
        return self._paced(self._run(age))

    def preview(self, age: float) -> tuple[int, int]:
        """How many orders `run` would prune, and how many keys it would forget. Changes nothing."""
        after: Position | None = None
        number = 0
        while found := self._candidates(age, after, PREVIEWED):
            number += len(found)
            after = Position.of(found[-1])
        forgotten = select(func.count()).select_from(known_keys).where(self._is_forgotten())
        return number, self._database.read(lambda connection: connection.scalar(forgotten) or 0)

    def prune(self, age: float, after: Position | None = None) -> tuple[int, Position | None]:
        """Prune the `BATCH` orders that finished first, of those that come ``after``.

        Returns how many were pruned, and where to continue; None: there are no more.
        """
        # A query of its own, without a lock: it may have to read many orders that are kept.
        found = self._candidates(age, after, BATCH)
        if not found:
            return 0, None
        order_ids = [row.id for row in found]
        pruned = self._database.write(
            lambda connection: self._prune(connection, order_ids, age), name=PRUNING
        )
        return pruned, Position.of(found[-1]) if len(found) == BATCH else None

    def forget(self) -> int:
        """Forget the `BATCH` oldest expired keys, and their charges; returns how many."""
        oldest = (
            select(known_keys.c.order_id, known_keys.c.charge_id)
            .where(self._is_forgotten())
            .order_by(known_keys.c.settled_at)
        )

        def work(connection: Connection) -> int:
            found = connection.execute(oldest.limit(BATCH).with_for_update(skip_locked=True)).all()
            if found:
                order_ids = [row.order_id for row in found]
                connection.execute(_delete_charges([row.charge_id for row in found], order_ids))
                connection.execute(delete(known_keys).where(known_keys.c.order_id.in_(order_ids)))
            return len(found)

        # Sorted, too: without that, a planner may read the whole table to find any row.
        if self._database.read(lambda connection: connection.scalar(oldest.limit(1))) is None:
            return 0
        return self._database.write(work, name=FORGETTING)

    def prune_bulk_list(self, age: float) -> int:
        """Delete a part of the list of a bulk retry that ended longer ago than ``age``; returns how many rows."""
        return prune_bulk_list(self._database, self._clock, age)

    def _run(self, age: float) -> Iterator[tuple[int, int]]:
        after: Position | None = None
        while True:
            pruned, after = self.prune(age, after)
            yield pruned, 0
            if after is None:
                break
        while True:
            forgotten = self.forget()
            yield 0, forgotten
            if forgotten < BATCH:
                break
        while self.prune_bulk_list(age):
            yield 0, 0

    def _is_forgotten(self) -> ColumnElement[bool]:
        return known_keys.c.settled_at <= once(self._clock.after(-self._keys_for))

    def _candidates(self, age: float, after: Position | None, limit: int) -> Sequence[Row[Any]]:
        query = candidates(self._clock, age, after).limit(limit)
        return self._database.read(lambda connection: connection.execute(query).all())

    def _prune(self, connection: Connection, order_ids: list[str], age: float) -> int:
        mine: Select[Any] = (
            select(*existing_columns(connection, orders))
            .where(orders.c.id.in_(order_ids), _may_go(self._clock, age))
            .order_by(orders.c.id)
            .with_for_update(skip_locked=True)
        )
        locked = {row.id: row for row in connection.execute(mine)}
        # Once more, under the lock: an incident is opened under the same lock.
        needed = select(orders.c.id).where(orders.c.id.in_(locked), or_(*_needs()))
        for order_id in connection.scalars(needed):
            del locked[order_id]
        if locked:
            self._keep_keys(connection, list(locked.values()))
            connection.execute(_keep_charges(connection, list(locked)))
            _delete_outcomes(connection, list(locked))
            for column in _ORDER_ID_COLUMNS:
                if column.table not in _NEWEST or has_table(connection, column.table.name):
                    connection.execute(delete(column.table).where(column.in_(list(locked))))
        return len(locked)

    def _keep_keys(self, connection: Connection, pruned: Sequence[Row[Any]]) -> None:
        rows = without_missing_columns(connection, known_keys, [kept_row(row) for row in pruned])
        # A version without pruning may have accepted a pruned key again: then its row is there already.
        statement = insert_missing(connection.dialect.name, known_keys)
        connection.execute(statement.values(pruned_at=self._clock.after(0)), rows)


def candidates(clock: Clock, age: float, after: Position | None) -> Select[Any]:
    """The orders that may be pruned, those that finished first in front, from the index on ``settled_at``."""
    # One condition for each: PostgreSQL would read the whole tables for "none of them".
    unneeded = [~need for need in _needs()]
    return orders_by_age(orders.c.settled_at, _may_go(clock, age), *unneeded, after=after)


def _needs() -> list[ColumnElement[bool]]:
    """What keeps a finished order, other than its own row: an open incident, an outcome that the shop was not told.

    An outcome from before a destination was configured is not for it. A delivery that was given up holds nothing: its
    incident does. Further reasons go in here.
    """
    incident = exists().where(incidents.c.order_id == orders.c.id, incidents.c.closed_at.is_(None))
    awaiting = exists().where(
        outcomes.c.order_id == orders.c.id,
        outcomes.c.taken_at.is_(None),
        destinations.c.since <= outcomes.c.at,
    )
    due = exists().where(
        deliveries.c.order_id == orders.c.id,
        deliveries.c.due_at.is_not(None),
        destinations.c.name == deliveries.c.destination,
    )
    return [incident, awaiting, due]


def _delete_outcomes(connection: Connection, order_ids: Sequence[str]) -> None:
    theirs = list(connection.scalars(select(outcomes.c.id).where(outcomes.c.order_id.in_(order_ids))))
    if theirs:
        connection.execute(delete(deliveries).where(deliveries.c.outcome_id.in_(theirs)))
        connection.execute(delete(outcomes).where(outcomes.c.id.in_(theirs)))


# What is deleted of an order. A table comes after the tables that refer to it.
_ORDER_ID_COLUMNS = (
    payment_hints.c.order_id,
    order_traces.c.order_id,
    earlier_ends.c.order_id,
    incidents.c.order_id,
    interventions.c.order_id,
    attempts.c.order_id,
    orders.c.id,
)
_NEWEST = (payment_hints, order_traces, earlier_ends)  # Before revision 0008 they do not exist.


def _may_go(clock: Clock, age: float) -> ColumnElement[bool]:
    return and_(
        likely(orders.c.status.in_(PRUNABLE)),
        orders.c.suspected_at.is_(None),
        orders.c.settled_at <= once(clock.after(-age)),
    )


def _keep_charges(connection: Connection, order_ids: Sequence[str]) -> Insert:
    """Adds the missing rows of `charges`. Before revision 0004 only the order's own row named its charge."""
    paid = select(
        orders.c.charge_id,
        literal(DEFAULT_ACCOUNT).label("account"),
        orders.c.id.label("order_id"),
        null().label("key"),
        null().label("key_shape"),
        orders.c.settled_at,
    ).where(
        orders.c.id.in_(order_ids),
        orders.c.charge_id.is_not(None),
        ~exists().where(charges.c.charge_id == orders.c.charge_id, charges.c.order_id == orders.c.id),
    )
    columns = ["charge_id", "account", "order_id", "key", "key_shape", "at"]
    keeping: Insert = insert_missing(connection.dialect.name, charges).from_select(columns, paid)
    return keeping


def _delete_charges(charge_ids: Sequence[str | None], order_ids: Sequence[str]) -> Delete:
    """Deletes the charges of orders, except the newest of each shape of key, see `known_charges`."""
    newer = charges.alias("newer")
    same_shape = and_(newer.c.account == charges.c.account, newer.c.key_shape == charges.c.key_shape)
    # NULL if there are fewer: then all stay.
    last_needed = select(newer.c.at).where(same_shape).order_by(newer.c.at.desc()).offset(KNOWN - 1).limit(1)
    return delete(charges).where(
        charges.c.charge_id.in_([charge_id for charge_id in charge_ids if charge_id is not None]),
        charges.c.order_id.in_(order_ids),
        or_(charges.c.key_shape.is_(None), charges.c.at < last_needed.scalar_subquery()),
    )
