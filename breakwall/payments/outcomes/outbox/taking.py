"""New events get a delivery to each destination."""

from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Insert,
    Integer,
    Select,
    Update,
    bindparam,
    func,
    insert,
    select,
    update,
)

from breakwall.payments.db.clock import Clock
from breakwall.payments.db.number_lists import is_one_of, numbers
from breakwall.payments.db.schema import deliveries, destinations, outcomes
from breakwall.payments.db.statements import built_once

OLD_BATCH = 10_000  # Events that one statement sets aside: they have no delivery.

NEW = outcomes.c.taken_at.is_(None)
_FIRST_SINCE = select(func.min(destinations.c.since)).scalar_subquery()
_ENDED_LATER, _ENDED_BEFORE = outcomes.c.at >= _FIRST_SINCE, outcomes.c.at < _FIRST_SINCE


def take_new(connection: Connection, clock: Clock, limit: int) -> int:
    """Write the deliveries of new events, at most ``limit``, to all destinations that were known when each ended.

    Also to those that this process does not have: another one may have them. What ended before every destination has no
    delivery, and is set aside in batches of `OLD_BATCH`. Returns how many events there were.
    """
    taken = _lock_new(connection, _NEW_LATER, limit)
    if taken:
        connection.execute(_write_deliveries(clock), {"taken_events": taken})
        connection.execute(_mark_taken(clock), {"taken_events": taken})
    old = _lock_new(connection, _NEW_BEFORE, OLD_BATCH)
    if old:
        connection.execute(_mark_taken(clock), {"taken_events": old})
    return len(taken) + len(old)


def _lock_new(connection: Connection, which: Select[Any], limit: int) -> list[int]:
    return list(connection.scalars(which, {"at_most": limit}))


def _new(which: ColumnElement[bool]) -> Select[Any]:
    return (
        select(outcomes.c.id)
        .where(NEW, which)
        .order_by(outcomes.c.id)
        .limit(bindparam("at_most", type_=Integer))
        .with_for_update(skip_locked=True, of=outcomes)
    )


_NEW_LATER, _NEW_BEFORE = _new(_ENDED_LATER), _new(_ENDED_BEFORE)
_TAKEN = is_one_of(outcomes.c.id, numbers("taken_events"))


@built_once
def _write_deliveries(clock: Clock) -> Insert:
    columns = ["outcome_id", "destination", "order_id", "due_at"]
    written = select(outcomes.c.id, destinations.c.name, outcomes.c.order_id, clock.after(0)).where(
        _TAKEN, outcomes.c.at >= destinations.c.since
    )
    return insert(deliveries).from_select(columns, written)


@built_once
def _mark_taken(clock: Clock) -> Update:
    return update(outcomes).where(_TAKEN).values(taken_at=clock.after(0))
