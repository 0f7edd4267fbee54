"""The notes on orders: what people did to them, and the incidents that people must look at.

Beside it: `incidents`, which lists the open ones and closes them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, Row, exists, insert, select
from sqlalchemy.dialects import postgresql, sqlite

from breakwall.payments.actions import (
    Action,
    Author,
    IncidentKind,
    StoredIncident,
    StoredIntervention,
)
from breakwall.payments.db.clock import Clock
from breakwall.payments.db.database import Database
from breakwall.payments.db.schema import incidents, interventions, orders
from breakwall.payments.orders import OrderStatus

_INTERVENTION_COLUMNS = [interventions.c[name] for name in StoredIntervention.__dataclass_fields__]
INCIDENT_COLUMNS = [incidents.c[name] for name in StoredIncident.__dataclass_fields__]


def lock_orders(connection: Connection, order_ids: Sequence[str]) -> Sequence[Row[Any]]:
    """The orders with these ids, which nobody else changes until this transaction ends.

    Always locked in the same sequence, so that two people who work on the same orders do not wait for each
    other.
    """
    wanted = select(orders).where(orders.c.id.in_(order_ids)).order_by(orders.c.id).with_for_update()
    return connection.execute(wanted).all()


def note_interventions(
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
    """Write down, in the transaction of the action itself, what was done to each of some locked orders.

    Args:
        changed: the orders as they were before, from `lock_orders`.
        after: the state that the action led to; None when it is the one before.
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
    """Write down what a person has to look at.

    What was reported before is not reported again, whether it is still open or a person has closed it.
    """
    insert_into = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    connection.execute(
        insert_into(incidents)
        .values(order_id=order_id, kind=kind, detail=detail, at=clock.after(0))
        .on_conflict_do_nothing(index_elements=[incidents.c.order_id, incidents.c.kind, incidents.c.detail])
    )


def resolved_as_not_charged_since(connection: Connection, order_id: str, fence: int) -> bool:
    """Whether a person has vouched that the claim with this fence, or one before it, charged nothing."""
    vouched = exists(
        select(interventions.c.id).where(
            interventions.c.order_id == order_id,
            interventions.c.action == Action.RESOLVE_NOT_CHARGED,
            interventions.c.fence >= fence,
        )
    )
    return bool(connection.scalar(select(vouched)))


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
