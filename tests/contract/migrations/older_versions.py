"""Databases at an earlier revision, and rows as the versions before insert them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from unittest import mock

from sqlalchemy import (
    Column,
    Connection,
    Engine,
    Insert,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    insert,
    select,
)

from breakwall.payments.db import migrate
from breakwall.payments.db.clock import UtcDateTime
from breakwall.payments.db.schema import incidents, orders

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


ORDER = {
    "id": "o1",
    "idempotency_key": "cart-1",
    "user_id": "u1",
    "amount": 1,
    "currency": "KRW",
    "status": "declined",
    "charge_key": "cart-1",
    "created_at": NOON,
}


# As a worker of that version inserts: the columns that it knew, and no ON CONFLICT.
INCIDENTS_AT_0002 = Table(
    "incidents",
    MetaData(),
    Column("id", Integer, primary_key=True),
    Column("order_id", String(32)),
    Column("kind", String(32)),
    Column("detail", Text),
    Column("at", UtcDateTime),
)


def incident_of_0002(detail: str, *, minute: int = 0) -> Insert:
    at = NOON + timedelta(minutes=minute)
    return insert(INCIDENTS_AT_0002).values(order_id="o1", kind="two_charges", detail=detail, at=at)


def stored_incidents(engine: Engine) -> list[tuple[str, datetime]]:
    with engine.connect() as connection:
        rows = connection.execute(select(incidents.c.detail, incidents.c.at).order_by(incidents.c.id))
        return [(row.detail, row.at) for row in rows]


def add_order(connection: Connection, name: str, status: str = "dead", **columns: Any) -> None:
    """As that version inserts it."""
    row = {**ORDER, "id": name, "idempotency_key": name, "charge_key": name, "status": status, **columns}
    connection.execute(insert(orders), row)


def migrate_to(engine: Engine, revision: str) -> None:
    with mock.patch.object(migrate, "HEAD", revision):
        migrate.upgrade(engine)
