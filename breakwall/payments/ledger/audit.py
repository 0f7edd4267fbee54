"""The audit trail of orders: interventions and incidents. `operator.incidents` lists the open ones and closes them."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, Row, exists, insert, select

from breakwall.payments.db.clock import Clock
from breakwall.payments.db.database import Database
from breakwall.payments.db.insert_missing import insert_missing
from breakwall.payments.db.schema import incidents, interventions
from breakwall.payments.incidents import IncidentKind, StoredIncident
from breakwall.payments.interventions import Action, Author, StoredIntervention
from breakwall.payments.orders import OrderStatus

_INTERVENTION_COLUMNS = [interventions.c[name] for name in StoredIntervention.__dataclass_fields__]
INCIDENT_COLUMNS = [incidents.c[name] for name in StoredIncident.__dataclass_fields__]


def record_interventions(
    connection: Connection,
    clock: Clock,
    changed: Iterable[Row[Any]],
    action: Action,
    author: Author,
    *,
    after: OrderStatus | None = None,
    evidence: str | None = None,
    run: str | None = None,
) -> None:
    """Record an action on some locked orders, in the transaction of the action itself.

    ``changed``: the orders as they were before, from `lock_orders`. ``after``: their state now; None if it is the same.
    """
    rows = [
        {"order_id": order.id, "before": order.status, "after": after or order.status, "fence": order.fence}
        for order in changed
    ]
    shared = {
        "at": clock.after(0),
        "action": action,
        "actor": author.actor,
        "reason": author.reason,
        "evidence": evidence,
        "run": run,
    }
    if rows:
        connection.execute(insert(interventions).values(shared), rows)


def report_incident(
    connection: Connection, clock: Clock, order_id: str, kind: IncidentKind, detail: str
) -> None:
    """Record what a person has to check. A known incident, open or closed, is not recorded again."""
    row = {"order_id": order_id, "kind": kind, "detail": detail, "at": clock.after(0)}
    connection.execute(insert_missing(connection.dialect.name, incidents).values(row))


def resolved_as_not_charged_since(connection: Connection, order_id: str, fence: int) -> bool:
    """Whether a person has stated that the claim with this fence, or an earlier one, charged nothing."""
    stated = exists().where(
        interventions.c.order_id == order_id,
        interventions.c.action == Action.RESOLVE_NOT_CHARGED,
        interventions.c.fence >= fence,
    )
    return bool(connection.scalar(select(stated)))


def list_interventions(database: Database, order_id: str) -> list[StoredIntervention]:
    """What people did to an order, first to last."""
    wanted = (
        select(*_INTERVENTION_COLUMNS)
        .where(interventions.c.order_id == order_id)
        .order_by(interventions.c.at, interventions.c.id)
    )
    return database.read(lambda connection: [_intervention(row) for row in connection.execute(wanted)])


def list_incidents(database: Database, order_id: str) -> list[StoredIncident]:
    """The incidents of an order, open and closed, first to last."""
    wanted = select(*INCIDENT_COLUMNS).where(incidents.c.order_id == order_id).order_by(incidents.c.id)
    return database.read(
        lambda connection: [StoredIncident(**row._mapping) for row in connection.execute(wanted)]
    )


def _intervention(row: Row[Any]) -> StoredIntervention:
    states = {"before": OrderStatus(row.before), "after": OrderStatus(row.after)}
    return StoredIntervention(**{**row._mapping, **states, "action": Action(row.action)})
