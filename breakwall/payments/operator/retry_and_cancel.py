"""Retries and cancels single orders; `bulk_retry` retries many."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, and_, exists, select, update

from breakwall.gateway_names import DEFAULT
from breakwall.payments.db.clock import DATABASE_CLOCK, Clock
from breakwall.payments.db.database import Database
from breakwall.payments.db.own_gateway import is_own_order
from breakwall.payments.db.schema import attempts, orders
from breakwall.payments.fleet.released_orders import release
from breakwall.payments.interventions import UNNAMED, Action, Author
from breakwall.payments.ledger.attempt_conditions import KEY_CONFLICT, UNRESOLVED
from breakwall.payments.ledger.audit import record_interventions
from breakwall.payments.ledger.order_state import state_columns
from breakwall.payments.ledger.queries import Naming, get_order, stored_order
from breakwall.payments.operator.key_rotation import (
    distrust_refusals,
    has_trusted_refusal,
    rotate_keys,
    rotate_spent_keys,
    vouch_for_refusals,
)
from breakwall.payments.operator.locking import (
    KeyConflictError,
    MayHaveChargedError,
    OtherGatewayError,
    lock_order_in,
    may_have_charged,
)
from breakwall.payments.orders import EndReason, OrderStatus, StoredOrder

RETRYABLE = (OrderStatus.QUEUED, OrderStatus.DEAD, OrderStatus.REVIEW)
CANCELLABLE = (OrderStatus.QUEUED, OrderStatus.IN_FLIGHT, OrderStatus.DEAD)

# Orders in review that only `resolve` finishes: a look-up by their key would find another charge.
HAS_KEY_CONFLICT = and_(
    orders.c.status == OrderStatus.REVIEW,
    exists().where(attempts.c.order_id == orders.c.id, UNRESOLVED, KEY_CONFLICT),
)


def retry_order(
    database: Database,
    name: str,
    author: Author = UNNAMED,
    *,
    by: Naming = Naming.ANY,
    looks_up: bool = True,
    gateway: str | None = None,
    uncharged: str | None = None,
    clock: Clock = DATABASE_CLOCK,
) -> StoredOrder:
    """Make an order due at once, with a whole new budget of attempts, and return it. ``retry_count`` continues.

    An unknown attempt is still looked up before anything is sent. While the drain is paused, the order is released:
    workers work on it nevertheless. ``looks_up``: whether the payment service of ``gateway``, this process's, has a
    look-up; None: it is every order's. ``uncharged`` (up to 255 characters): how it is known that nothing was charged
    under the order's key; the order then gets a new one. Raises as `get_order`, and `RefusedError`: also if there is a
    key conflict, if an attempt may have charged under a key to be rotated, or if only a process with the order's
    gateway knows whether its refusal has to be looked up.
    """
    order = get_order(database, name, by)

    def work(connection: Connection) -> StoredOrder:
        before = lock_order_in(connection, RETRYABLE, order.id, "retried")
        if with_key_conflict(connection, [before]):
            raise KeyConflictError(order.id)
        if uncharged is not None:
            _rotate_key(connection, before)
        elif not is_own_order(before, gateway) and has_trusted_refusal(connection, before):
            raise OtherGatewayError(order.id, before.gateway or DEFAULT)
        requeue(connection, clock, [before], author, looks_up=looks_up, evidence=uncharged)
        release(connection, clock, order.id)
        return stored_order(connection, orders.c.id == order.id)

    return database.write(work, name="retry")


def cancel_order(
    database: Database,
    name: str,
    author: Author = UNNAMED,
    *,
    by: Naming = Naming.ANY,
    clock: Clock = DATABASE_CLOCK,
) -> StoredOrder:
    """Cancel an order, at once if no attempt may have charged, and return it. Raises as `retry_order`.

    Otherwise ``cancel_requested`` is set: the order is cancelled when it is proven that nothing was charged. If a
    charge is found instead, it becomes an incident: a charge to refund.
    """
    order = get_order(database, name, by)

    def work(connection: Connection) -> StoredOrder:
        before = lock_order_in(connection, CANCELLABLE, order.id, "cancelled")
        changes: dict[str, Any] = {"cancel_requested": True}
        if before.status != OrderStatus.IN_FLIGHT and not may_have_charged(connection, before):
            changes |= state_columns(clock, OrderStatus.CANCELLED, reason=EndReason.REQUESTED)
        elif before.status == OrderStatus.DEAD:
            # It is suspected, and no worker looks a dead order up.
            changes |= _due_columns(clock)
        connection.execute(update(orders).where(orders.c.id == order.id).values(changes))
        record_interventions(connection, clock, [before], Action.CANCEL, author, after=changes.get("status"))
        return stored_order(connection, orders.c.id == order.id)

    return database.write(work, name="cancel")


def with_key_conflict(connection: Connection, locked: Sequence[Row[Any]]) -> set[str]:
    """The ids of those of some locked orders that must not be retried, see `HAS_KEY_CONFLICT`."""
    ids = [order.id for order in locked]
    return set(connection.scalars(select(orders.c.id).where(orders.c.id.in_(ids), HAS_KEY_CONFLICT)))


def requeue(
    connection: Connection,
    clock: Clock,
    locked: Sequence[Row[Any]],
    author: Author,
    *,
    looks_up: bool,
    run: str | None = None,
    evidence: str | None = None,
) -> None:
    """Make locked orders due at once, with a whole new budget of attempts each.

    An order whose key is spent on a refusal gets a new key if a look-up has proven that nothing was charged. A refusal
    that was trusted without a look-up is looked up before anything is sent. ``run``: the same for all orders of a bulk
    retry. ``evidence``: how it is known that nothing was charged, if the order has got a new key for that.
    """
    ids = [order.id for order in locked]
    connection.execute(update(orders).where(orders.c.id.in_(ids)).values(_due_columns(clock)))
    if evidence is None:
        rotate_spent_keys(connection, locked)
        if looks_up:
            distrust_refusals(connection, locked)
    record_interventions(
        connection, clock, locked, Action.RETRY, author, after=OrderStatus.QUEUED, run=run, evidence=evidence
    )


def _rotate_key(connection: Connection, before: Row[Any]) -> None:
    if may_have_charged(connection, before):
        raise MayHaveChargedError(before.id)
    rotate_keys(connection, [before])
    vouch_for_refusals(connection, before.id)


def _due_columns(clock: Clock) -> dict[str, Any]:
    """The columns of an order that is due, with a whole new budget."""
    return {
        **state_columns(clock, OrderStatus.QUEUED),
        "retry_floor": orders.c.retry_count,
        "look_up_floor": orders.c.look_up_count,
        "attempt_floor": orders.c.attempt_count,
        "crash_count": 0,
    }
