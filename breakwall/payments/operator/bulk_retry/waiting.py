"""Whether a bulk retry waits for a worker with a gateway that none has: nobody else retries that gateway's orders."""

from __future__ import annotations

from sqlalchemy import Connection, func, select

from breakwall.gateway_names import DEFAULT
from breakwall.payments.db.clock import Clock
from breakwall.payments.db.operator_tables import bulk_retry_orders
from breakwall.payments.db.schema import orders
from breakwall.payments.fleet.leases import is_held_by_another
from breakwall.payments.fleet.workers import live_workers

LEASE = "bulk_retries"  # Whoever works on bulk retries holds it meanwhile.


def missing_gateway(connection: Connection, clock: Clock, bulk_id: str) -> str | None:
    """The gateway of the first order that is left of a running bulk retry, if no live worker has that gateway.

    None while any process works on bulk retries, which may be this one and a command with that gateway, and if a live
    worker does not say which gateway it has.
    """
    if is_held_by_another(connection, clock, LEASE, holder=""):
        return None
    alive = {worker.gateway for worker in live_workers(connection, clock)}
    wanted = None if None in alive else _gateway_of_first(connection, bulk_id)
    return None if wanted in alive else wanted


def _gateway_of_first(connection: Connection, bulk_id: str) -> str | None:
    with_order = bulk_retry_orders.join(orders, orders.c.id == bulk_retry_orders.c.order_id)
    is_left = bulk_retry_orders.c.bulk_id == bulk_id, bulk_retry_orders.c.result.is_(None)
    gateway = select(func.coalesce(orders.c.gateway, DEFAULT)).select_from(with_order).where(*is_left)
    first: str | None = connection.scalar(gateway.order_by(bulk_retry_orders.c.place).limit(1))
    return first
