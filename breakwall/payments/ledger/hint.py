"""A hint of the payment service that an order's charge has changed: a worker finds out at once what has happened."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, case, func, select, update

from breakwall.payments.db.clock import DATABASE_CLOCK, Clock
from breakwall.payments.db.database import Database
from breakwall.payments.db.schema import attempts, orders
from breakwall.payments.ledger.hint_limits import take_turn
from breakwall.payments.ledger.queries import Naming, get_order, stored_order
from breakwall.payments.orders import OrderStatus, StoredOrder

HINT_PAUSE = 5.0
"""Seconds from the last answer about an order to what a hint may start, so that many hints do not flood the service."""


def hint(
    database: Database,
    name: str,
    *,
    by: Naming = Naming.ANY,
    clock: Clock = DATABASE_CLOCK,
    verified: bool = True,
) -> StoredOrder:
    """Make a queued order due now, or `HINT_PAUSE` after its last answer, and return the order.

    Then a worker does what the rules say: it looks an unknown outcome up, or sends the order. A hint proves nothing,
    and skips no pause: while the circuit is open, which it is when the service asks for a pause, or the drain is
    paused, the worker defers the order again. It uses up no attempt and no look-up: what it starts early does not
    count. A second hint meanwhile changes nothing, nor does one for an order that is finished or in flight: there,
    the answer is on its way. If it is not ``verified``, because anybody may have sent it, it also changes nothing when
    `hint_limits` says so. Nothing is written to the audit trail. Raises as `get_order`.
    """
    order = get_order(database, name, by)
    if order.status is not OrderStatus.QUEUED:
        return order

    def work(connection: Connection) -> StoredOrder:
        wanted = select(
            orders.c.status, orders.c.next_attempt_at, orders.c.looked_up_at, clock.after(0).label("now")
        )
        found = connection.execute(wanted.where(orders.c.id == order.id).with_for_update()).one()
        if found.status == OrderStatus.QUEUED:
            due = _earliest(connection, order.id, found)
            if due < found.next_attempt_at and (verified or take_turn(connection, clock, order.id)):
                _bring_forward(connection, order.id, due)
        return stored_order(connection, orders.c.id == order.id)

    return database.write(work, name="hint")


def _earliest(connection: Connection, order_id: str, found: Row[Any]) -> datetime:
    answered = connection.scalar(
        select(func.max(attempts.c.finished_at)).where(attempts.c.order_id == order_id)
    )
    last = max((moment for moment in (answered, found.looked_up_at) if moment is not None), default=None)
    now: datetime = found.now
    return now if last is None else max(now, last + timedelta(seconds=HINT_PAUSE))


def _bring_forward(connection: Connection, order_id: str, due: datetime) -> None:
    """Make it due then, and give it one attempt and one look-up more, if it has used up any."""
    retries, lookups = orders.c.retry_floor, orders.c.look_up_floor
    connection.execute(
        update(orders)
        .where(orders.c.id == order_id)
        .values(
            next_attempt_at=due,
            dispatch_at=due,
            retry_floor=case((retries < orders.c.retry_count, retries + 1), else_=retries),
            look_up_floor=case((lookups < orders.c.look_up_count, lookups + 1), else_=lookups),
        )
    )
