"""The condition that an order is charged by this process's gateway.

An order keeps its gateway. A process with another one leaves it queued, for one that has it: another service's look-up
knows nothing of the charge, and its "no such charge" proves nothing.
"""

from sqlalchemy import ColumnElement, Connection, or_, true

from breakwall.gateway_names import DEFAULT
from breakwall.payments.db.errors import SchemaError
from breakwall.payments.db.query_hints import likely
from breakwall.payments.db.revisions import missing_columns
from breakwall.payments.db.schema import orders


def known_gateway(connection: Connection, gateway: str | None) -> str | None:
    """``gateway``, for `is_own`; None, which is any, if the database does not know of gateways (before revision 0007).

    Then all orders are the default gateway's, which was the only one: `SchemaError` for another one.
    """
    if gateway is None or orders.c.gateway.name not in missing_columns(connection, orders):
        return gateway
    if gateway != DEFAULT:
        raise SchemaError(
            f"the orders database knows no gateway but {DEFAULT} before its next revision: run `breakwall db upgrade`"
        )
    return None


def is_own(gateway: str | None) -> ColumnElement[bool]:
    """Whether an order is this gateway's; true of each for None. An order without a name is the default gateway's."""
    if gateway is None:
        return true()
    if gateway != DEFAULT:
        return likely(orders.c.gateway == gateway)
    # No COALESCE: PostgreSQL keeps statistics of a column, and would take the result of a function for rare.
    return likely(or_(orders.c.gateway == gateway, orders.c.gateway.is_(None)))
