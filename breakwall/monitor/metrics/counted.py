"""What happened to orders in a span of time, by SQL: the ends that came in it, each with what it had cost.

An order may end several times: dead, retried by a person, paid. Its last end is in its row, the ones before are in
`earlier_ends`. Each end counts once, with the attempts, retries, deferrals and look-ups since the end before it.
"""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    Table,
    and_,
    case,
    func,
    literal_column,
    null,
    or_,
    select,
    union_all,
)
from sqlalchemy.sql.selectable import FromClause

from breakwall.payments.db.clock import elapsed
from breakwall.payments.db.schema import ResolvedBy, attempts, orders
from breakwall.payments.db.schema import operator_tables as tables
from breakwall.payments.orders import OrderStatus

Key = tuple[str, ...]  # The name of a sum, and the values of its labels.

BOUNDS = (
    0.05,
    0.1,
    0.25,
    0.5,
    1.0,
    2.5,
    5.0,
    10.0,
)  # Seconds of a call, the upper ends of a histogram's buckets.
OVER = "+Inf"  # The bucket above them.

_COUNTS = ("retry_count", "deferral_count", "look_up_count")
_SHARED = ("status", "currency", "amount", "attempt_count", *_COUNTS)


def count(connection: Connection, since: datetime, until: datetime) -> Iterator[tuple[Key, int]]:
    """The sums of what came after ``since`` and not after ``until``, as far as they are not 0.

    Their names: ``accepted``; ``ended`` by status; ``money`` by status and currency, in minor units; ``retries``,
    ``deferrals``, ``look_ups``; ``attempts`` by source and outcome; ``calls`` by outcome and bucket;
    ``call_microseconds`` by outcome.
    """
    accepted = connection.scalar(_accepted(since, until)) or 0
    sums: Counter[Key] = Counter({("accepted",): accepted})
    for row in connection.execute(_ended(since, until)):
        sums["ended", row.status] += row.number
        sums["money", row.status, row.currency] += int(row.amount)
        sums["retries",] += int(row.retry_count)
        sums["deferrals",] += int(row.deferral_count)
        sums["look_ups",] += int(row.look_up_count)
    for row in connection.execute(_attempts(since, until)):
        sums["attempts", row.source, row.outcome] += row.number
        if row.bucket is not None:
            sums["calls", row.outcome, row.bucket] += row.number
            sums["call_microseconds", row.outcome] += round(float(row.seconds) * 1e6)
    return ((key, number) for key, number in sums.items() if number)


# With every state named, the index of states and times answers.
_ANY_STATUS = orders.c.status.in_([literal_column(f"'{status.value}'") for status in OrderStatus])


def _accepted(since: datetime, until: datetime) -> Select[int]:
    within = and_(orders.c.created_at > since, orders.c.created_at <= until)
    return select(func.count()).select_from(orders).where(_ANY_STATUS, within)


def _ended(since: datetime, until: datetime) -> Select[Any]:
    """By status and currency."""
    ends, previous, joined = _ends(since, until)
    since_previous = [
        func.sum(ends.c[name] - func.coalesce(previous.c[name], 0)).label(name) for name in _COUNTS
    ]
    numbers = func.count().label("number"), func.sum(ends.c.amount).label("amount"), *since_previous
    by = ends.c.status, ends.c.currency
    return select(*by, *numbers).select_from(joined).group_by(*by)


def _attempts(since: datetime, until: datetime) -> Select[Any]:
    """By who made them, what came of them, and how long they took: None if nobody recorded their answer."""
    ends, previous, joined = _ends(since, until)
    seconds = elapsed(attempts.c.started_at, attempts.c.finished_at)
    answered = or_(
        attempts.c.settled_by.is_(None), attempts.c.settled_by.in_([ResolvedBy.LOOK_UP, ResolvedBy.PERSON])
    )
    bounds = [(seconds <= bound, str(bound)) for bound in BOUNDS]
    bucket = case((~answered, null()), *bounds, else_=OVER).label("bucket")
    theirs = and_(
        attempts.c.order_id == ends.c.order_id,
        attempts.c.number > func.coalesce(previous.c.attempt_count, 0),
        attempts.c.number <= ends.c.attempt_count,
    )
    found = (
        select(attempts.c.source, attempts.c.outcome, bucket, seconds.label("took"))
        .select_from(joined.join(attempts, theirs))
        .where(attempts.c.outcome.is_not(None))
        .subquery()
    )
    by = found.c.source, found.c.outcome, found.c.bucket
    numbers = func.count().label("number"), func.sum(found.c.took).label("seconds")
    return select(*by, *numbers).group_by(*by)


def _ends(since: datetime, until: datetime) -> tuple[FromClause, FromClause, FromClause]:
    """The ends of the span; the end before each, if there was one; and their join."""
    ends = union_all(
        _within(orders, orders.c.id, _LAST, since, until),
        _within(_EARLIER, _EARLIER.c.order_id, _EARLIER.c.id, since, until),
    ).subquery("ends")
    previous, before = _EARLIER.alias("previous"), _EARLIER.alias("before")
    newest = select(func.max(before.c.id)).where(
        before.c.order_id == ends.c.order_id, before.c.id < ends.c.place
    )
    return ends, previous, ends.outerjoin(previous, previous.c.id == newest.scalar_subquery())


_EARLIER = tables.earlier_ends
_LAST: ColumnElement[int] = literal_column("9223372036854775807")  # After all earlier ends of the order.


def _within(
    table: Table, order_id: ColumnElement[str], place: ColumnElement[int], since: datetime, until: datetime
) -> Select[Any]:
    columns: list[ColumnElement[Any]] = [order_id.label("order_id"), place.label("place")]
    columns += [table.c[name] for name in _SHARED]
    return select(*columns).where(table.c.settled_at > since, table.c.settled_at <= until)
