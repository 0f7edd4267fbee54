"""What people do to orders: send them round again, cancel them. Each is one transaction."""

from __future__ import annotations

from sqlalchemy import Connection, exists, select, update

from breakwall.payments.clock import Clock, DatabaseClock
from breakwall.payments.database import Database
from breakwall.payments.orders import OrderStatus, StoredOrder
from breakwall.payments.queries import get_order, stored_order
from breakwall.payments.schema import UNSETTLED, attempts, orders

RETRYABLE = (OrderStatus.QUEUED, OrderStatus.DEAD, OrderStatus.REVIEW)
CANCELLABLE = (OrderStatus.QUEUED, OrderStatus.IN_FLIGHT, OrderStatus.DEAD)


class RefusedError(Exception):
    """The order's state does not allow the action; nothing was changed."""


class Interventions:
    """An operator's actions on single orders.

    Every method takes an order's id or idempotency key, returns the order as it is afterwards, and raises
    `OrderNotFoundError`, `RefusedError` or `DatabaseUnavailableError`.
    """

    def __init__(self, database: Database, *, clock: Clock | None = None) -> None:
        self.database = database
        self.clock = clock or DatabaseClock()

    def retry(self, name: str) -> StoredOrder:
        """Send an order round again: it is due at once, with a whole new budget of attempts.

        ``retry_count`` goes on counting; the budget is counted from where it stands now. An attempt whose
        outcome is unknown is still looked up before anything is sent.
        """
        order = get_order(self.database, name)

        def work(connection: Connection) -> StoredOrder:
            sent_round = connection.execute(
                update(orders)
                .where(orders.c.id == order.id, orders.c.status.in_(RETRYABLE))
                .values(
                    status=OrderStatus.QUEUED,
                    retry_floor=orders.c.retry_count,
                    look_up_floor=orders.c.look_up_count,
                    crash_count=0,
                    next_attempt_at=self.clock.after(0),
                    dispatch_at=self.clock.after(0),
                    settled_at=None,
                )
            )
            return _changed(connection, order, sent_round.rowcount, "sent round again")

        return self.database.write(work, name="retry")

    def cancel(self, name: str) -> StoredOrder:
        """Cancel an order, at once where no attempt may have charged.

        Otherwise ``cancel_requested`` is set: the order is cancelled as soon as it is proven that nothing
        was charged, and a charge that turns up is reported as one to refund.
        """
        order = get_order(self.database, name)
        unsettled = exists(select(attempts.c.number).where(attempts.c.order_id == order.id, UNSETTLED))

        def work(connection: Connection) -> StoredOrder:
            at_once = connection.execute(
                update(orders)
                .where(
                    orders.c.id == order.id,
                    orders.c.status.in_([OrderStatus.QUEUED, OrderStatus.DEAD]),
                    ~unsettled,
                )
                .values(
                    status=OrderStatus.CANCELLED,
                    cancel_requested=True,
                    next_attempt_at=None,
                    dispatch_at=None,
                    settled_at=self.clock.after(0),
                )
            )
            if at_once.rowcount:
                return stored_order(connection, orders.c.id == order.id)
            asked = connection.execute(
                update(orders)
                .where(orders.c.id == order.id, orders.c.status.in_(CANCELLABLE))
                .values(cancel_requested=True)
            )
            return _changed(connection, order, asked.rowcount, "cancelled")

        return self.database.write(work, name="cancel")


def _changed(connection: Connection, order: StoredOrder, rows: int, what: str) -> StoredOrder:
    now = stored_order(connection, orders.c.id == order.id)
    if rows == 0:
        raise RefusedError(f"order {order.id} is {now.status} and cannot be {what}")
    return now
