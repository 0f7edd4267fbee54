"""Gives an order a state: its columns, and the condition that a claim on it still holds."""

from collections.abc import Callable
from typing import Any, NamedTuple

from sqlalchemy import BindParameter, ColumnElement, Connection, Update, and_, bindparam, func, select, update

from breakwall.payments.db.clock import Clock
from breakwall.payments.db.schema import IN_FLIGHT, orders
from breakwall.payments.db.statements import built_once, seconds
from breakwall.payments.decisions import Decision
from breakwall.payments.ledger.claim import Claim
from breakwall.payments.orders import EndReason, OrderStatus

Values = dict[str, Any]


class State(NamedTuple):
    """The state that an order has now, and why it ended."""

    status: OrderStatus
    reason: str | None = None  # None while it is open, for a payment, and if another process has ended it.


def state_columns(
    clock: Clock,
    status: OrderStatus,
    delay: float | BindParameter[float] = 0.0,
    *,
    reason: str | ColumnElement[str | None] | None = None,
) -> Values:
    """The columns of an order without a claim: queued and due in ``delay`` seconds, or finished for a ``reason``.

    Whatever sets the state of an order uses it, or sets ``reason`` too: an order's end must not keep an earlier one.
    """
    queued = status is OrderStatus.QUEUED
    due = clock.after(delay) if queued else None
    return {
        "reason": None if queued else reason,
        "status": status,
        "lease_until": None,
        "next_attempt_at": due,
        "dispatch_at": due,
        "settled_at": None if queued else clock.after(0),
    }


def told_column() -> Values:
    """The column that keeps `outcome_trigger` from writing an outcome: `place` returns it. For a statement with `HELD`.

    If another caller was told that the order is in flight (`AWAITED`), it stays as it is: that one needs the outcome.
    """
    return {"told": func.coalesce(orders.c.told, orders.c.fence)}


AWAITED = 0
"""What ``orders.told`` is for an order that was in flight when it was placed again. Fences begin with 1."""


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
    *,
    told: bool = False,
) -> State | None:
    """Give an order the state of a decision, and return it. None when the claim no longer holds.

    ``changes``: values of more columns. ``counted``: a function of a module, for columns that are set by SQL. ``told``:
    if the order ends, `place` returns that to its caller, so no outcome is written.

    If nothing was charged and a person has requested its cancellation meanwhile, the order is cancelled now. While the
    circuit is open, a worker may claim it much later.
    """
    status, delay, reason = decision.status, decision.delay, decision.reason
    if decision.uncharged and connection.scalar(_IS_CANCEL_REQUESTED, held(claim)):
        status, delay, reason = OrderStatus.CANCELLED, 0.0, EndReason.REQUESTED
    values = {**held(claim), **changes}
    if status is OrderStatus.QUEUED:
        values["due_in"] = delay
    else:
        values["end_reason"] = reason
    moving = _move_held(clock, status, counted, told=told and status.is_final)
    applied = connection.execute(moving, values)
    return State(status, reason) if applied.rowcount else None


_IS_CANCEL_REQUESTED = select(orders.c.cancel_requested).where(HELD).with_for_update()


@built_once
def _move_held(
    clock: Clock, status: OrderStatus, counted: Callable[[Clock], Values], *, told: bool
) -> Update:
    reason: BindParameter[str | None] = bindparam("end_reason", type_=orders.c.reason.type)
    state = state_columns(clock, status, seconds("due_in"), reason=reason)
    telling = told_column() if told else {}
    return update(orders).where(HELD).values({**state, **telling, **counted(clock)})
