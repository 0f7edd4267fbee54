"""Which actions a state of an order allows. A key conflict, or a charge of another order, can still forbid one."""

from __future__ import annotations

from breakwall.payments.interventions import Action
from breakwall.payments.operator.retry_and_cancel import CANCELLABLE, RETRYABLE
from breakwall.payments.orders import OrderStatus

_STATES = {
    Action.RETRY: RETRYABLE,
    Action.CANCEL: CANCELLABLE,
    Action.RESOLVE_PAID: tuple(status for status in OrderStatus if status is not OrderStatus.PAID),
    Action.RESOLVE_NOT_CHARGED: (OrderStatus.REVIEW,),
}


def possible_actions(status: OrderStatus) -> list[Action]:
    """The actions that an order in this state allows; none if it is paid."""
    return [action for action, states in _STATES.items() if status in states]
