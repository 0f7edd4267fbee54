"""Claims: the right to deliver events to a destination once.

A claim lasts until `Claimed.until`, which is also the delivery's ``due_at``: after it, the delivery is due again,
because its worker is gone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Integer,
    Row,
    Select,
    String,
    Update,
    bindparam,
    exists,
    select,
    update,
)

from breakwall.payments.db.clock import Clock
from breakwall.payments.db.number_lists import is_one_of, numbers
from breakwall.payments.db.schema import deliveries, orders, outcomes
from breakwall.payments.db.statements import LEASE, built_once
from breakwall.payments.outcomes.event import Event
from breakwall.payments.outcomes.schedule import MAX_TRIES, MAX_UNRECORDED

SUSPECT = 2  # Claims in a row without a record, after which an event is claimed alone.
SUSPECT_WAITS = (
    30.0  # Seconds that a suspect is due, after which the others wait until it can be claimed alone.
)

# The columns of an event, in the order of `Event`'s fields.
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

_EVENTS: Select[Any] = (
    select(*EVENT_COLUMNS)
    .join(orders, orders.c.id == outcomes.c.order_id)
    .where(is_one_of(outcomes.c.id, numbers("claimed_events")))
    .order_by(outcomes.c.id)
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
    lease: float = 0.0  # Seconds from the claim to ``until``.

    @property
    def at(self) -> datetime:
        """When it was claimed."""
        return self.until - timedelta(seconds=self.lease)

    @property
    def is_suspect(self) -> bool:
        """Whether nothing should be in hand beside it: its last claims ended without a record."""
        return self.unrecorded > SUSPECT

    @property
    def is_spent(self) -> bool:
        """Whether it should be given up, not tried: no worker has come to record that its last tries failed."""
        return self.tries > MAX_TRIES or self.unrecorded > MAX_UNRECORDED


def claim(
    connection: Connection, clock: Clock, name: str, limit: int, *, lease: float, is_idle: bool
) -> list[Claimed]:
    """Claim due deliveries to a destination, at most ``limit``, for ``lease`` seconds.

    An event waits until each earlier one of its order has been delivered there, or was given up. One whose claims have
    expired without a record may end each worker, so it comes alone, and takes no other event with it.

    Args:
        is_idle: this worker has no event of this destination in hand. Only then it may claim such a suspect.
    """
    due = connection.execute(_claimable(clock), {"wanted": name, "at_most": limit}).all()
    chosen = _chosen(due, is_idle=is_idle)
    if not chosen:
        return []
    wanted = {"claimed_for": name, "claimed_events": chosen}
    claims = {
        number: claim for number, *claim in connection.execute(_claim(clock), {**wanted, LEASE.key: lease})
    }
    events = [Event(*row) for row in connection.execute(_EVENTS, {"claimed_events": chosen})]
    if missing := claims.keys() - {event.number for event in events}:
        connection.execute(_end_without_order(clock), {**wanted, "claimed_events": list(missing)})
    return [Claimed(name, event, *(*claims[event.number], lease)) for event in events]


def _chosen(due: Sequence[Row[Any]], *, is_idle: bool) -> list[int]:
    suspects = [row for row in due if row.unrecorded >= SUSPECT]
    if suspects and is_idle:
        return [suspects[0].outcome_id]
    # In a worker that always has something in hand, a suspect would wait forever.
    if any(row.is_late for row in suspects):
        return []
    return [row.outcome_id for row in due if row.unrecorded < SUSPECT]


@built_once
def _claimable(clock: Clock) -> Select[Any]:
    is_late = deliveries.c.due_at <= clock.after(-SUSPECT_WAITS)
    return (
        select(deliveries.c.outcome_id, deliveries.c.unrecorded, is_late.label("is_late"))
        .where(*can_be_claimed(clock, bindparam("wanted", type_=String)))
        .order_by(deliveries.c.due_at, deliveries.c.outcome_id)
        .limit(bindparam("at_most", type_=Integer))
        .with_for_update(skip_locked=True, of=deliveries)
    )


def can_be_claimed(clock: Clock, wanted: ColumnElement[str]) -> tuple[ColumnElement[bool], ...]:
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
    is_waiting = deliveries.c.due_at.is_not(None)
    due = deliveries.c.destination == wanted, is_waiting, deliveries.c.due_at <= clock.after(0)
    return (*due, ~blocked, ~not_taken)


# The rows of a claim.
_CHOSEN = (
    deliveries.c.destination == bindparam("claimed_for", type_=String),
    is_one_of(deliveries.c.outcome_id, numbers("claimed_events")),
)


@built_once
def _claim(clock: Clock) -> Any:
    # After the number, in the order of `Claimed`'s fields.
    returned = ("outcome_id", "tries", "due_at", "unrecorded", "last_error")
    return (
        update(deliveries)
        .where(*_CHOSEN)
        .values(
            due_at=clock.after(LEASE),
            tries=deliveries.c.tries + 1,
            unrecorded=deliveries.c.unrecorded + 1,
        )
        .returning(*(deliveries.c[column] for column in returned))
    )


@built_once
def _end_without_order(clock: Clock) -> Update:
    ended = {"due_at": None, "given_up_at": clock.after(0), "last_error": "its order was deleted"}
    return update(deliveries).where(*_CHOSEN).values(ended)
