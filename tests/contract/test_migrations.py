"""The migrations, on SQLite and on PostgreSQL."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from unittest import mock

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import insert, text
from sqlalchemy.exc import IntegrityError

import breakwall.migrations
from breakwall.payments import migrate
from breakwall.payments.database import Database, SchemaError, open_engine
from breakwall.payments.migrate import check_schema, current_revision, prepare_home, upgrade
from breakwall.payments.schema import metadata, orders

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


def test_head_is_the_newest_script() -> None:
    scripts = ScriptDirectory(str(Path(breakwall.migrations.__file__).parent))
    assert scripts.get_heads() == [breakwall.migrations.HEAD]


def test_the_scripts_build_exactly_the_tables_of_the_schema(database_url: str) -> None:
    engine = open_engine(database_url)
    upgrade(engine)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        differences = compare_metadata(context, metadata)
    engine.dispose()
    assert differences == []


def test_incidents_outlive_the_upgrade_that_knows_more_kinds_of_them(database_url: str) -> None:
    engine = open_engine(database_url)
    with mock.patch.object(migrate, "HEAD", "0001"):
        upgrade(engine)
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


def test_upgrading_twice_is_upgrading_once(database_url: str) -> None:
    engine = open_engine(database_url)
    assert upgrade(engine) == upgrade(engine) == current_revision(engine)
    engine.dispose()


def test_eight_upgrades_at_once_all_succeed(database_url: str) -> None:
    engines = [open_engine(database_url) for _ in range(8)]
    with ThreadPoolExecutor(8) as threads:
        assert set(threads.map(upgrade, engines)) == {breakwall.migrations.HEAD}
    for engine in engines:
        engine.dispose()


def test_a_database_that_was_never_migrated_is_refused_with_what_to_do(database_url: str) -> None:
    database = Database(database_url, prepare=check_schema)
    with pytest.raises(SchemaError, match=r"was never migrated.*run `breakwall db upgrade`"):
        database.read(lambda connection: connection.scalar(text("SELECT 1")))
    database.close()


def test_a_database_that_is_behind_is_refused_with_what_to_do(database_url: str) -> None:
    database = Database(database_url, prepare=check_schema)
    upgrade(database.engine)
    with database.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0000'"))
    with pytest.raises(SchemaError, match=r"at revision 0000.*run `breakwall db upgrade`"):
        database.write(lambda connection: None, name="test")
    database.close()


def test_the_embedded_database_is_made_on_first_use(tmp_path: Path) -> None:
    home = tmp_path / "new" / "home"
    database = Database(f"sqlite:///{home}/breakwall.db", prepare=lambda engine: prepare_home(home, engine))
    assert database.read(lambda connection: connection.scalar(text("SELECT count(*) FROM orders"))) == 0
    assert home.stat().st_mode & 0o077 == 0
    database.close()
