"""The due orders that the dispatcher publishes, and the expired claims that it takes back.

Backoff, a lost publish, a crashed handler and a wiped broker are one case here: an order that is due and has no live
message.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, Select, case, select, update

from breakwall.payments.db.clock import DATABASE_CLOCK, Clock
from breakwall.payments.db.database import Database
from breakwall.payments.db.own_gateway import is_own
from breakwall.payments.db.query_hints import likely, once
from breakwall.payments.db.schema import IN_FLIGHT, QUEUED, ResolvedBy, orders
from breakwall.payments.ledger.attempt_outcomes import end_unanswered
from breakwall.payments.orders import EndReason, OrderStatus

# An order that crashed this many workers while each worked on it alone goes to review. Its first crash is not counted:
# another order that was worked on beside it may have been the cause.
POISON_CRASHES = 3


class DispatchQueue:
    """The due orders, and the expired claims. Raises `DatabaseUnavailableError` as the ledger does.

    ``gateway``: only orders of this one are published, because a worker with another one leaves them queued; None: all.
    """

    def __init__(
        self, database: Database, *, clock: Clock = DATABASE_CLOCK, gateway: str | None = None
    ) -> None:
        self.database = database
        self.clock = clock
        self.gateway = gateway

    def take_due(self, limit: int, *, republish_after: float, ahead: float = 0.0) -> list[str]:
        """Choose up to ``limit`` due orders without a live message, oldest first, to be published now.

        Each is left alone for ``republish_after`` seconds. Several dispatchers choose different orders. ``ahead``: also
        due orders that would be published in so many seconds, because they may have a message.
        """
        due = self._locked(QUEUED, orders.c.dispatch_at, limit, ahead)
        if ahead > 0:
            due = due.where(orders.c.next_attempt_at <= once(self.clock.after(0)))

        def work(connection: Connection) -> list[str]:
            chosen = list(connection.scalars(due.where(is_own(self.gateway))))
            if chosen:
                connection.execute(
                    update(orders)
                    .where(orders.c.id.in_(chosen))
                    .values(dispatch_at=self.clock.after(republish_after))
                )
            return chosen

        return self.database.write(work, name="take_due")

    def give_back_due(self, order_ids: Iterable[str]) -> None:
        """Undo `take_due` for orders that could not be published. Those that are not due yet stay as they are."""
        now = self.clock.after(0)
        due = orders.c.status == QUEUED, orders.c.next_attempt_at <= now
        undone = update(orders).where(orders.c.id.in_(list(order_ids)), *due).values(dispatch_at=now)
        self.database.write(lambda connection: connection.execute(undone), name="give_back_due")

    def reclaim_expired(self, limit: int = 500) -> list[str]:
        """Take orders back whose claim has expired: their worker died, hung or lost the database.

        An attempt without an answer is then unknown. The order is due at once, or goes to review when this has happened
        `POISON_CRASHES` times after the first time.
        """
        expired = self._locked(IN_FLIGHT, orders.c.lease_until, limit)

        def work(connection: Connection) -> list[str]:
            found = list(connection.scalars(expired))
            if found:
                end_unanswered(connection, self.clock, found, ResolvedBy.LEASE)
                self._requeue_crashed(connection, found)
            return found

        return self.database.write(work, name="reclaim_expired")

    def _locked(
        self, status: ColumnElement[str], moment: Column[datetime], limit: int, ahead: float = 0.0
    ) -> Select[Any]:
        """The orders in a state whose moment has come, oldest first, except those that another process has locked."""
        return (
            select(orders.c.id)
            .where(likely(orders.c.status == status), moment <= once(self.clock.after(ahead)))
            .order_by(moment, orders.c.id)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )

    def _requeue_crashed(self, connection: Connection, order_ids: list[str]) -> None:
        poison = orders.c.crash_count >= POISON_CRASHES
        now = self.clock.after(0)
        connection.execute(
            update(orders)
            .where(orders.c.id.in_(order_ids))
            .values(
                reason=case((poison, EndReason.CRASHED.value), else_=None),
                status=case((poison, OrderStatus.REVIEW.value), else_=OrderStatus.QUEUED.value),
                crash_count=orders.c.crash_count + 1,
                lease_until=None,
                next_attempt_at=case((poison, None), else_=now),
                dispatch_at=case((poison, None), else_=now),
                settled_at=case((poison, now), else_=None),
                last_error="The process that worked on this order ended or lost its claim.",
                rejected=False,
            )
        )
