"""Gives an order a state: its columns, and the condition that a claim on it still holds."""

from collections.abc import Callable
from typing import Any

from sqlalchemy import BindParameter, Connection, Update, and_, bindparam, select, update

from breakwall.payments.db.clock import Clock
from breakwall.payments.db.schema import IN_FLIGHT, orders
from breakwall.payments.db.statements import built_once, seconds
from breakwall.payments.decisions import Decision
from breakwall.payments.ledger.claim import Claim
from breakwall.payments.orders import OrderStatus

Values = dict[str, Any]


def state_columns(clock: Clock, status: OrderStatus, delay: float | BindParameter[float] = 0.0) -> Values:
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


HELD_ORDER: BindParameter[str] = bindparam("held_order", type_=orders.c.id.type)

# The condition, for an UPDATE of the order, that no other process has claimed it since. `held` has its parameters.
HELD = and_(
    orders.c.id == HELD_ORDER, orders.c.status == IN_FLIGHT, orders.c.fence == bindparam("held_fence")
)


def held(claim: Claim) -> Values:
    """The parameters of `HELD`."""
    return {"held_order": claim.order_id, "held_fence": claim.fence}


def nothing_counted(clock: Clock) -> Values:
    return {}


def apply_decision(
    connection: Connection,
    clock: Clock,
    claim: Claim,
    decision: Decision,
    changes: Values,
    counted: Callable[[Clock], Values] = nothing_counted,
) -> OrderStatus | None:
    """Give an order the state of a decision, and return it. None when the claim no longer holds.

    ``changes``: values of more columns. ``counted``: a function of a module, for columns that are set by SQL.

    If nothing was charged and a person has requested its cancellation meanwhile, the order is cancelled now. While the
    circuit is open, a worker may claim it much later.
    """
    status, delay = decision.status, decision.delay
    if decision.uncharged and connection.scalar(_IS_CANCEL_REQUESTED, held(claim)):
        status, delay = OrderStatus.CANCELLED, 0.0
    values = {**held(claim), **changes}
    if status is OrderStatus.QUEUED:
        values["due_in"] = delay
    applied = connection.execute(_move_held(clock, status, counted), values)
    return status if applied.rowcount else None


_IS_CANCEL_REQUESTED = select(orders.c.cancel_requested).where(HELD).with_for_update()


@built_once
def _move_held(clock: Clock, status: OrderStatus, counted: Callable[[Clock], Values]) -> Update:
    state = state_columns(clock, status, seconds("due_in"))
    return update(orders).where(HELD).values({**state, **counted(clock)})
