"""Counts what a retry would do, before anything is changed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, and_, exists, func, or_, select

from breakwall.payments.db.clock import DATABASE_CLOCK, Clock
from breakwall.payments.db.database import Database
from breakwall.payments.db.query_hints import once
from breakwall.payments.db.schema import attempts, orders
from breakwall.payments.db.time_limit import TimeLimit
from breakwall.payments.ledger.attempt_conditions import UNRESOLVED
from breakwall.payments.operator.bulk_retry.selection import Selection, in_any_state
from breakwall.payments.operator.retry_and_cancel import HAS_KEY_CONFLICT, RETRYABLE
from breakwall.payments.orders import OrderStatus

MAY_HAVE_CHARGED = or_(
    orders.c.suspected_at.is_not(None),
    exists(select(attempts.c.number).where(attempts.c.order_id == orders.c.id, UNRESOLVED)),
)


COUNTED_FOR = 2.0  # Seconds. Beside few dead orders there may be millions that are paid.


@dataclass(frozen=True, slots=True)
class Preview:
    """What a retry would do, in numbers of orders. None: to count them would have taken more than `COUNTED_FOR`."""

    eligible: int | None  # Would be retried.
    # Of those: may have been charged, so a worker looks them up before it sends anything.
    looked_up_first: int | None
    already_paid: int | None  # Would be skipped because they are paid.
    # Would be skipped because of another state, by that state.
    skipped: dict[OrderStatus, int] | None
    # Would be refused because of a key conflict: only `resolve` ends their review.
    to_be_resolved: int | None = 0


def preview(
    database: Database,
    selection: Selection,
    *,
    clock: Clock = DATABASE_CLOCK,
    until: datetime | None = None,
    seconds: float = COUNTED_FOR,
) -> Preview:
    """Count what a bulk retry would do, and the orders that match apart from their state, for some ``seconds``.

    ``until``: when the youngest were accepted, instead of what ``selection.older_than`` means now. Raises
    `DatabaseUnavailableError`.
    """
    latest = once(clock.after(-selection.older_than)) if until is None else until
    matching = and_(orders.c.created_at <= latest, *in_any_state(selection))
    return _preview(database, matching, selection.statuses, seconds)


def preview_named(database: Database, order_ids: Sequence[str]) -> Preview:
    """Count what a retry of these orders would do."""
    return _preview(database, orders.c.id.in_(order_ids), RETRYABLE, COUNTED_FOR)


def _preview(
    database: Database, matching: ColumnElement[bool], statuses: Sequence[OrderStatus], seconds: float
) -> Preview:
    limit = TimeLimit(seconds)
    is_chosen = orders.c.status.in_(statuses)

    def number(*conditions: ColumnElement[bool]) -> int | None:
        counted = select(func.count()).select_from(orders).where(matching, is_chosen, *conditions)
        return limit.read(database, lambda connection: connection.execute(counted).scalar_one())

    # What decides comes first: the rest is most of all orders.
    chosen, refused = number(), number(HAS_KEY_CONFLICT)
    doubtful = number(MAY_HAVE_CHARGED, ~HAS_KEY_CONFLICT)
    by_status = select(orders.c.status, func.count().label("number")).where(matching, ~is_chosen)
    found = limit.read(
        database,
        lambda connection: {
            OrderStatus(row.status): row.number
            for row in connection.execute(by_status.group_by(orders.c.status))
        },
    )
    return Preview(
        eligible=None if chosen is None or refused is None else chosen - refused,
        looked_up_first=doubtful,
        already_paid=None if found is None else found.pop(OrderStatus.PAID, 0),
        skipped=found,
        to_be_resolved=refused,
    )
