"""Ends queued orders whose last moment has passed, if it is proven that nothing was charged. It needs no service.

An order that may have been charged is looked up by a worker first, see `decisions.next_step`.
"""

from sqlalchemy import Connection, Select, and_, exists, or_, select, update

from breakwall.payments.db.clock import DATABASE_CLOCK, Clock
from breakwall.payments.db.database import Database
from breakwall.payments.db.query_hints import likely, once
from breakwall.payments.db.schema import QUEUED, attempts, orders
from breakwall.payments.ledger.attempt_conditions import FINAL, UNRESOLVED
from breakwall.payments.ledger.order_state import state_columns
from breakwall.payments.orders import EndReason, OrderStatus

# Something has happened that a worker must find out or record first.
_IS_OPEN = exists().where(attempts.c.order_id == orders.c.id, or_(UNRESOLVED, FINAL))


class Expiring:
    """Raises `DatabaseUnavailableError` as the ledger does. Several processes may do it at once."""

    def __init__(self, database: Database, *, clock: Clock = DATABASE_CLOCK) -> None:
        self._database = database
        self._clock = clock

    def expire(self, limit: int = 500) -> list[str]:
        """Cancel up to ``limit`` queued orders that have expired and were not charged, the oldest first; their ids."""
        due = and_(
            likely(orders.c.status == QUEUED),
            orders.c.charge_before <= once(self._clock.after(0)),
            orders.c.suspected_at.is_(None),
            ~_IS_OPEN,
        )
        first = select(orders.c.id).where(due).order_by(orders.c.charge_before, orders.c.id)
        if self._database.read(lambda connection: connection.scalar(first.limit(1))):
            chosen = first.limit(limit).with_for_update(skip_locked=True)
            return self._database.write(lambda connection: self._cancel(connection, chosen), name="expire")
        return []

    def _cancel(self, connection: Connection, chosen: Select[tuple[str]]) -> list[str]:
        locked = list(connection.scalars(chosen))
        if not locked:
            return []
        state = state_columns(self._clock, OrderStatus.CANCELLED, reason=EndReason.EXPIRED)
        values = {**state, "last_error": _EXPIRED, "rejected": False}
        # A statement of its own, after the locks: so it sees every attempt that was committed before them.
        cancelled = update(orders).where(orders.c.id.in_(locked), ~_IS_OPEN).values(values)
        return list(connection.scalars(cancelled.returning(orders.c.id)))


_EXPIRED = "Its last moment passed before it could be charged."
