"""What people do to single orders: send them round again, cancel them. Each is one transaction.

Beside it: `redrive` for many orders at once, `resolution` for orders in review.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, and_, exists, select, update

from breakwall.payments.actions import NOBODY, Action, Author
from breakwall.payments.db.clock import Clock, DatabaseClock
from breakwall.payments.db.database import Database
from breakwall.payments.db.schema import attempts, orders
from breakwall.payments.ledger.attempt_conditions import LEADS_ELSEWHERE, UNSETTLED
from breakwall.payments.ledger.audit import lock_orders, note_interventions
from breakwall.payments.ledger.pruned import pruned_order
from breakwall.payments.ledger.queries import Naming, OrderPrunedError, get_order, stored_order
from breakwall.payments.operator.key_rotation import (
    doubt_refusals,
    renew_keys,
    renew_spent_keys,
    vouch_for_refusals,
)
from breakwall.payments.orders import OrderStatus, StoredOrder

RETRYABLE = (OrderStatus.QUEUED, OrderStatus.DEAD, OrderStatus.REVIEW)
CANCELLABLE = (OrderStatus.QUEUED, OrderStatus.IN_FLIGHT, OrderStatus.DEAD)

DISPUTED = and_(
    orders.c.status == OrderStatus.REVIEW,
    exists().where(attempts.c.order_id == orders.c.id, UNSETTLED, LEADS_ELSEWHERE),
)
"""Orders in review that only `Resolution` ends: under their key a look-up finds what is not theirs."""


_DISPUTED = (
    "order {} cannot be sent round again: at the payment service its key leads to another payload, or to another "
    "order's charge. Compare the two over there, then end the review with `breakwall orders resolve`"
)
_MAY_HAVE_CHARGED = (
    "order {} gets no new key: an attempt of it may have charged. Send it round without a new key, and it is looked "
    "up; or end its review with `breakwall orders resolve`"
)


class RefusedError(Exception):
    """The order's state does not allow the action; nothing was changed."""


class Interventions:
    """An operator's actions on single orders.

    Every method takes an order's name (``by`` says what it is: an id, a key or either) and who acts, returns
    the order as it is afterwards, and raises `OrderNotFoundError`, `AmbiguousNameError`, `RefusedError` or
    `DatabaseUnavailableError`.
    """

    def __init__(self, database: Database, *, clock: Clock | None = None, looks_up: bool = True) -> None:
        """
        Args:
            looks_up: whether charges can be looked up at the payment service (`GatewayProfile.looks_up`).
        """
        self.database = database
        self.clock = clock or DatabaseClock()
        self.looks_up = looks_up

    def retry(
        self,
        name: str,
        author: Author = NOBODY,
        *,
        by: Naming = Naming.ANY,
        uncharged: str | None = None,
    ) -> StoredOrder:
        """Send an order round again: it is due at once, with a whole new budget of attempts.

        ``retry_count`` goes on counting; the budget is counted from where it stands now. An attempt whose
        outcome is unknown is still looked up before anything is sent. Refused where the order is disputed.

        Args:
            uncharged: how it is known that nothing was charged under the order's key, up to 255 characters: the
                order gets a new one. Refused where an attempt may have charged.
        """
        order = get_order(self.database, name, by)

        def work(connection: Connection) -> StoredOrder:
            before = lock_order(connection, order.id, RETRYABLE, "sent round again")
            if disputed(connection, [before]):
                raise RefusedError(_DISPUTED.format(order.id))
            if uncharged is not None:
                self._renew(connection, before)
            send_round(connection, self.clock, [before], author, looks_up=self.looks_up, evidence=uncharged)
            return stored_order(connection, orders.c.id == order.id)

        return self.database.write(work, name="retry")

    def cancel(self, name: str, author: Author = NOBODY, *, by: Naming = Naming.ANY) -> StoredOrder:
        """Cancel an order, at once where no attempt may have charged.

        Otherwise ``cancel_requested`` is set: the order is cancelled as soon as it is proven that nothing
        was charged, and a charge that turns up is reported as one to refund.
        """
        order = get_order(self.database, name, by)

        def work(connection: Connection) -> StoredOrder:
            before = lock_order(connection, order.id, CANCELLABLE, "cancelled")
            changes: dict[str, Any] = {"cancel_requested": True}
            if before.status != OrderStatus.IN_FLIGHT:
                doubtful = may_have_charged(connection, before)
                changes |= at_rest(self.clock, OrderStatus.CANCELLED) if not doubtful else {}
                # Nobody looks a dead order up. One that was suspected meanwhile has to be.
                changes |= due_now(self.clock) if doubtful and before.status == OrderStatus.DEAD else {}
            connection.execute(update(orders).where(orders.c.id == order.id).values(changes))
            note_interventions(
                connection, self.clock, [before], Action.CANCEL, author, after=changes.get("status")
            )
            return stored_order(connection, orders.c.id == order.id)

        return self.database.write(work, name="cancel")

    def _renew(self, connection: Connection, before: Row[Any]) -> None:
        if may_have_charged(connection, before):
            raise RefusedError(_MAY_HAVE_CHARGED.format(before.id))
        renew_keys(connection, [before])
        vouch_for_refusals(connection, before.id)


def lock_order(
    connection: Connection, order_id: str, allowed: tuple[OrderStatus, ...], what: str
) -> Row[Any]:
    """One order, locked, in one of the states that allow the action; else raises `RefusedError`."""
    before = next(iter(lock_orders(connection, [order_id])), None)
    if before is None:
        raise OrderPrunedError(pruned_order(connection, order_id))
    if before.status not in allowed:
        raise RefusedError(f"order {order_id} is {before.status} and cannot be {what}")
    return before


def disputed(connection: Connection, locked: Sequence[Row[Any]]) -> set[str]:
    """The ids of those of some locked orders that are not to be sent round, see `DISPUTED`."""
    ids = [order.id for order in locked]
    return set(connection.scalars(select(orders.c.id).where(orders.c.id.in_(ids), DISPUTED)))


def send_round(
    connection: Connection,
    clock: Clock,
    locked: list[Row[Any]],
    author: Author,
    *,
    looks_up: bool,
    run: str | None = None,
    evidence: str | None = None,
) -> None:
    """Make locked orders due at once, with a whole new budget of attempts each.

    An order whose key the service has spent on a refusal gets a new one once a look-up has proven that nothing was
    charged. Where that was not looked up, it is before anything is sent.

    Args:
        looks_up: whether it can be.
        evidence: how it is known that nothing was charged, where the order has got a new key for it.
    """
    connection.execute(
        update(orders).where(orders.c.id.in_([order.id for order in locked])).values(due_now(clock))
    )
    if evidence is None:
        renew_spent_keys(connection, locked)
        if looks_up:
            doubt_refusals(connection, locked)
    note_interventions(
        connection,
        clock,
        locked,
        Action.RETRY,
        author,
        after=OrderStatus.QUEUED,
        run=run,
        evidence=evidence,
    )


def due_now(clock: Clock) -> dict[str, Any]:
    """The columns of an order that is due, with a whole new budget."""
    return {
        "status": OrderStatus.QUEUED,
        "retry_floor": orders.c.retry_count,
        "look_up_floor": orders.c.look_up_count,
        "attempt_floor": orders.c.attempt_count,
        "crash_count": 0,
        "next_attempt_at": clock.after(0),
        "dispatch_at": clock.after(0),
        "settled_at": None,
    }


def at_rest(clock: Clock, status: OrderStatus) -> dict[str, Any]:
    """The columns of an order that nobody works on any more."""
    return {
        "status": status,
        "lease_until": None,
        "next_attempt_at": None,
        "dispatch_at": None,
        "settled_at": clock.after(0),
    }


def may_have_charged(connection: Connection, order: Row[Any]) -> bool:
    """Whether a locked order may have been charged, as far as is known."""
    unsettled = select(attempts.c.number).where(attempts.c.order_id == order.id, UNSETTLED)
    return order.suspected_at is not None or bool(connection.scalar(select(exists(unsettled))))
