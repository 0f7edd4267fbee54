"""Counts what a retry would do, before anything is changed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, and_, exists, func, or_, select

from breakwall.payments.db.clock import DATABASE_CLOCK, Clock
from breakwall.payments.db.database import Database
from breakwall.payments.db.query_hints import once
from breakwall.payments.db.schema import attempts, orders
from breakwall.payments.ledger.attempt_conditions import UNRESOLVED
from breakwall.payments.operator.bulk_retry.selection import Selection, in_any_state
from breakwall.payments.operator.retry_and_cancel import HAS_KEY_CONFLICT, RETRYABLE
from breakwall.payments.orders import OrderStatus

MAY_HAVE_CHARGED = or_(
    orders.c.suspected_at.is_not(None),
    exists(select(attempts.c.number).where(attempts.c.order_id == orders.c.id, UNRESOLVED)),
)


@dataclass(frozen=True, slots=True)
class Preview:
    """What a retry would do, in numbers of orders."""

    eligible: int  # Would be retried.
    looked_up_first: (
        int  # Of those: may have been charged, so a worker looks them up before it sends anything.
    )
    already_paid: int  # Would be skipped because they are paid.
    skipped: dict[OrderStatus, int]  # Would be skipped because of another state, by that state.
    to_be_resolved: int = 0  # Would be refused because of a key conflict: only `resolve` ends their review.


def preview(
    database: Database,
    selection: Selection,
    *,
    clock: Clock = DATABASE_CLOCK,
    until: datetime | None = None,
) -> Preview:
    """Count what a bulk retry would do, and the orders that match apart from their state.

    ``until``: when the youngest were accepted, instead of what ``selection.older_than`` means now. Raises
    `DatabaseUnavailableError`.
    """
    latest = once(clock.after(-selection.older_than)) if until is None else until
    matching = and_(orders.c.created_at <= latest, *in_any_state(selection))
    return _preview(database, matching, selection.statuses)


def preview_named(database: Database, order_ids: Sequence[str]) -> Preview:
    """Count what a retry of these orders would do."""
    return _preview(database, orders.c.id.in_(order_ids), RETRYABLE)


def _preview(database: Database, matching: ColumnElement[bool], statuses: Sequence[OrderStatus]) -> Preview:
    by_status = select(orders.c.status, func.count().label("number")).where(matching)
    chosen = select(func.count()).where(matching, orders.c.status.in_(statuses))

    def count(connection: Connection) -> tuple[dict[OrderStatus, int], int, int]:
        rows = connection.execute(by_status.group_by(orders.c.status))
        doubtful = connection.scalar(chosen.where(MAY_HAVE_CHARGED, ~HAS_KEY_CONFLICT)) or 0
        refused = connection.scalar(chosen.where(HAS_KEY_CONFLICT)) or 0
        return {OrderStatus(row.status): row.number for row in rows}, doubtful, refused

    found, looked_up_first, to_be_resolved = database.read(count)
    return Preview(
        eligible=sum(found.pop(status, 0) for status in statuses) - to_be_resolved,
        looked_up_first=looked_up_first,
        already_paid=found.pop(OrderStatus.PAID, 0),
        skipped=found,
        to_be_resolved=to_be_resolved,
    )
