"""Which actions an order allows. A charge of another order can still forbid one."""

from __future__ import annotations

from sqlalchemy import Connection, select

from breakwall.payments.db.schema import orders
from breakwall.payments.interventions import Action
from breakwall.payments.operator.retry_and_cancel import CANCELLABLE, HAS_KEY_CONFLICT, RETRYABLE
from breakwall.payments.orders import OrderStatus, StoredOrder

_STATES = {
    Action.RETRY: RETRYABLE,
    Action.CANCEL: CANCELLABLE,
    Action.RESOLVE_PAID: tuple(status for status in OrderStatus if status is not OrderStatus.PAID),
    Action.RESOLVE_NOT_CHARGED: (OrderStatus.REVIEW,),
}


def possible_actions(status: OrderStatus) -> list[Action]:
    """The actions that an order in this state allows, if there is no key conflict; none if it is paid."""
    return [action for action, states in _STATES.items() if status in states]


def possible_now(connection: Connection, order: StoredOrder) -> list[Action]:
    """The actions that this order allows: with a key conflict it cannot be retried."""
    conflict = connection.scalar(select(orders.c.id).where(orders.c.id == order.id, HAS_KEY_CONFLICT))
    withheld = set() if conflict is None else {Action.RETRY}
    return [action for action in possible_actions(order.status) if action not in withheld]
