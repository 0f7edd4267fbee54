"""Counts the orders that began to wait, or ended, between two moments: from their rows, so a restart loses none."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Select, and_, bindparam, func, literal_column, or_, select

from breakwall.payments.db.clock import UtcDateTime
from breakwall.payments.db.schema import QUEUED, attempts, orders
from breakwall.payments.orders import OrderStatus

# Seconds from an order's acceptance to the end of its first attempt, at most: longer than a usual call. An order waits
# from then on.
LONGEST_CALL = 60.0
HAD_WAITED = or_(orders.c.retry_count > 0, orders.c.deferral_count > 0)


@dataclass(frozen=True, slots=True)
class Traffic:
    """Orders that began to wait, and orders that had waited and ended."""

    arrivals: int = 0
    paid: int = 0
    declined: int = 0
    other: int = 0  # Dead, in review, or cancelled.

    @property
    def finished(self) -> int:
        return self.paid + self.declined + self.other


def count_traffic(
    connection: Connection, since: datetime, until: datetime, *, longest_call: float = LONGEST_CALL
) -> Traffic:
    """Count for the time after ``since`` and up to ``until``. Orders that a person retries do not arrive again."""
    ended = {row.status: row.number for row in connection.execute(_ENDED, {"since": since, "until": until})}
    first = {"accepted": since - timedelta(seconds=longest_call), "since": since, "until": until}
    return Traffic(
        sum(connection.scalar(each, first) or 0 for each in _ARRIVALS),
        ended.pop(OrderStatus.PAID.value, 0),
        ended.pop(OrderStatus.DECLINED.value, 0),
        sum(ended.values()),
    )


def _given(*names: str) -> Mapping[str, Any]:
    return {name: bindparam(name, type_=UtcDateTime()) for name in names}


def _ended() -> Select[Any]:
    given = _given("since", "until")
    in_time = and_(orders.c.settled_at > given["since"], orders.c.settled_at <= given["until"])
    wanted = select(orders.c.status, func.count().label("number")).where(in_time, HAD_WAITED)
    return wanted.group_by(orders.c.status)


def _arrivals(status: OrderStatus) -> Select[Any]:
    """Those that have this state now. The index of states and times finds them."""
    given = _given("accepted", "since", "until")
    state = QUEUED if status is OrderStatus.QUEUED else literal_column(f"'{status.value}'")
    waits = [] if status is OrderStatus.QUEUED else [HAD_WAITED]
    first = and_(attempts.c.order_id == orders.c.id, attempts.c.number == 1, attempts.c.source == "producer")
    # An order whose first attempt was the producer's has waited since that attempt's end.
    began = func.coalesce(attempts.c.finished_at, orders.c.created_at)
    accepted = and_(orders.c.created_at > given["accepted"], orders.c.created_at <= given["until"])
    return (
        select(func.count())
        .select_from(orders.outerjoin(attempts, first))
        .where(orders.c.status == state, accepted, *waits, began > given["since"], began <= given["until"])
    )


_ENDED = _ended()
_ARRIVALS = tuple(_arrivals(status) for status in OrderStatus)
