"""Locks the orders that a person acts on, and refuses an action that an order's state does not allow."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, Select, exists, select

from breakwall.errors import BreakwallError, ExitCode
from breakwall.payments.db.revisions import existing_columns
from breakwall.payments.db.schema import attempts, orders
from breakwall.payments.ledger.attempt_conditions import UNRESOLVED
from breakwall.payments.ledger.pruned_orders import pruned_order
from breakwall.payments.ledger.queries import OrderPrunedError
from breakwall.payments.orders import OrderStatus, StoredOrder
from breakwall.pickling import Picklable


class RefusedError(BreakwallError):
    """The order's state does not allow the action; nothing was changed."""

    kind = "refused"
    exit_code = ExitCode.REFUSED


class KeyConflictError(Picklable, RefusedError):
    """At the payment service the order's key leads to something else, so only `resolve` finishes the order."""

    def __init__(self, order_id: str) -> None:
        super().__init__(
            f"order {order_id} cannot be retried: at the payment service its key leads to another payload, or to "
            "another order's charge. Compare the two there, then finish the order with `breakwall orders resolve`"
        )


class MayHaveChargedError(Picklable, RefusedError):
    """The order gets no new key, because one of its attempts may have charged."""

    def __init__(self, order_id: str) -> None:
        super().__init__(
            f"order {order_id} gets no new key: one of its attempts may have charged. Retry it without a new key, then "
            "it is looked up; or finish it with `breakwall orders resolve`"
        )


class OtherGatewayError(Picklable, RefusedError):
    """Only a process with the order's gateway knows whether the order has to be looked up first."""

    def __init__(self, order_id: str, gateway: str) -> None:
        super().__init__(
            f"order {order_id} is charged by the gateway '{gateway}', which this process does not have. The payment "
            "service has refused its last attempt, and only a process with that gateway knows whether a look-up must "
            "come first. Retry it where BREAKWALL_PAYMENT_GATEWAY names that gateway, or with others in a bulk retry "
            "(`breakwall orders retry --all`), which that gateway's workers carry out"
        )
        self.gateway = gateway


class ChargeTakenError(Picklable, RefusedError):
    """The charge belongs to another order, ``owner``."""

    def __init__(self, charge_id: str, owner: str) -> None:
        super().__init__(f"the charge {charge_id} belongs to order {owner}")
        self.owner = owner


def lock_orders(connection: Connection, order_ids: Sequence[str]) -> Sequence[Row[Any]]:
    """The orders with these ids, locked until the transaction ends.

    Always in the same sequence, so that two people who act on the same orders do not wait for each other.
    """
    wanted: Select[Any] = select(*existing_columns(connection, orders)).where(orders.c.id.in_(order_ids))
    return connection.execute(wanted.order_by(orders.c.id).with_for_update()).all()


def lock_order(connection: Connection, order_id: str) -> Row[Any]:
    """One order, locked until the transaction ends. Raises `OrderPrunedError` if it was pruned meanwhile."""
    before = next(iter(lock_orders(connection, [order_id])), None)
    if before is None:
        raise OrderPrunedError(pruned_order(connection, order_id))
    return before


def lock_order_in(
    connection: Connection, states: Sequence[OrderStatus], order_id: str, action: str
) -> Row[Any]:
    """The same for an order in one of some states. Else raises `RefusedError`: it "cannot be" ``action``."""
    before = lock_order(connection, order_id)
    if before.status not in states:
        raise RefusedError(f"order {order_id} is {before.status} and cannot be {action}")
    return before


def may_have_charged(connection: Connection, order: Row[Any] | StoredOrder) -> bool:
    """Whether an order, which should be locked, may have been charged."""
    unresolved = exists().where(attempts.c.order_id == order.id, UNRESOLVED)
    return order.suspected_at is not None or bool(connection.scalar(select(unresolved)))
