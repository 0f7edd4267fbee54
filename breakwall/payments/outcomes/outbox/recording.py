"""How claimed deliveries ended."""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, String, Update, bindparam, update

from breakwall.payments.db.clock import Clock
from breakwall.payments.db.number_lists import is_one_of, numbers
from breakwall.payments.db.schema import deliveries, destinations
from breakwall.payments.db.statements import built_once, seconds
from breakwall.payments.outcomes.outbox.claiming import Claimed

_DELAY = seconds("delay_seconds")


def record_delivered(connection: Connection, clock: Clock, claims: Sequence[Claimed]) -> dict[str, int]:
    """The shop has these events. It is also true if the claim has expired meanwhile.

    Returns how many were not recorded as delivered before, by destination.
    """
    found = {}
    for name in sorted({claim.destination for claim in claims}):
        events = [claim.event.number for claim in claims if claim.destination == name]
        row = {"delivered_to": name, "delivered_events": events}
        found[name] = connection.execute(_delivered(clock), row).rowcount
    return found


def record_failed(connection: Connection, clock: Clock, claimed: Claimed, error: str, delay: float) -> bool:
    """Try it again after ``delay`` seconds. False if the claim is lost: then nothing changes."""
    return _ended(connection, claimed, due_at=clock.after(delay), unrecorded=0, last_error=error)


def record_given_up(connection: Connection, clock: Clock, claimed: Claimed, error: str) -> bool:
    """Try it no more. False if the claim is lost: then nothing changes."""
    return _ended(connection, claimed, due_at=None, given_up_at=clock.after(0), last_error=error)


def give_back(connection: Connection, clock: Clock, claims: Iterable[tuple[Claimed, float]]) -> None:
    """They were not tried, so no try is used up: each is due after so many seconds. A lost claim changes nothing."""
    if rows := [{**_claim(claimed), _DELAY.key: delay} for claimed, delay in claims]:
        connection.execute(_given_back(clock), rows)


def mark_gone(connection: Connection, name: str, endpoint: str) -> bool:
    """Send nothing to this endpoint any more. False if that was known, so that it is reported once."""
    unknown = destinations.c.name == name, destinations.c.gone.is_distinct_from(endpoint)
    return bool(connection.execute(update(destinations).where(*unknown).values(gone=endpoint)).rowcount)


@built_once
def _delivered(clock: Clock) -> Update:
    chosen = (
        deliveries.c.destination == bindparam("delivered_to", type_=String),
        is_one_of(deliveries.c.outcome_id, numbers("delivered_events")),
    )
    delivered = {"delivered_at": clock.after(0), "due_at": None, "given_up_at": None, "last_error": None}
    return update(deliveries).where(*chosen, deliveries.c.delivered_at.is_(None)).values(delivered)


# A claim that still holds.
_HELD = (
    deliveries.c.outcome_id == bindparam("claimed_event", type_=deliveries.c.outcome_id.type),
    deliveries.c.destination == bindparam("claimed_for", type_=String),
    deliveries.c.due_at == bindparam("claimed_until", type_=deliveries.c.due_at.type),
)


def _claim(claimed: Claimed) -> dict[str, Any]:
    return {
        "claimed_event": claimed.event.number,
        "claimed_for": claimed.destination,
        "claimed_until": claimed.until,
    }


@built_once
def _given_back(clock: Clock) -> Update:
    before = {"tries": deliveries.c.tries - 1, "unrecorded": deliveries.c.unrecorded - 1}
    return update(deliveries).where(*_HELD).values(due_at=clock.after(_DELAY), **before)


def _ended(connection: Connection, claimed: Claimed, **values: Any) -> bool:
    ended = update(deliveries).where(*_HELD).values(**values)
    return bool(connection.execute(ended, _claim(claimed)).rowcount)
