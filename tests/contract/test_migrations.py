"""The migrations, on SQLite and on PostgreSQL."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest import mock

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import (
    Column,
    Engine,
    Insert,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    func,
    insert,
    select,
    text,
    update,
)
from sqlalchemy.exc import IntegrityError

import breakwall.migrations
from breakwall.payments import migrate
from breakwall.payments.clock import UtcDateTime
from breakwall.payments.database import Database, SchemaError, open_engine
from breakwall.payments.incidents import count_open
from breakwall.payments.migrate import check_schema, current_revision, prepare_home, upgrade
from breakwall.payments.schema import incidents, metadata, orders

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


@pytest.fixture
def at_0002(database_url: str) -> Iterator[Engine]:
    """The database of the version that knew no closing of incidents, with one order."""
    engine = open_engine(database_url)
    with mock.patch.object(migrate, "HEAD", "0002"):
        upgrade(engine)
    with engine.begin() as connection:
        connection.execute(insert(orders), ORDER)
    yield engine
    engine.dispose()


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


def test_incidents_that_were_written_down_again_and_again_become_the_first_of_them(at_0002: Engine) -> None:
    with at_0002.begin() as connection:
        for minute, detail in enumerate(("ch_1, ch_2", "ch_1, ch_3", "ch_1, ch_2", "ch_1, ch_2")):
            connection.execute(incident_of_0002(detail, minute=minute))
    upgrade(at_0002)
    assert stored_incidents(at_0002) == [("ch_1, ch_2", NOON), ("ch_1, ch_3", NOON + timedelta(minutes=1))]


def test_incidents_are_open_after_the_upgrade(at_0002: Engine) -> None:
    with at_0002.begin() as connection:
        connection.execute(incident_of_0002("ch_1, ch_2"))
    upgrade(at_0002)
    with at_0002.connect() as connection:
        assert count_open(connection) == 1


def test_a_worker_of_the_version_before_reports_after_the_upgrade_and_twice_is_once(at_0002: Engine) -> None:
    """Failing, its transaction would lose the result of the attempt that it records."""
    upgrade(at_0002)
    for _ in range(2):
        with at_0002.begin() as connection:
            connection.execute(incident_of_0002("ch_1, ch_2"))
            connection.execute(update(orders).values(last_error="recorded"))
    assert [detail for detail, _ in stored_incidents(at_0002)] == ["ch_1, ch_2"]


def test_what_is_being_reported_again_while_the_upgrade_begins_is_merged_too(at_0002: Engine) -> None:
    with at_0002.begin() as connection:
        connection.execute(incident_of_0002("ch_1, ch_2"))
    other = open_engine(at_0002.url.render_as_string(hide_password=False))
    with ThreadPoolExecutor(1) as threads, at_0002.connect() as writer:
        writer.execute(incident_of_0002("ch_1, ch_2", minute=1))
        upgrading = threads.submit(upgrade, other)
        wait_until_it_waits(other)
        writer.commit()
        assert upgrading.result() == breakwall.migrations.HEAD
    other.dispose()
    assert stored_incidents(at_0002) == [("ch_1, ch_2", NOON)]


def wait_until_it_waits(engine: Engine) -> None:
    """For a lock that somebody else holds. SQLite has one writer, and tells of no waiting."""
    if engine.dialect.name == "sqlite":
        return
    waiting = select(func.count()).select_from(text("pg_locks")).where(text("NOT granted"))
    deadline = time.monotonic() + 5
    with engine.connect() as connection:
        while not connection.scalar(waiting):
            assert time.monotonic() < deadline, "the upgrade waits for nobody"
            time.sleep(0.01)


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
