"""Lists, opens and closes the incidents of all orders.

An incident itself records who closed it, when and why. Closing changes nothing about the order, so it is no
intervention.
"""

from sqlalchemy import ColumnElement, Connection, func, select, update

from breakwall.actors import A_PERSON, name_or
from breakwall.errors import BreakwallError, ExitCode
from breakwall.payments.db.clock import DATABASE_CLOCK, Clock
from breakwall.payments.db.database import Database
from breakwall.payments.db.schema import incidents
from breakwall.payments.incidents import IncidentKind, StoredIncident
from breakwall.payments.interventions import Author
from breakwall.payments.ledger.audit import INCIDENT_COLUMNS, report_incident
from breakwall.payments.ledger.queries import Naming, get_order
from breakwall.payments.operator.locking import RefusedError, lock_order

# From a partial index, so closed ones cost nothing.
OPEN: ColumnElement[bool] = incidents.c.closed_at.is_(None)

# The transactions' names. They are no crash points, because they change no order.
OPENING, CLOSING = "open_incident", "close_incident"


class IncidentNotFoundError(BreakwallError, LookupError):
    """No incident has this number."""

    kind = "not_found"
    exit_code = ExitCode.NOT_FOUND


def count_open(connection: Connection) -> int:
    """How many incidents are open, within a running transaction."""
    return connection.scalar(select(func.count()).select_from(incidents).where(OPEN)) or 0


def newest_incidents(connection: Connection, *, limit: int, closed_too: bool = False) -> list[StoredIncident]:
    """The ``limit`` newest incidents of all orders, newest first, within a running transaction."""
    wanted = select(*INCIDENT_COLUMNS).order_by(incidents.c.at.desc(), incidents.c.id.desc()).limit(limit)
    found = connection.execute(wanted if closed_too else wanted.where(OPEN))
    return [StoredIncident(**row._mapping) for row in found]


def find_incident(database: Database, number: int) -> StoredIncident:
    """One incident, open or closed. Raises `IncidentNotFoundError`."""
    return database.read(lambda connection: _found(connection, number))


def open_incident(
    database: Database, name: str, author: Author, *, by: Naming = Naming.ANY, clock: Clock = DATABASE_CLOCK
) -> StoredIncident:
    """Record what a person has found out about an order: an incident of the kind `reported`.

    The author's reason is what they have found; without one it raises ValueError. The same report of the same person is
    the same incident. If that is closed, it raises `RefusedError`. Raises for the name as `get_order`.
    """
    if author.reason is None:
        raise ValueError("an incident is opened with a reason")
    order_id = get_order(database, name, by).id
    detail = f"{author.reason} (reported by {name_or(A_PERSON, author.actor)})"
    same = (
        incidents.c.order_id == order_id,
        incidents.c.kind == IncidentKind.REPORTED,
        incidents.c.detail == detail,
    )

    def work(connection: Connection) -> StoredIncident:
        lock_order(connection, order_id)
        report_incident(connection, clock, order_id, IncidentKind.REPORTED, detail)
        found = StoredIncident(**connection.execute(select(*INCIDENT_COLUMNS).where(*same)).one()._mapping)
        if found.closed_at is not None:
            raise RefusedError(
                f"incident {found.id} says the same, and was closed by {found.closed_by}: {found.close_reason}"
            )
        return found

    return database.write(work, name=OPENING)


def close_incident(
    database: Database, number: int, author: Author, *, clock: Clock = DATABASE_CLOCK
) -> StoredIncident:
    """Record that a person has dealt with an incident, and return it as it is afterwards.

    It stays closed if the same thing is found again. Raises ValueError without a reason, `IncidentNotFoundError`, or
    `RefusedError` if it is closed already.
    """
    if author.reason is None:
        raise ValueError("an incident is closed with a reason")
    now = clock.after(0)
    closing = (
        update(incidents)
        .where(incidents.c.id == number, OPEN)
        .values(closed_at=now, closed_by=author.actor, close_reason=author.reason)
    )

    def work(connection: Connection) -> StoredIncident:
        changed = connection.execute(closing).rowcount
        found = _found(connection, number)
        if not changed:
            raise RefusedError(f"incident {number} was closed by {found.closed_by}: {found.close_reason}")
        return found

    return database.write(work, name=CLOSING)


def _found(connection: Connection, number: int) -> StoredIncident:
    row = connection.execute(select(*INCIDENT_COLUMNS).where(incidents.c.id == number)).one_or_none()
    if row is None:
        raise IncidentNotFoundError(f"no incident has the number {number}")
    return StoredIncident(**row._mapping)
