"""Whether a bulk retry waits for a worker with a gateway that none has: nobody else retries that gateway's orders."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, func, select

from breakwall.gateway_names import DEFAULT
from breakwall.payments.db.clock import Clock
from breakwall.payments.db.operator_tables import bulk_retry_orders
from breakwall.payments.db.schema import orders
from breakwall.payments.fleet.leases import is_held_by_another
from breakwall.payments.fleet.workers import live_workers

LEASE = "bulk_retries"  # Whoever works on bulk retries holds it meanwhile.
LOOKED_AT = 1000  # Orders that are left: whoever watches asks each second.


def missing_gateway(connection: Connection, clock: Clock, bulk_id: str) -> str | None:
    """The gateway of the first order that is left of a running bulk retry, if no live worker has work in it.

    None while any process works on bulk retries, which may be this one and a command with that gateway; if a live
    worker has the gateway of one of the next `LOOKED_AT` orders; and if a live worker does not say which one it has.
    """
    if is_held_by_another(connection, clock, LEASE, holder=""):
        return None
    alive = {worker.gateway for worker in live_workers(connection, clock)}
    wanted = [] if None in alive else _next_gateways(connection, bulk_id)
    return wanted[0] if wanted and alive.isdisjoint(wanted) else None


def _next_gateways(connection: Connection, bulk_id: str) -> Sequence[str]:
    """Whose the next orders are, the first one's gateway first."""
    place, gateway = bulk_retry_orders.c.place, func.coalesce(orders.c.gateway, DEFAULT).label("gateway")
    with_order = bulk_retry_orders.join(orders, orders.c.id == bulk_retry_orders.c.order_id)
    is_left = bulk_retry_orders.c.bulk_id == bulk_id, bulk_retry_orders.c.result.is_(None)
    left = select(place, gateway).select_from(with_order).where(*is_left).order_by(place).limit(LOOKED_AT)
    next_ones = left.subquery()
    by_gateway = select(next_ones.c.gateway).group_by(next_ones.c.gateway)
    return connection.scalars(by_gateway.order_by(func.min(next_ones.c.place))).all()
