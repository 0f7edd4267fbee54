"""Gives an order a state: its columns, and the condition that a claim on it still holds."""

from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, select, update

from breakwall.payments.db.clock import Clock
from breakwall.payments.db.schema import IN_FLIGHT, orders
from breakwall.payments.decisions import Decision
from breakwall.payments.ledger.claim import Claim
from breakwall.payments.orders import OrderStatus


def state_columns(clock: Clock, status: OrderStatus, delay: float = 0.0) -> dict[str, Any]:
    """The columns of an order without a claim: queued and due in ``delay`` seconds, or finished."""
    queued = status is OrderStatus.QUEUED
    due = clock.after(delay) if queued else None
    return {
        "status": status,
        "lease_until": None,
        "next_attempt_at": due,
        "dispatch_at": due,
        "settled_at": None if queued else clock.after(0),
    }


def held(claim: Claim) -> ColumnElement[bool]:
    """The condition, for an UPDATE of the order, that no other process has claimed it since."""
    return and_(orders.c.id == claim.order_id, orders.c.status == IN_FLIGHT, orders.c.fence == claim.fence)


def apply_decision(
    connection: Connection, clock: Clock, claim: Claim, decision: Decision, changes: dict[str, Any]
) -> OrderStatus | None:
    """Give an order the state of a decision, and return it. None when the claim no longer holds.

    If nothing was charged and a person has requested its cancellation meanwhile, the order is cancelled now. While the
    circuit is open, a worker may claim it much later.
    """
    status, delay = decision.status, decision.delay
    if decision.uncharged and _is_cancel_requested(connection, claim):
        status, delay = OrderStatus.CANCELLED, 0.0
    values = {**state_columns(clock, status, delay), **changes}
    applied = connection.execute(update(orders).where(held(claim)).values(values))
    return status if applied.rowcount else None


def _is_cancel_requested(connection: Connection, claim: Claim) -> bool:
    requested = select(orders.c.cancel_requested).where(held(claim)).with_for_update()
    return bool(connection.scalar(requested))
