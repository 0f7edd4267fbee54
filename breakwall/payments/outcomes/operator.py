"""What a person does with deliveries: list them, have them delivered again, enable or forget a destination."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    case,
    delete,
    exists,
    func,
    literal,
    null,
    select,
    union_all,
    update,
)

from breakwall.errors import BreakwallError, ExitCode
from breakwall.payments.db.clock import DATABASE_CLOCK, Clock
from breakwall.payments.db.database import Database
from breakwall.payments.db.schema import deliveries, destinations, orders, outcomes
from breakwall.payments.fleet.workers import Worker, live_workers
from breakwall.payments.outcomes.event import event_id, number_in
from breakwall.payments.outcomes.outbox.taking import NEW
from breakwall.payments.outcomes.schedule import OUTAGE, TAKEN_WITHIN


class DeliveryState(StrEnum):
    """``NEW``: no worker has taken the event yet. ``WAITING``: it is tried, now or later. ``FAILED``: given up."""

    NEW = "new"
    WAITING = "waiting"
    DELIVERED = "delivered"
    FAILED = "failed"


class EventNotFoundError(BreakwallError, LookupError):
    """No event has this id."""

    kind = "not_found"
    exit_code = ExitCode.NOT_FOUND


class DestinationInUseError(BreakwallError):
    """The destination cannot be forgotten while a worker delivers to it. Nothing was changed."""

    kind = "refused"
    exit_code = ExitCode.REFUSED


@dataclass(frozen=True, slots=True)
class StoredDelivery:
    """The delivery of an event to a destination, which is None while the event is new. Moments are aware, in UTC."""

    event_id: str
    order_id: str
    idempotency_key: str | None  # None if the order is not there any more.
    type: str
    at: datetime
    destination: str | None
    state: DeliveryState
    tries: int
    due_at: datetime | None
    delivered_at: datetime | None
    last_error: str | None


_ENDED_AT = {
    DeliveryState.DELIVERED: deliveries.c.delivered_at,
    DeliveryState.FAILED: deliveries.c.given_up_at,
}


def list_deliveries(
    connection: Connection,
    *,
    limit: int,
    states: Sequence[DeliveryState] = tuple(DeliveryState),
    order_id: str | None = None,
    destination: str | None = None,
) -> list[StoredDelivery]:
    """The newest ones in these states, newest first, within a running transaction."""
    found: list[StoredDelivery] = []
    for state in states:
        wanted = _in_state(state, order_id, destination).order_by(outcomes.c.id.desc()).limit(limit)
        found += [_stored(row, state) for row in connection.execute(wanted)]
    found.sort(key=lambda one: (number_in(one.event_id) or 0, one.destination or ""), reverse=True)
    return found[:limit]


MOST_OF_AN_ORDER = 1000  # Deliveries of one order that are shown.


def deliveries_of(connection: Connection, order_id: str) -> list[StoredDelivery]:
    """What the shop is told of an order, first to last; nothing where nobody is told."""
    if not connection.scalar(select(destinations.c.name).limit(1)):
        return []
    return list_deliveries(connection, limit=MOST_OF_AN_ORDER, order_id=order_id)[::-1]


@dataclass(frozen=True, slots=True)
class Waiting:
    """What waits for a destination, also what no worker has taken yet.

    ``late``: the oldest since longer than `OUTAGE`; ``gone``: it has answered 410; ``untaken``: how many events no
    worker has taken within `TAKEN_WITHIN`.
    """

    destination: str
    count: int
    late: bool
    gone: bool
    last_error: str | None = None  # Why the newest of those that failed was not taken.
    untaken: int = 0


# Without any destination there may be millions of new events, and PostgreSQL would read them all.
_ONE_IS_KNOWN = exists().select_from(destinations.alias())

# In one statement: what a worker takes meanwhile is counted once.
_UNTOLD = union_all(
    select(deliveries.c.destination, outcomes.c.at, literal(False).label("is_new"))
    .join(outcomes, outcomes.c.id == deliveries.c.outcome_id)
    .where(deliveries.c.due_at.is_not(None)),
    select(destinations.c.name, outcomes.c.at, literal(True))
    .join(outcomes, outcomes.c.at >= destinations.c.since)
    .where(NEW, _ONE_IS_KNOWN),
).subquery("untold")


def waiting_for(
    connection: Connection, clock: Clock = DATABASE_CLOCK, *, endpoints: Mapping[str, str] | None = None
) -> list[Waiting]:
    """Each known destination, and each that something waits for, by its name.

    ``endpoints``: by destination, the digest of the address that is configured now. Another one is not gone.
    """
    known = connection.execute(select(destinations.c.name, destinations.c.gone)).all()
    now = endpoints or {}
    gone = {row.name: row.gone is not None and row.gone == now.get(row.name, row.gone) for row in known}
    found = {row.destination: row for row in connection.execute(_numbers(clock))}
    return [
        _waiting(name, found.get(name), gone.get(name, False), _newest_error(connection, name))
        for name in sorted({*gone, *found})
    ]


def _numbers(clock: Clock) -> Select[Any]:
    """By destination, how many wait, whether one is late, and how many should have been taken."""
    late = func.max(case((_UNTOLD.c.at <= clock.after(-OUTAGE), 1), else_=0))
    is_untaken = _UNTOLD.c.is_new & (_UNTOLD.c.at <= clock.after(-TAKEN_WITHIN))
    untaken = func.sum(case((is_untaken, 1), else_=0))
    numbers = func.count().label("number"), late.label("late"), untaken.label("untaken")
    return select(_UNTOLD.c.destination, *numbers).group_by(_UNTOLD.c.destination)


def _waiting(name: str, found: Any, gone: bool, error: str | None) -> Waiting:
    if found is None:
        return Waiting(name, 0, late=False, gone=gone, last_error=error)
    return Waiting(name, found.number, bool(found.late), gone, error, found.untaken)


def _newest_error(connection: Connection, name: str) -> str | None:
    failed = (
        deliveries.c.destination == name,
        deliveries.c.due_at.is_not(None),
        deliveries.c.last_error.is_not(None),
    )
    newest = select(deliveries.c.last_error).where(*failed).order_by(deliveries.c.outcome_id.desc()).limit(1)
    return connection.scalar(newest)


def workers_with(fleet: Sequence[Worker], name: str) -> list[str]:
    """The names of the workers that have said that they deliver to this destination."""
    return [worker.name for worker in fleet if name in (worker.ways or ())]


@dataclass(frozen=True, slots=True)
class Redelivered:
    """How many deliveries are due now, by destination, and how many were left out, by forgotten destination."""

    due: dict[str, int]
    left_out: dict[str, int]

    @property
    def number(self) -> int:
        return sum(self.due.values())


def redeliver(
    database: Database,
    *,
    event_ids: Sequence[str] = (),
    order_id: str | None = None,
    all_failed: bool = False,
    destination: str | None = None,
    clock: Clock = DATABASE_CLOCK,
) -> Redelivered:
    """Have the chosen deliveries made, or made again: each is due now, with all of its tries.

    Also those that wait, and those that were delivered; with ``all_failed``, those that were given up alone. Raises
    `EventNotFoundError`, and changes nothing, if an id is unknown; `ValueError` if nothing is chosen. What was for a
    forgotten destination is left out, and stays ended: nobody would deliver it.
    """
    if not (event_ids or order_id or all_failed):
        raise ValueError("name events or an order, or choose all failed ones")

    def work(connection: Connection) -> Redelivered:
        conditions: list[ColumnElement[bool]] = []
        if event_ids:
            conditions.append(deliveries.c.outcome_id.in_([_known(connection, one) for one in event_ids]))
        if order_id is not None:
            conditions.append(deliveries.c.order_id == order_id)
        if all_failed:
            conditions.append(deliveries.c.given_up_at.is_not(None))
        if destination is not None:
            conditions.append(deliveries.c.destination == destination)
        again = {
            "due_at": clock.after(0),
            "tries": 0,
            "unrecorded": 0,
            "delivered_at": None,
            "given_up_at": None,
        }
        counted = select(deliveries.c.destination, func.count()).where(*conditions)
        grouped = connection.execute(counted.group_by(deliveries.c.destination))
        numbers: dict[str, int] = {name: number for name, number in grouped}  # noqa: C416 - typed
        known = set(connection.scalars(select(destinations.c.name)))
        is_known = deliveries.c.destination.in_(known)
        connection.execute(update(deliveries).where(is_known, *conditions).values(again))
        return Redelivered(
            {name: number for name, number in numbers.items() if name in known},
            {name: number for name, number in numbers.items() if name not in known},
        )

    return database.write(work, name="redeliver_outcomes")


def enable(database: Database, name: str) -> bool:
    """Send to a destination again that has said that it is gone. Whether it had."""
    gone = destinations.c.name == name, destinations.c.gone.is_not(None)

    def work(connection: Connection) -> bool:
        return bool(connection.execute(update(destinations).where(*gone).values(gone=None)).rowcount)

    return database.write(work, name="enable_destination")


def forget(database: Database, name: str, *, clock: Clock = DATABASE_CLOCK) -> int | None:
    """Deliver nothing to a destination any more that is not configured now. Returns how many deliveries were waiting.

    They end as given up, without an incident. None if there is no such destination, and nothing waits for it. Raises
    `DestinationInUseError` while a live worker has it: that worker would make it known again.
    """
    ended = {"due_at": None, "given_up_at": clock.after(0), "last_error": "the destination was removed"}
    waiting = deliveries.c.destination == name, deliveries.c.due_at.is_not(None)

    def work(connection: Connection) -> int | None:
        check_unused(live_workers(connection, clock), name)
        known = connection.execute(delete(destinations).where(destinations.c.name == name)).rowcount
        count = connection.execute(update(deliveries).where(*waiting).values(ended)).rowcount
        return count if known or count else None

    return database.write(work, name="forget_destination")


def check_unused(fleet: Sequence[Worker], name: str) -> None:
    """Raise `DestinationInUseError` if one of these workers delivers to the destination."""
    if using := workers_with(fleet, name):
        raise DestinationInUseError(
            f"the {name} is in use by live workers ({len(using)}: {', '.join(using[:3])}). Remove its setting "
            "from every worker, and restart them, before you forget it"
        )


def _known(connection: Connection, text: str) -> int:
    number = number_in(text)
    found = None
    if number is not None:
        wanted = select(outcomes.c.order_id, outcomes.c.status, outcomes.c.at).where(outcomes.c.id == number)
        found = connection.execute(wanted).one_or_none()
    if number is None or found is None or event_id(number, found.order_id, found.status, found.at) != text:
        raise EventNotFoundError(f"no event has the id {text[:64]!r}: `breakwall outcomes list` shows them")
    return number


def _in_state(state: DeliveryState, order_id: str | None, destination: str | None) -> Select[Any]:
    shared = (outcomes.c.id, outcomes.c.order_id, outcomes.c.status, outcomes.c.at, orders.c.idempotency_key)
    with_order = outcomes.outerjoin(orders, orders.c.id == outcomes.c.order_id)
    if state is DeliveryState.NEW:
        nothing = [null().label(name) for name in ("destination", "due_at", "delivered_at", "last_error")]
        wanted = select(*shared, *nothing, literal(0).label("tries")).select_from(with_order)
        wanted = wanted.where(outcomes.c.taken_at.is_(None))
        if destination is not None:
            wanted = wanted.where(literal(False))
    else:
        own = [
            deliveries.c[name] for name in ("destination", "due_at", "delivered_at", "last_error", "tries")
        ]
        ended = _ENDED_AT.get(state, deliveries.c.due_at)
        joined = with_order.join(deliveries, deliveries.c.outcome_id == outcomes.c.id)
        wanted = select(*shared, *own).select_from(joined).where(ended.is_not(None))
        if destination is not None:
            wanted = wanted.where(deliveries.c.destination == destination)
    return wanted if order_id is None else wanted.where(outcomes.c.order_id == order_id)


def _stored(row: Any, state: DeliveryState) -> StoredDelivery:
    return StoredDelivery(
        event_id=event_id(row.id, row.order_id, row.status, row.at),
        order_id=row.order_id,
        idempotency_key=row.idempotency_key,
        type=f"order.{row.status}",
        at=row.at,
        destination=row.destination,
        state=state,
        tries=row.tries,
        due_at=row.due_at,
        delivered_at=row.delivered_at,
        last_error=row.last_error,
    )
