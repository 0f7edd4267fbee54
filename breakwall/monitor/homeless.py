"""Finds orders that wait for a gateway that no worker has, for example after the settings name another one."""

from collections.abc import Sequence

from sqlalchemy import Connection, func, select

from breakwall.payments.db.clock import Clock
from breakwall.payments.db.query_hints import likely, once
from breakwall.payments.db.schema import QUEUED, orders
from breakwall.payments.fleet.workers import Worker

MOST = 1000  # Due orders that are read.


def count_homeless(connection: Connection, clock: Clock, fleet: Sequence[Worker]) -> dict[str, int]:
    """How many due orders of each gateway wait that no live worker has, by its name; of the first `MOST` due ones.

    Nobody publishes such an order, so those that are due for longest are the first of the queue. Empty if there is no
    live worker, or one that does not say its gateway.
    """
    alive = {worker.gateway for worker in fleet if worker.alive}
    if not alive or None in alive:
        return {}
    place = orders.c.dispatch_at, orders.c.id
    due = likely(orders.c.status == QUEUED), orders.c.dispatch_at <= once(clock.after(0))
    first = select(orders.c.gateway).where(*due).order_by(*place).limit(MOST).subquery()
    number = func.count().label("number")
    waiting = select(first.c.gateway, number).where(first.c.gateway.not_in(alive)).group_by(first.c.gateway)
    return {row.gateway: row.number for row in connection.execute(waiting.order_by(first.c.gateway))}


def homeless_text(homeless: dict[str, int]) -> str:
    """The orders and their gateways, as a clause."""
    total = sum(homeless.values())
    number = f"at least {total:,}" if total >= MOST else f"{total:,}"
    names = " or ".join(f"'{name}'" for name in homeless)
    noun, verb = ("order", "waits") if total == 1 else ("orders", "wait")
    return f"{number} {noun} {verb} for the gateway {names}, which no worker has"
