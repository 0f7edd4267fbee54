"""What there is to do: new events, due deliveries, and those that wait for long."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, exists, literal, select

from breakwall.payments.db.clock import Clock
from breakwall.payments.db.insert_missing import insert_missing
from breakwall.payments.db.schema import deliveries, destinations, outcomes
from breakwall.payments.db.statements import built_once
from breakwall.payments.outcomes.outbox.claiming import can_be_claimed
from breakwall.payments.outcomes.outbox.taking import NEW


@dataclass(frozen=True, slots=True)
class Pending:
    """What there is to do."""

    new: bool  # Events without deliveries.
    due: frozenset[str]  # The destinations with something that can be claimed.
    known: frozenset[str]  # All registered destinations, also other processes'.
    gone: dict[str, str]  # By destination, the digest of the endpoint that is gone.


def register(connection: Connection, clock: Clock, names: Iterable[str]) -> None:
    """From now on, events are delivered to these destinations. Known ones stay as they are."""
    rows = [{"name": name, "since": clock.after(0)} for name in names]
    for row in rows:
        connection.execute(insert_missing(connection.dialect.name, destinations).values(row))


def look(connection: Connection, clock: Clock, names: Sequence[str]) -> Pending:
    """Look, without a lock, what there is to do for these destinations."""
    row = connection.execute(_pending(clock, tuple(names))).one()
    registered = connection.execute(_REGISTERED).all()
    due = frozenset(name for name in names if getattr(row, f"due_{name}"))
    known = frozenset(name for name, _ in registered)
    return Pending(bool(row.new), due, known, {name: endpoint for name, endpoint in registered if endpoint})


_REGISTERED = select(destinations.c.name, destinations.c.gone)


@built_once
def _pending(clock: Clock, names: tuple[str, ...]) -> Select[Any]:
    looked_at: list[Any] = [exists().where(NEW).label("new")]
    looked_at += [
        exists().where(*can_be_claimed(clock, literal(name))).label(f"due_{name}") for name in names
    ]
    return select(*looked_at)


def oldest_waiting(
    connection: Connection, clock: Clock, name: str, age: float
) -> tuple[str, datetime] | None:
    """The order that waits longest for its delivery there, and since when; None if it is less than ``age`` seconds."""
    is_waiting = deliveries.c.due_at.is_not(None)
    oldest = (
        select(outcomes.c.order_id, outcomes.c.at)
        .join(deliveries, deliveries.c.outcome_id == outcomes.c.id)
        .where(deliveries.c.destination == name, is_waiting, outcomes.c.at <= clock.after(-age))
        .order_by(outcomes.c.id)
        .limit(1)
    )
    found = connection.execute(oldest).one_or_none()
    return None if found is None else (found.order_id, found.at)
