"""The orders that a person has released: workers work on them although the drain is paused."""

from sqlalchemy import Connection, select

from breakwall.payments.db.clock import Clock
from breakwall.payments.db.insert_missing import insert_missing
from breakwall.payments.db.own_gateway import is_own
from breakwall.payments.db.schema import QUEUED, orders, released_orders
from breakwall.payments.fleet.drain_control import read_state


def release(connection: Connection, clock: Clock, order_id: str) -> None:
    """Within a running transaction: let workers work on this order until it has finished, or the pause ends.

    If the drain is not paused, there is nothing to release.
    """
    if read_state(connection, clock).paused is not None:
        released = insert_missing(connection.dialect.name, released_orders)
        connection.execute(released.values(order_id=order_id, at=clock.after(0)))


def next_released(connection: Connection, clock: Clock, gateway: str | None = None) -> str | None:
    """The id of the released order that is due and was released first, within a running transaction; None: none is.

    ``gateway``: only of its orders; None: of all.
    """
    due = (
        select(orders.c.id)
        .join(released_orders, released_orders.c.order_id == orders.c.id)
        .where(orders.c.status == QUEUED, orders.c.next_attempt_at <= clock.after(0))
        .where(is_own(gateway))
        .order_by(released_orders.c.at, orders.c.id)
        .limit(1)
    )
    return connection.scalar(due)
