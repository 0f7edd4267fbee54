"""Accepts orders: each idempotency key once, however often an order is placed.

A key is known by its order, or by what is kept of a pruned order. The order is inserted first; a second statement then
reads the pruned keys. The insert waits for a transaction that prunes the key, so the second statement sees its result.
"""

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from operator import itemgetter
from typing import Any, cast

from sqlalchemy import (
    Connection,
    Executable,
    Select,
    bindparam,
    delete,
    insert,
    literal,
    select,
    true,
    update,
)
from sqlalchemy.sql.dml import ReturningInsert

from breakwall.payments.db.clock import Clock
from breakwall.payments.db.database import DatabaseUnavailableError
from breakwall.payments.db.given_rows import given_rows, row_parameter
from breakwall.payments.db.insert_missing import insert_missing
from breakwall.payments.db.lock_timeouts import LockBudget
from breakwall.payments.db.revisions import without_missing_columns
from breakwall.payments.db.schema import attempts, orders
from breakwall.payments.db.statements import LEASE, built_once, seconds
from breakwall.payments.decisions import Progress
from breakwall.payments.keys import derive_charge_key, derive_order_id
from breakwall.payments.ledger.attempt_outcomes import unconfirmed
from breakwall.payments.ledger.base import LedgerBase
from breakwall.payments.ledger.claim import Attempt, Claim, charge_request, seconds_left
from breakwall.payments.ledger.order_state import AWAITED
from breakwall.payments.ledger.pruned_orders import (
    PrunedOrder,
    pruned_by_key,
    pruned_keys,
    was_not_pruned,
)
from breakwall.payments.ledger.queries import orders_by_key
from breakwall.payments.ledger.traces import keep_traces
from breakwall.payments.orders import (
    InvalidOrderError,
    Order,
    OrderStatus,
    StoredOrder,
    check_caller_key,
    metadata_text,
)
from breakwall.texts import quoted

# Seconds in which the producer itself publishes a new order; after that the dispatcher does.
PUBLISH_GRACE = 10.0

NO_TRACES: Mapping[str, str] = {}

Row = dict[str, Any]  # Values by the column's or the parameter's name.


@dataclass(frozen=True, slots=True)
class Accepted:
    """The result of a batch, by idempotency key: the ids of new orders, and the orders that were known.

    ``withdrawn``: the keys of orders that nobody wants any more. Those that were new are not accepted.
    """

    new: dict[str, str]
    known: dict[str, StoredOrder | PrunedOrder]
    withdrawn: frozenset[str] = frozenset()


class Accepting(LedgerBase):
    """The ledger's part for producers."""

    def accept_sending(
        self,
        order: Order,
        lock_budget: LockBudget | None = None,
        *,
        prepares: bool = False,
        before_commit: Callable[[], object] = lambda: None,
        trace: str | None = None,
    ) -> Attempt | StoredOrder | PrunedOrder:
        """Store an order that is charged at once: the order, its claim and its first attempt.

        Returns the earlier order, stored or pruned, if the idempotency key is known. Raises `IdempotencyConflictError`
        if the key belongs to another order, and `InvalidOrderError` if the caller's own key cannot be sent, or the
        order's last moment has passed. ``prepares`` as in `Claiming.begin_attempt`. ``before_commit`` is called last
        before the commit, and nothing is stored if it raises. ``trace``: a ``traceparent`` for later attempts.
        """
        self._check([order])
        row = self._new_row(order, lock_budget)

        def work(connection: Connection) -> Attempt | StoredOrder | PrunedOrder:
            left = self._set_expiries(connection, [row]).get(order.idempotency_key, math.inf)
            new = self._insert_sending(connection, row)
            if not new:
                return replayed(connection, [order])[order.idempotency_key]
            request = charge_request(order, row["id"], row["charge_key"], order.idempotency_key)
            claim = Claim(request, 1, Progress(), left)
            attempt = insert_first_attempt(connection, self.clock, claim, order.idempotency_key, prepares)
            if attempt is None:
                withdraw_pruned(connection, new)
                return replayed(connection, [order])[order.idempotency_key]
            _refuse_late(new.keys() if left <= 0 else ())
            if trace is not None:
                keep_traces(connection, self.clock, dict.fromkeys(new.values(), trace))
            before_commit()
            return attempt

        return self.database.write(work, name="accept_sending", lock_budget=lock_budget)

    def accept_queued(
        self,
        batch: Sequence[Order],
        *,
        delay: float = 0.0,
        deferrals: int = 0,
        lock_budget: LockBudget | None = None,
        withdrawn: Callable[[], Collection[str]] = tuple,
        traces: Mapping[str, str] = NO_TRACES,
    ) -> Accepted:
        """Store orders that wait for the worker, due in ``delay`` seconds: all of the batch or nothing.

        ``withdrawn`` is called last before the commit: the keys of orders that nobody wants any more. They are not
        stored. ``traces``: a ``traceparent`` for later attempts, by idempotency key. Raises as `accept_sending`.
        """
        # With a delay: a message now would have no effect. Without: the producer sends the first message itself.
        due = {"due_in": delay, "dispatch_in": delay or PUBLISH_GRACE, "deferrals": deferrals}
        self._check(batch)
        rows = [self._new_row(order, lock_budget) for order in batch]

        def work(connection: Connection) -> Accepted:
            left = self._set_expiries(connection, rows)
            new = self._insert_queued(connection, rows, due)
            withdraw_pruned(connection, new)
            _refuse_late({key for key in new if left.get(key, math.inf) <= 0})
            known = {} if len(new) == len(batch) else replayed(connection, batch)
            accepted = {key: order for key, order in known.items() if key not in new}
            unwanted = frozenset(withdrawn())
            withdraw(connection, new, unwanted & new.keys())
            if traces:
                kept = {new[key]: parent for key, parent in traces.items() if key in new}
                keep_traces(connection, self.clock, kept)
            return Accepted(new, accepted, unwanted)

        return self.database.write(work, name="accept_queued", lock_budget=lock_budget)

    def _insert_sending(self, connection: Connection, row: Row) -> dict[str, str]:
        """Insert an order with a claim and an attempt if its key is new; returns its id by its key."""
        (stored,) = without_missing_columns(connection, orders, [row])
        inserting = _insert_sending(self.clock, connection.dialect.name)
        return _ids(connection, inserting, {**stored, "lease_seconds": self.lease})

    def _insert_queued(self, connection: Connection, rows: Sequence[Row], due: Row) -> dict[str, str]:
        """Insert the orders whose key is new; returns their ids by key, in the order of ``rows``."""
        if not rows:
            return {}
        # In one order everywhere: two transactions with the same keys would otherwise wait for each other.
        by_id = sorted(rows, key=itemgetter("id"))
        stored = without_missing_columns(connection, orders, by_id)
        dialect, names = connection.dialect.name, tuple(stored[0])
        inserting = _insert_queued(self.clock, dialect, names)
        ids = _ids(connection, inserting, {**row_parameter(stored, dialect), **due})
        return {key: ids[key] for row in rows if (key := row["idempotency_key"]) in ids}

    def _set_expiries(self, connection: Connection, rows: Sequence[Row]) -> dict[str, float]:
        """Turn seconds from now into moments, by the database's clock.

        Returns the seconds that are left to the orders that have a last moment, by idempotency key.
        """
        now: Any = None
        left = {}
        for row in rows:
            before = row["charge_before"]
            if before is None:
                continue
            if now is None:
                now = connection.scalar(_now(self.clock))
            if not isinstance(before, datetime):
                row["charge_before"] = before = now + timedelta(seconds=before)
            left[row["idempotency_key"]] = seconds_left(before, now)
        return left

    def _check(self, batch: Sequence[Order]) -> None:
        """Raise `InvalidOrderError` for orders that this process cannot charge."""
        if self.send_caller_keys:
            for order in batch:
                check_caller_key(order)
        strange = [order.idempotency_key for order in batch if order.gateway not in {None, self.gateway}]
        if strange:
            problem = f"should be the configured one, {quoted(self.gateway)}, or left out"
            raise InvalidOrderError({"gateway": problem}, strange)

    def _new_row(self, order: Order, lock_budget: LockBudget | None) -> Row:
        """The order's own columns, with its id and the key that is sent."""
        key = order.idempotency_key
        order_id = derive_order_id(self.read_site(lock_budget), key)
        return {
            **{field.name: getattr(order, field.name) for field in fields(order)},
            "metadata": None if order.metadata is None else metadata_text(order.metadata),
            "gateway": self.gateway,
            "id": order_id,
            "charge_key": key if self.send_caller_keys else derive_charge_key(order_id),
        }


@built_once
def _now(clock: Clock) -> Select[tuple[datetime]]:
    return select(clock.after(0))


def _refuse_late(keys: Collection[str]) -> None:
    """Raise `InvalidOrderError` if there is a new order whose last moment has passed. A known one is just known."""
    if keys:
        raise InvalidOrderError({"charge_before": "should be in the future: it has passed"}, keys)


def _ids(connection: Connection, inserting: Executable, parameters: Row) -> dict[str, str]:
    return {row.idempotency_key: row.id for row in connection.execute(inserting, parameters)}


# A conflict on any column: the id is derived from the key, so both are known or neither is.


@built_once
def _insert_sending(clock: Clock, dialect: str) -> Executable:
    claimed = {"status": OrderStatus.IN_FLIGHT, "attempt_count": 1, "fence": 1}
    moments = {"lease_until": clock.after(LEASE), "created_at": clock.after(0)}
    inserting = insert_missing(dialect, orders).values({**claimed, **moments})
    return cast("Executable", inserting.returning(orders.c.idempotency_key, orders.c.id))


@built_once
def _insert_queued(clock: Clock, dialect: str, names: tuple[str, ...]) -> Executable:
    given = given_rows(dialect, orders, names)
    state = {
        "status": literal(OrderStatus.QUEUED.value, orders.c.status.type),
        "deferral_count": bindparam("deferrals", type_=orders.c.deferral_count.type),
        "next_attempt_at": clock.after(seconds("due_in")),
        "dispatch_at": clock.after(seconds("dispatch_in")),
        "created_at": clock.after(0),
    }
    # Without a condition, SQLite would take ON CONFLICT for a part of the SELECT.
    rows = select(*[given.c[name] for name in names], *state.values()).where(true())
    inserting = insert_missing(dialect, orders).from_select([*names, *state], rows)
    return cast("Executable", inserting.returning(orders.c.idempotency_key, orders.c.id))


def insert_first_attempt(
    connection: Connection, clock: Clock, claim: Claim, idempotency_key: str, prepares: bool = False
) -> Attempt | None:
    """Insert the first attempt of an order that was just inserted. None: the key is a pruned order's.

    Check and insert are one statement, so that the check costs a `place` no round trip.
    """
    row = {
        "order_id": claim.order_id,
        "number": 1,
        "source": "producer",
        "fence": claim.fence,
        "gateway_key": claim.request.idempotency_key,
        "own_key": idempotency_key,
    }
    inserting = _insert_first_attempt(clock, prepares)
    return None if connection.scalar(inserting, row) is None else Attempt(claim, 1)


@built_once
def _insert_first_attempt(clock: Clock, prepares: bool) -> ReturningInsert[Any]:
    given = [
        bindparam(name, type_=attempts.c[name].type).label(name)
        for name in ("order_id", "number", "source", "fence", "gateway_key")
    ]
    more = [value.label(name) for name, value in unconfirmed(clock).items()] if prepares else []
    row = select(*given, clock.after(0).label("started_at"), *more).where(was_not_pruned("own_key"))
    names = [column.name for column in row.selected_columns]
    return insert(attempts).from_select(names, row).returning(attempts.c.number)


def withdraw_pruned(connection: Connection, new: dict[str, str]) -> None:
    """Delete those of the orders just inserted (ids by key) whose keys belong to pruned orders."""
    withdraw(connection, new, pruned_keys(connection, list(new)))


def withdraw(connection: Connection, new: dict[str, str], keys: Collection[str]) -> None:
    """Delete those of the orders just inserted (ids by key) that have one of these keys."""
    if keys:
        connection.execute(delete(orders).where(orders.c.id.in_([new.pop(key) for key in keys])))


def replayed(connection: Connection, batch: Sequence[Order]) -> dict[str, StoredOrder | PrunedOrder]:
    """`known_orders`, for callers who are told their states. If one is told "in flight", an outcome will be written.

    For the first caller alone none may be: that one waits for it in `place`. But it may have gone, and this is its
    second try.
    """
    found = known_orders(connection, batch)
    in_flight = [known.id for known in found.values() if known.status is OrderStatus.IN_FLIGHT]
    if not in_flight:
        return found
    is_awaited = orders.c.id.in_(in_flight), orders.c.status == OrderStatus.IN_FLIGHT
    # In one order everywhere, as above.
    connection.execute(select(orders.c.id).where(*is_awaited).order_by(orders.c.id).with_for_update())
    marked = connection.execute(update(orders).where(*is_awaited).values(told=AWAITED))
    # One may have ended meanwhile.
    return found if marked.rowcount == len(in_flight) else known_orders(connection, batch)


def known_orders(connection: Connection, batch: Sequence[Order]) -> dict[str, StoredOrder | PrunedOrder]:
    """The orders of a batch whose keys are known, stored or pruned, by key.

    Raises `IdempotencyConflictError` if a key belongs to another order, and `DatabaseUnavailableError` if the key of a
    pruned order is forgotten at this moment.
    """
    found = known_by_key(connection, [order.idempotency_key for order in batch])
    for order in batch:
        known = found.get(order.idempotency_key)
        if known is None:
            raise DatabaseUnavailableError(
                "an idempotency key is being forgotten at this moment; nothing was accepted. Placing the order again "
                "with the same key is safe"
            )
        known.check_same_as(order)
    return found


def known_by_key(connection: Connection, keys: Sequence[str]) -> dict[str, StoredOrder | PrunedOrder]:
    """The orders, stored or pruned, that have one of these keys, by key."""
    # In this sequence: the second query finds an order that is pruned between the two.
    stored = orders_by_key(connection, keys)
    return {**pruned_by_key(connection, [key for key in keys if key not in stored]), **stored}
