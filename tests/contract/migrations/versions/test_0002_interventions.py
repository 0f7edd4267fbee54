"""Incidents after the revision that allows more kinds of them."""

from __future__ import annotations

import pytest
from sqlalchemy import (
    insert,
    text,
)
from sqlalchemy.exc import IntegrityError

from breakwall.payments.db.database import open_engine
from breakwall.payments.db.migrate import upgrade
from breakwall.payments.db.schema import orders
from tests.contract.migrations.older_versions import (
    ORDER,
    migrate_to,
)


def test_incidents_outlive_the_upgrade_that_allows_more_kinds(database_url: str) -> None:
    engine = open_engine(database_url)
    migrate_to(engine, "0001")
    report = text("INSERT INTO incidents (id, order_id, kind, detail, at) VALUES (:id, 'o1', :kind, '', :at)")
    with engine.begin() as connection:
        connection.execute(insert(orders), ORDER)
        connection.execute(report, {"id": 1, "kind": "two_charges", "at": "2026-01-01 12:00:00"})
    upgrade(engine)
    with engine.begin() as connection:
        connection.execute(report, {"id": 2, "kind": "charged_after_resolution", "at": "2026-01-01 12:00:00"})
        kinds = list(connection.scalars(text("SELECT kind FROM incidents ORDER BY id")))
    assert kinds == ["two_charges", "charged_after_resolution"]
    with pytest.raises(IntegrityError), engine.begin() as connection:
        connection.execute(report, {"id": 3, "kind": "of no kind", "at": "2026-01-01 12:00:00"})
    engine.dispose()
