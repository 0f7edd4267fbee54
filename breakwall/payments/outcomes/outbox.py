"""The tables of the outbox: which events are due where, who delivers them now, and what became of it.

Each function is a part of a short transaction. A claim lasts until `Claimed.until`, which is also the delivery's
``due_at``: after it, the delivery is due again, because its worker is gone.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Integer,
    Select,
    String,
    bindparam,
    exists,
    func,
    insert,
    literal,
    select,
    update,
)
from sqlalchemy.sql.dml import Update

from breakwall.payments.db.clock import Clock
from breakwall.payments.db.insert_missing import insert_missing
from breakwall.payments.db.revisions import has_table
from breakwall.payments.db.schema import deliveries, destinations, orders, outcomes
from breakwall.payments.db.statements import built_once
from breakwall.payments.outcomes.event import Event
from breakwall.payments.outcomes.schedule import MAX_TRIES, MAX_UNRECORDED

OLD_BATCH = 10_000  # Events that one statement sets aside: they have no delivery.
SUSPECT = 2  # Claims in a row without a record, after which an event is claimed alone.

_NEW = outcomes.c.taken_at.is_(None)
_WAITING = deliveries.c.due_at.is_not(None)
_FIRST_SINCE = select(func.min(destinations.c.since)).scalar_subquery()

# The columns of a claim, in the order of `Claimed`'s fields.
_CLAIM_COLUMNS = ("tries", "due_at", "unrecorded", "last_error")

# The columns of an event, under the names of `Event`'s fields.
EVENT_COLUMNS = (
    outcomes.c.id.label("number"),
    outcomes.c.order_id,
    orders.c.idempotency_key,
    orders.c.user_id,
    orders.c.amount,
    orders.c.currency,
    outcomes.c.status,
    outcomes.c.charge_id,
    outcomes.c.reason,
    outcomes.c.retry_count,
    orders.c.created_at,
    outcomes.c.at.label("settled_at"),
)


@dataclass(frozen=True, slots=True)
class Claimed:
    """The right to deliver an event to a destination once."""

    destination: str
    event: Event
    tries: int  # This one included.
    until: datetime
    unrecorded: int = 1  # Claims in a row without a record, this one included.
    last_error: str | None = None

    @property
    def is_spent(self) -> bool:
        """Whether it should be given up, not tried: no worker has come to record that its last tries failed."""
        return self.tries > MAX_TRIES or self.unrecorded > MAX_UNRECORDED


@dataclass(frozen=True, slots=True)
class Pending:
    """What there is to do."""

    new: bool  # Events without deliveries.
    due: frozenset[str]  # The destinations with something that can be claimed.
    known: frozenset[str]  # All registered destinations, also other processes'.
    gone: dict[str, str]  # By destination, the digest of the endpoint that is gone.


def exists_here(connection: Connection) -> bool:
    """Whether the database has the tables: not before revision 0007."""
    return has_table(connection, "deliveries")


def register(connection: Connection, clock: Clock, names: Iterable[str]) -> None:
    """From now on, events are delivered to these destinations. Known ones stay as they are."""
    rows = [{"name": name, "since": clock.after(0)} for name in names]
    for row in rows:
        connection.execute(insert_missing(connection.dialect.name, destinations).values(row))


def pending(connection: Connection, clock: Clock, names: Sequence[str]) -> Pending:
    """Look, without a lock, what there is to do for these destinations."""
    row = connection.execute(_pending(clock, tuple(names))).one()
    registered = connection.execute(select(destinations.c.name, destinations.c.gone)).all()
    due = frozenset(name for name in names if getattr(row, f"due_{name}"))
    known = frozenset(name for name, _ in registered)
    return Pending(bool(row.new), due, known, {name: endpoint for name, endpoint in registered if endpoint})


@built_once
def _pending(clock: Clock, names: tuple[str, ...]) -> Select[Any]:
    looked_at: list[Any] = [exists().where(_NEW).label("new")]
    looked_at += [
        exists().where(*_can_be_claimed(clock, literal(name))).label(f"due_{name}") for name in names
    ]
    return select(*looked_at)


def take_new(connection: Connection, clock: Clock, limit: int) -> int:
    """Write the deliveries of new events, at most ``limit``, to all destinations that were known when each ended.

    Also to those that this process does not have: another one may have them. What ended before every destination has no
    delivery, and is set aside in batches of `OLD_BATCH`. Returns how many events there were.
    """
    numbers = list(connection.scalars(_new(outcomes.c.at >= _FIRST_SINCE, limit)))
    if numbers:
        chosen = outcomes.c.id.in_(numbers)
        written = select(outcomes.c.id, destinations.c.name, outcomes.c.order_id, clock.after(0)).where(
            chosen, outcomes.c.at >= destinations.c.since
        )
        columns = ["outcome_id", "destination", "order_id", "due_at"]
        connection.execute(insert(deliveries).from_select(columns, written))
        connection.execute(update(outcomes).where(chosen).values(taken_at=clock.after(0)))
    return len(numbers) + _set_old_aside(connection, clock)


def _set_old_aside(connection: Connection, clock: Clock) -> int:
    numbers = list(connection.scalars(_new(outcomes.c.at < _FIRST_SINCE, OLD_BATCH)))
    if numbers:
        chosen = outcomes.c.id.in_(numbers)
        connection.execute(update(outcomes).where(chosen).values(taken_at=clock.after(0)))
    return len(numbers)


def _new(which: ColumnElement[bool], limit: int) -> Select[Any]:
    return (
        select(outcomes.c.id)
        .where(_NEW, which)
        .order_by(outcomes.c.id)
        .limit(limit)
        .with_for_update(skip_locked=True, of=outcomes)
    )


def claim(connection: Connection, clock: Clock, name: str, limit: int, *, lease: float) -> list[Claimed]:
    """Claim due deliveries to a destination, at most ``limit``, for ``lease`` seconds.

    An event waits until each earlier one of its order has been delivered there, or was given up. One whose claims have
    expired without a record may end each worker, so it comes alone, and takes no other event with it.
    """
    due = connection.execute(_claimable(clock), {"wanted": name, "at_most": limit}).all()
    suspects = [row.outcome_id for row in due if row.unrecorded >= SUSPECT]
    numbers = suspects[:1] or [row.outcome_id for row in due]
    if not numbers:
        return []
    claimed = (
        update(deliveries)
        .where(deliveries.c.destination == name, deliveries.c.outcome_id.in_(numbers))
        .values(
            due_at=clock.after(lease),
            tries=deliveries.c.tries + 1,
            unrecorded=deliveries.c.unrecorded + 1,
        )
        .returning(*(deliveries.c[column] for column in ("outcome_id", *_CLAIM_COLUMNS)))
    )
    rows = {row.outcome_id: row for row in connection.execute(claimed)}
    events = select(*EVENT_COLUMNS).join(orders, orders.c.id == outcomes.c.order_id)
    found = list(connection.execute(events.where(outcomes.c.id.in_(numbers)).order_by(outcomes.c.id)))
    if missing := set(numbers) - {row.number for row in found}:
        _end_without_order(connection, clock, name, missing)
    return [Claimed(name, Event(**row._mapping), *rows[row.number][1:]) for row in found]


def _end_without_order(connection: Connection, clock: Clock, name: str, numbers: set[int]) -> None:
    ended = {"due_at": None, "given_up_at": clock.after(0), "last_error": "its order was deleted"}
    chosen = deliveries.c.destination == name, deliveries.c.outcome_id.in_(numbers)
    connection.execute(update(deliveries).where(*chosen).values(ended))


@built_once
def _claimable(clock: Clock) -> Select[Any]:
    return (
        select(deliveries.c.outcome_id, deliveries.c.unrecorded)
        .where(*_can_be_claimed(clock, bindparam("wanted", type_=String)))
        .order_by(deliveries.c.due_at, deliveries.c.outcome_id)
        .limit(bindparam("at_most", type_=Integer))
        .with_for_update(skip_locked=True, of=deliveries)
    )


def _can_be_claimed(clock: Clock, wanted: ColumnElement[str]) -> tuple[ColumnElement[bool], ...]:
    """The conditions of a delivery that a worker may claim now."""
    earlier = deliveries.alias("earlier")
    untaken = outcomes.alias("untaken")
    blocked = exists().where(
        earlier.c.destination == wanted,
        earlier.c.order_id == deliveries.c.order_id,
        earlier.c.outcome_id < deliveries.c.outcome_id,
        earlier.c.due_at.is_not(None),
    )
    # Another worker may be about to write the deliveries of an earlier event.
    not_taken = exists().where(
        untaken.c.order_id == deliveries.c.order_id,
        untaken.c.id < deliveries.c.outcome_id,
        untaken.c.taken_at.is_(None),
    )
    due = deliveries.c.destination == wanted, _WAITING, deliveries.c.due_at <= clock.after(0)
    return (*due, ~blocked, ~not_taken)


def record_delivered(connection: Connection, clock: Clock, claims: Sequence[Claimed]) -> None:
    """The shop has these events. It is also true if the claim has expired meanwhile."""
    delivered = {"delivered_at": clock.after(0), "due_at": None, "given_up_at": None, "last_error": None}
    for name in sorted({claim.destination for claim in claims}):
        numbers = [claim.event.number for claim in claims if claim.destination == name]
        chosen = deliveries.c.destination == name, deliveries.c.outcome_id.in_(numbers)
        open_ones = update(deliveries).where(*chosen, deliveries.c.delivered_at.is_(None))
        connection.execute(open_ones.values(delivered))


def record_failed(connection: Connection, clock: Clock, claimed: Claimed, error: str, delay: float) -> bool:
    """Try it again after ``delay`` seconds. False if the claim is lost: then nothing changes."""
    return _ended(connection, claimed, due_at=clock.after(delay), unrecorded=0, last_error=error)


def record_given_up(connection: Connection, clock: Clock, claimed: Claimed, error: str) -> bool:
    """Try it no more. False if the claim is lost: then nothing changes."""
    return _ended(connection, claimed, due_at=None, given_up_at=clock.after(0), last_error=error)


def give_back(connection: Connection, clock: Clock, claimed: Claimed, delay: float = 0.0) -> bool:
    """It was not tried, so no try is used up. False if the claim is lost: then nothing changes."""
    before = {"tries": claimed.tries - 1, "unrecorded": claimed.unrecorded - 1}
    return _ended(connection, claimed, due_at=clock.after(delay), **before)


def oldest_waiting(
    connection: Connection, clock: Clock, name: str, age: float
) -> tuple[str, datetime] | None:
    """The order that waits longest for its delivery there, and since when; None if it is less than ``age`` seconds."""
    oldest = (
        select(outcomes.c.order_id, outcomes.c.at)
        .join(deliveries, deliveries.c.outcome_id == outcomes.c.id)
        .where(deliveries.c.destination == name, _WAITING, outcomes.c.at <= clock.after(-age))
        .order_by(outcomes.c.id)
        .limit(1)
    )
    found = connection.execute(oldest).one_or_none()
    return None if found is None else (found.order_id, found.at)


def mark_gone(connection: Connection, name: str, endpoint: str) -> bool:
    """Send nothing to this endpoint any more. False if that was known, so that it is reported once."""
    unknown = destinations.c.name == name, destinations.c.gone.is_distinct_from(endpoint)
    return bool(connection.execute(update(destinations).where(*unknown).values(gone=endpoint)).rowcount)


def _ended(connection: Connection, claimed: Claimed, **values: Any) -> bool:
    changed: Update = (
        update(deliveries)
        .where(
            deliveries.c.outcome_id == claimed.event.number,
            deliveries.c.destination == claimed.destination,
            deliveries.c.due_at == literal(claimed.until, deliveries.c.due_at.type),
        )
        .values(**values)
    )
    return bool(connection.execute(changed).rowcount)
