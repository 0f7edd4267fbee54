"""The condition that an order is charged by this process's gateway.

An order keeps its gateway. A process with another one leaves it queued, for one that has it: another service's look-up
knows nothing of the charge, and its "no such charge" proves nothing.
"""

from sqlalchemy import ColumnElement, Connection, or_, true

from breakwall.payments.db.query_hints import likely
from breakwall.payments.db.revisions import missing_columns
from breakwall.payments.db.schema import orders


def known_gateway(connection: Connection, gateway: str | None) -> str | None:
    """``gateway``, for `is_own`; None while the database does not know of gateways (before revision 0007)."""
    return None if orders.c.gateway.name in missing_columns(connection, orders) else gateway


def is_own(gateway: str | None) -> ColumnElement[bool]:
    """Whether an order is this gateway's; true of each for None. An order without one is older than gateways' names."""
    if gateway is None:
        return true()
    # No COALESCE: PostgreSQL keeps statistics of a column, and would take the result of a function for rare.
    return likely(or_(orders.c.gateway == gateway, orders.c.gateway.is_(None)))
