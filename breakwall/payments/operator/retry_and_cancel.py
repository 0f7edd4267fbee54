"""Retries and cancels single orders; `bulk_retry` retries many."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, and_, exists, select, update

from breakwall.payments.db.clock import Clock, DatabaseClock
from breakwall.payments.db.database import Database
from breakwall.payments.db.schema import attempts, orders
from breakwall.payments.interventions import UNNAMED, Action, Author
from breakwall.payments.ledger.attempt_conditions import KEY_CONFLICT, UNRESOLVED
from breakwall.payments.ledger.audit import record_interventions
from breakwall.payments.ledger.order_state import state_columns
from breakwall.payments.ledger.queries import Naming, get_order, stored_order
from breakwall.payments.operator.key_rotation import (
    doubt_refusals,
    rotate_keys,
    rotate_spent_keys,
    vouch_for_refusals,
)
from breakwall.payments.operator.locking import RefusedError, lock_order_in, may_have_charged
from breakwall.payments.orders import OrderStatus, StoredOrder

RETRYABLE = (OrderStatus.QUEUED, OrderStatus.DEAD, OrderStatus.REVIEW)
CANCELLABLE = (OrderStatus.QUEUED, OrderStatus.IN_FLIGHT, OrderStatus.DEAD)

# Orders in review that only `Resolution` finishes: a look-up by their key would find another charge.
HAS_KEY_CONFLICT = and_(
    orders.c.status == OrderStatus.REVIEW,
    exists().where(attempts.c.order_id == orders.c.id, UNRESOLVED, KEY_CONFLICT),
)

_KEY_CONFLICT = (
    "order {} cannot be retried: at the payment service its key leads to another payload, or to another "
    "order's charge. Compare the two there, then finish the order with `breakwall orders resolve`"
)
_MAY_HAVE_CHARGED = (
    "order {} gets no new key: one of its attempts may have charged. Retry it without a new key, then it is looked "
    "up; or finish it with `breakwall orders resolve`"
)


class Interventions:
    """An operator's actions on single orders. ``looks_up``: whether the payment service has a look-up.

    Every method takes an order's name (``by`` says whether it is an id or a key) and the person who acts, returns the
    order as it is afterwards, and raises `OrderNotFoundError`, `AmbiguousNameError`, `DatabaseUnavailableError`, or
    `RefusedError` if the order's state does not allow the action.
    """

    def __init__(self, database: Database, *, clock: Clock | None = None, looks_up: bool = True) -> None:
        self.database = database
        self.clock = clock or DatabaseClock()
        self.looks_up = looks_up

    def retry(
        self, name: str, author: Author = UNNAMED, *, by: Naming = Naming.ANY, uncharged: str | None = None
    ) -> StoredOrder:
        """Make an order due at once, with a whole new budget of attempts. ``retry_count`` continues.

        An unknown attempt is still looked up before anything is sent. Refused if the order has a key conflict.
        ``uncharged`` (up to 255 characters): how it is known that nothing was charged under the order's key. The order
        then gets a new one; refused if an attempt may have charged.
        """
        order = get_order(self.database, name, by)

        def work(connection: Connection) -> StoredOrder:
            before = lock_order_in(connection, RETRYABLE, order.id, "retried")
            if with_key_conflict(connection, [before]):
                raise RefusedError(_KEY_CONFLICT.format(order.id))
            if uncharged is not None:
                self._rotate_key(connection, before)
            requeue(connection, self.clock, [before], author, looks_up=self.looks_up, evidence=uncharged)
            return stored_order(connection, orders.c.id == order.id)

        return self.database.write(work, name="retry")

    def cancel(self, name: str, author: Author = UNNAMED, *, by: Naming = Naming.ANY) -> StoredOrder:
        """Cancel an order, at once if no attempt may have charged.

        Otherwise ``cancel_requested`` is set: the order is cancelled when it is proven that nothing was charged. If a
        charge is found instead, it becomes an incident: a charge to refund.
        """
        order = get_order(self.database, name, by)

        def work(connection: Connection) -> StoredOrder:
            before = lock_order_in(connection, CANCELLABLE, order.id, "cancelled")
            changes: dict[str, Any] = {"cancel_requested": True}
            if before.status != OrderStatus.IN_FLIGHT and not may_have_charged(connection, before):
                changes |= state_columns(self.clock, OrderStatus.CANCELLED)
            elif before.status == OrderStatus.DEAD:
                # It is suspected, and no worker looks a dead order up.
                changes |= _due_columns(self.clock)
            connection.execute(update(orders).where(orders.c.id == order.id).values(changes))
            record_interventions(
                connection, self.clock, [before], Action.CANCEL, author, after=changes.get("status")
            )
            return stored_order(connection, orders.c.id == order.id)

        return self.database.write(work, name="cancel")

    def _rotate_key(self, connection: Connection, before: Row[Any]) -> None:
        if may_have_charged(connection, before):
            raise RefusedError(_MAY_HAVE_CHARGED.format(before.id))
        rotate_keys(connection, [before])
        vouch_for_refusals(connection, before.id)


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
            doubt_refusals(connection, locked)
    record_interventions(
        connection, clock, locked, Action.RETRY, author, after=OrderStatus.QUEUED, run=run, evidence=evidence
    )


def _due_columns(clock: Clock) -> dict[str, Any]:
    """The columns of an order that is due, with a whole new budget."""
    return {
        **state_columns(clock, OrderStatus.QUEUED),
        "retry_floor": orders.c.retry_count,
        "look_up_floor": orders.c.look_up_count,
        "attempt_floor": orders.c.attempt_count,
        "crash_count": 0,
    }
