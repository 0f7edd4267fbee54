"""The condition that an order is charged by this process's gateway.

An order keeps its gateway. A process with another one leaves it queued, for one that has it: another service's look-up
knows nothing of the charge, and its "no such charge" proves nothing.
"""

from typing import Any

from sqlalchemy import ColumnElement, Row, or_, true

from breakwall.gateway_names import DEFAULT
from breakwall.payments.db.query_hints import likely
from breakwall.payments.db.schema import orders
from breakwall.payments.orders import StoredOrder


def is_own(gateway: str | None) -> ColumnElement[bool]:
    """Whether an order is this gateway's; true of each for None. An order without a name is the default gateway's."""
    if gateway is None:
        return true()
    if gateway != DEFAULT:
        return likely(orders.c.gateway == gateway)
    # No COALESCE: PostgreSQL keeps statistics of a column, and would take the result of a function for rare.
    return likely(or_(orders.c.gateway == gateway, orders.c.gateway.is_(None)))


def is_own_order(order: Row[Any] | StoredOrder, gateway: str | None) -> bool:
    """The same of an order that was read, whose ``gateway`` may be None too."""
    return gateway is None or (order.gateway or DEFAULT) == gateway
