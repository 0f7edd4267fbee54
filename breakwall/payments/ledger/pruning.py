"""Pruning: orders that ended long ago go, with their attempts and all notes on them, in short transactions.

What is needed to know their keys again stays in `known_keys`, for a time of its own. Then that goes too, and the
orders' charges with it, but for the newest of each shape of key, by which look-ups are tried out.

Never pruned is what somebody may still come for: an order on its way; in review or dead, for these wait for a person;
one that is suspected; one with an open incident.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Delete,
    Insert,
    Row,
    Select,
    Table,
    and_,
    delete,
    exists,
    func,
    literal,
    null,
    or_,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite

from breakwall.payments.db.clock import Clock, DatabaseClock
from breakwall.payments.db.database import Database, SchemaError
from breakwall.payments.db.optional_tables import is_there
from breakwall.payments.db.query_hints import most_likely, once
from breakwall.payments.db.schema import attempts, charges, incidents, interventions, known_keys, orders
from breakwall.payments.ledger.charges import DEFAULT_ACCOUNT, KNOWN
from breakwall.payments.ledger.pruned import digest_user
from breakwall.payments.orders import OrderStatus

BATCH = 100
"""Orders in one transaction: some ten milliseconds, which a `place` that has to wait for them does not feel."""

PRUNING, FORGETTING = "prune", "forget_keys"

ENDED = (OrderStatus.PAID, OrderStatus.DECLINED, OrderStatus.CANCELLED)
"""The states in which nobody has anything to do with an order any more. A dead one waits for a person: it was accepted,
and was not charged. Cancelled, it may go."""


@dataclass(frozen=True, slots=True)
class Place:
    """How far a walk along the orders that have ended has come."""

    settled_at: Any
    order_id: str


class Pruning:
    """Prunes, and forgets keys. Safe to stop anywhere, and to run in several processes at once.

    Every method raises `DatabaseUnavailableError` when the database does not answer, and `SchemaError` where it has no
    room for pruned orders' keys yet. Ages and times are seconds.

    Args:
        database: where the orders are.
        keys_for: for how long after an order has ended its key is known.
        clock: what ages are measured by.
        sleep: called between two transactions for as long as one took, so that pruning never has more than half of
            the database's time.
        timer: a monotonic clock.
    """

    def __init__(
        self,
        database: Database,
        *,
        keys_for: float,
        clock: Clock | None = None,
        sleep: Callable[[float], None] = time.sleep,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._keys_for = keys_for
        self._clock = clock or DatabaseClock()
        self._sleep = sleep
        self._timer = timer

    def run(self, age: float) -> Iterator[tuple[int, int]]:
        """Prune all orders that ended longer ago than ``age``, then forget the keys whose time is over.

        Yields after each transaction how many orders it has pruned, and how many keys it has forgotten.
        """
        after: Place | None = None
        while True:
            started = self._timer()
            pruned, after = self.prune(age, after)
            yield pruned, 0
            if after is None:
                break
            self._sleep(self._timer() - started)
        while True:
            started = self._timer()
            forgotten = self.forget()
            yield 0, forgotten
            if forgotten < BATCH:
                break
            self._sleep(self._timer() - started)

    def preview(self, age: float) -> tuple[int, int]:
        """How many orders `run` would prune, and how many keys it would forget. Reads them in pieces."""
        after: Place | None = None
        number = 0
        while True:
            found = self._find(age, after, BATCH * 50)
            number += len(found)
            if len(found) < BATCH * 50:
                break
            after = Place(found[-1].settled_at, found[-1].id)
        forgotten = select(func.count()).select_from(known_keys).where(self._is_forgotten())
        return number, self._database.read(lambda connection: connection.scalar(forgotten) or 0)

    def prune(self, age: float, after: Place | None = None) -> tuple[int, Place | None]:
        """Prune the `BATCH` orders that ended first, of those that come ``after``.

        Returns how many were pruned, and where to go on; None: there are no more.
        """
        # In a look of its own, without a lock: it may have to walk past many that are kept.
        found = self._find(age, after, BATCH)
        if not found:
            return 0, None
        order_ids = [row.id for row in found]
        pruned = self._database.write(
            lambda connection: self._prune(connection, order_ids, age), name=PRUNING
        )
        return pruned, Place(found[-1].settled_at, found[-1].id) if len(found) == BATCH else None

    def forget(self) -> int:
        """Forget the `BATCH` oldest keys whose time is over, and their charges; returns how many."""
        oldest = (
            select(known_keys.c.order_id, known_keys.c.charge_id)
            .where(self._is_forgotten())
            .order_by(known_keys.c.settled_at)
        )

        def work(connection: Connection) -> int:
            found = connection.execute(oldest.limit(BATCH).with_for_update(skip_locked=True)).all()
            if found:
                order_ids = [row.order_id for row in found]
                connection.execute(_spare_charges([row.charge_id for row in found], order_ids))
                connection.execute(delete(known_keys).where(known_keys.c.order_id.in_(order_ids)))
            return len(found)

        # The oldest, in their order: a planner that is asked whether there is any may read the whole table for it.
        if self._database.read(lambda connection: self._checked(connection).scalar(oldest.limit(1))) is None:
            return 0
        return self._database.write(work, name=FORGETTING)

    def _is_forgotten(self) -> ColumnElement[bool]:
        return known_keys.c.settled_at <= once(self._clock.after(-self._keys_for))

    def _find(self, age: float, after: Place | None, limit: int) -> Sequence[Row[Any]]:
        query = candidates(self._clock, age, after).limit(limit)
        return self._database.read(lambda connection: self._checked(connection).execute(query).all())

    def _checked(self, connection: Connection) -> Connection:
        if not is_there(connection, known_keys.name):
            raise SchemaError(
                "the orders database has no room for what is left of pruned orders: run `breakwall db upgrade`"
            )
        return connection

    def _prune(self, connection: Connection, order_ids: list[str], age: float) -> int:
        mine = (
            select(orders)
            .where(orders.c.id.in_(order_ids), _may_go(self._clock, age))
            .order_by(orders.c.id)
            .with_for_update(skip_locked=True)
        )
        locked = {row.id: row for row in connection.execute(mine)}
        # Asked once more behind the lock, which whoever opens an incident takes as well.
        for order_id in connection.scalars(select(orders.c.id).where(orders.c.id.in_(locked), _is_needed())):
            del locked[order_id]
        if locked:
            self._keep_keys(connection, list(locked.values()))
            connection.execute(_keep_charges(connection, self._clock, list(locked)))
            for table, column in _BELONGINGS:
                connection.execute(delete(table).where(column.in_(list(locked))))
        return len(locked)

    def _keep_keys(self, connection: Connection, pruned: Sequence[Row[Any]]) -> None:
        columns = ("idempotency_key", "amount", "currency", "status", "charge_id", "settled_at")
        rows = [
            {
                **{name: getattr(row, name) for name in columns},
                "order_id": row.id,
                "user_digest": digest_user(row.id, row.user_id),
            }
            for row in pruned
        ]
        # A key that is known already was accepted again by a version that does not know of pruning. Once is enough.
        statement = _inserting(connection, known_keys).on_conflict_do_nothing()
        connection.execute(statement.values(pruned_at=self._clock.after(0)), rows)


def candidates(clock: Clock, age: float, after: Place | None) -> Select[Any]:
    """The orders that may go, those that ended first in front, read from the index on the time of settlement."""
    query = (
        select(orders.c.id, orders.c.settled_at)
        .where(_may_go(clock, age), ~_is_needed())
        .order_by(orders.c.settled_at, orders.c.id)
    )
    if after is None:
        return query
    later = or_(orders.c.settled_at > after.settled_at, orders.c.id > after.order_id)
    return query.where(orders.c.settled_at >= after.settled_at, later)


def _is_needed() -> ColumnElement[bool]:
    """What keeps an order that has ended, beside its own row. The one place for such as an undelivered event."""
    return exists().where(incidents.c.order_id == orders.c.id, incidents.c.closed_at.is_(None))


_BELONGINGS = (
    (incidents, incidents.c.order_id),
    (interventions, interventions.c.order_id),
    (attempts, attempts.c.order_id),
    (orders, orders.c.id),
)
"""The tables that orders go from, each one after those that point to it."""


def _may_go(clock: Clock, age: float) -> ColumnElement[bool]:
    return and_(
        most_likely(orders.c.status.in_(ENDED)),
        orders.c.suspected_at.is_(None),
        orders.c.settled_at <= once(clock.after(-age)),
    )


def _keep_charges(connection: Connection, clock: Clock, order_ids: Sequence[str]) -> Insert:
    """Before revision 0004 the order's own row alone said whose a charge is: write it down where it was not yet."""
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
    keeping: Insert = _inserting(connection, charges).from_select(columns, paid).on_conflict_do_nothing()
    return keeping


def _spare_charges(charge_ids: Sequence[str | None], order_ids: Sequence[str]) -> Delete:
    """Deletes the charges of orders, but for the newest of their shape of key, see `known_charges`."""
    newer = charges.alias("newer")
    same_shape = and_(newer.c.account == charges.c.account, newer.c.key_shape == charges.c.key_shape)
    # Null where there are fewer: then all stay.
    last_needed = select(newer.c.at).where(same_shape).order_by(newer.c.at.desc()).offset(KNOWN - 1).limit(1)
    return delete(charges).where(
        charges.c.charge_id.in_([charge_id for charge_id in charge_ids if charge_id is not None]),
        charges.c.order_id.in_(order_ids),
        or_(charges.c.key_shape.is_(None), charges.c.at < last_needed.scalar_subquery()),
    )


def _inserting(connection: Connection, table: Table) -> Any:
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    return dialect.insert(table)
