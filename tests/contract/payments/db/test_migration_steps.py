"""A migration beside writers, and beside a transaction that holds a lock that it needs."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from unittest import mock

import psycopg
import pytest
from alembic.runtime.migration import HeadMaintainer
from sqlalchemy import Engine, event, text

from breakwall.migrations import HEAD
from breakwall.payments.db import migrate, migration_steps, sqlite
from breakwall.payments.db.database import DatabaseUnavailableError, open_engine
from breakwall.payments.db.migrate import upgrade
from breakwall.payments.db.migration_steps import MigrationBlockedError, MigrationSteps
from breakwall.payments.db.revisions import current_revision
from tests.contract.migrations.older_versions import migrate_to
from tests.revision_0003 import Writer, fill
from tests.servers import PostgresServer
from tests.waiting import wait_until

ORDERS, OPEN = 20_000, 2_000


@pytest.fixture
def engine(postgres_url: str) -> Iterator[Engine]:
    engine = open_engine(postgres_url)
    yield engine
    engine.dispose()


@pytest.fixture
def small(engine: Engine) -> Engine:
    """Of the version before revision 0004, with a thousand open orders."""
    fill(engine, 1000, 1000)
    return engine


def unfilled(engine: Engine) -> int:
    with engine.connect() as connection:
        asked = text("SELECT count(*) FROM attempts WHERE outcome = 'unknown' AND advice IS NULL")
        return int(connection.scalar(asked) or 0)


def test_a_writer_beside_a_migration_waits_for_a_moment_at_most(engine: Engine) -> None:
    """`bench/migrate_at_size.py` shows it with millions of orders."""
    fill(engine, ORDERS, OPEN)
    with Writer(engine) as writer:
        assert upgrade(engine) == HEAD
    assert writer.errors == []
    assert len(writer.waits) > 20
    assert unfilled(engine) == 0


@pytest.mark.parametrize("table", ["orders", "attempts", "incidents"])
def test_a_lock_that_others_hold_is_named_and_nothing_is_half_done(small: Engine, table: str) -> None:
    """It was "does not answer … Check BREAKWALL_DATABASE_URL"."""
    with small.connect() as holder:
        holder.execute(text(f"LOCK TABLE {table} IN ROW EXCLUSIVE MODE"))
        pid = holder.scalar(text("SELECT pg_backend_pid()"))
        told = rf"table {table}.*server process {pid}.*idle in transaction.*breakwall db upgrade"
        with (
            mock.patch.object(migration_steps, "STEP_TIMEOUT", 0.2),
            pytest.raises(MigrationBlockedError, match=told),
        ):
            upgrade(small)
        assert current_revision(small) == "0003"
    assert upgrade(small) == HEAD
    assert unfilled(small) == 0


@pytest.fixture
def autovacuumed(engine: Engine, postgres_server: PostgresServer) -> Iterator[Engine]:
    """Of the version before revision 0004. Autovacuum works on its orders, for minutes if nothing stops it."""
    fill(engine, 5000, 100)
    slow = "autovacuum_vacuum_threshold = 0, autovacuum_vacuum_cost_delay = 100, autovacuum_vacuum_cost_limit = 1"
    with engine.begin() as connection:
        connection.execute(text(f"ALTER TABLE orders SET ({slow})"))
        connection.execute(text("UPDATE orders SET user_id = 'u1'"))
    with psycopg.connect(postgres_server.url("postgres").replace("+psycopg", ""), autocommit=True) as admin:
        admin.execute("ALTER SYSTEM SET autovacuum_naptime = 1")
        admin.execute("SELECT pg_reload_conf()")
        try:
            wait_until(lambda: autovacuum_has_orders(engine), 60)
            yield engine
        finally:
            admin.execute("ALTER SYSTEM RESET autovacuum_naptime")
            admin.execute("SELECT pg_reload_conf()")


def autovacuum_has_orders(engine: Engine) -> bool:
    held = """
        SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a USING (pid)
        WHERE l.relation = 'orders'::regclass AND a.backend_type = 'autovacuum worker'
    """
    with engine.connect() as connection:
        return bool(connection.scalar(text(held)))


def test_autovacuum_gives_way_to_a_migration(autovacuumed: Engine) -> None:
    with (
        mock.patch.object(migration_steps, "AUTOVACUUM_EVERY", 2),
        mock.patch.object(migration_steps, "STEP_TIMEOUT", 20.0),
    ):
        assert upgrade(autovacuumed) == HEAD


def test_no_writer_waits_behind_a_migration_that_waits(small: Engine) -> None:
    with ThreadPoolExecutor(1) as threads, small.connect() as holder:
        holder.execute(text("LOCK TABLE orders IN ROW EXCLUSIVE MODE"))
        with mock.patch.object(migration_steps, "STEP_TIMEOUT", 2.0), Writer(small) as writer:
            blocked = threads.submit(upgrade, small)
            with pytest.raises(MigrationBlockedError):
                blocked.result()
    assert writer.errors == []


def test_an_interrupted_migration_continues_where_it_stopped(small: Engine) -> None:
    rests = iter([None, KeyboardInterrupt()])
    with mock.patch.object(MigrationSteps, "pause", side_effect=rests), pytest.raises(KeyboardInterrupt):
        upgrade(small)
    assert unfilled(small) == 600
    assert current_revision(small) == "0003"
    with mock.patch.object(MigrationSteps, "pause") as rested:
        assert upgrade(small) == HEAD
    assert rested.call_count == 4  # Three times 200, and that there are no more.
    assert unfilled(small) == 0


def test_an_index_that_was_left_half_built_is_built_again(small: Engine) -> None:
    with small.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        duplicates = "CREATE UNIQUE INDEX CONCURRENTLY ix_of_users ON orders (currency)"
        with pytest.raises(Exception, match="duplicate"):
            connection.execute(text(duplicates))
    with small.connect() as connection:
        MigrationSteps(connection).build_index(
            "ix_of_users", "CREATE INDEX CONCURRENTLY ix_of_users ON orders (currency)"
        )
        valid = "SELECT indisvalid FROM pg_index WHERE indexrelid = 'ix_of_users'::regclass"
        assert connection.scalar(text(valid)) is True


def test_a_long_writer_on_sqlite_is_named(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path}/x.db")
    migrate_to(engine, "0003")

    with (
        engine.connect() as writer,
        mock.patch.object(migration_steps, "STEP_TIMEOUT", 0.0),
        mock.patch.object(sqlite, "LOCK_TIMEOUT", 0.2),
    ):
        writer.execute(text("UPDATE alembic_version SET version_num = version_num"))
        with pytest.raises(
            DatabaseUnavailableError, match=r"the table orders.*another process.*breakwall db upgrade"
        ):
            upgrade(engine)
    assert upgrade(engine) == HEAD
    engine.dispose()


@pytest.mark.parametrize(
    ("before", "revision"),
    [(f"{number:04d}", f"{number + 1:04d}") for number in range(1, int(HEAD))],
)
def test_a_migration_that_is_killed_before_it_stored_its_revision_continues(
    database_url: str, before: str, revision: str
) -> None:
    engine = open_engine(database_url)
    migrate_to(engine, before)
    with mock.patch.object(migrate, "HEAD", revision):
        killed = mock.patch.object(HeadMaintainer, "update_to_step", side_effect=KeyboardInterrupt)
        with killed, pytest.raises(KeyboardInterrupt):
            upgrade(engine)
        assert current_revision(engine) == before
        assert upgrade(engine) == revision
    engine.dispose()


def test_a_writer_between_a_migrations_read_and_its_write_on_sqlite_is_waited_for(sqlite_url: str) -> None:
    """It was "database is locked": what begins by reading cannot wait for a writer."""
    engine = open_engine(sqlite_url)
    migrate_to(engine, "0003")
    other = sqlite3.connect(str(engine.url.database), isolation_level=None, timeout=0.0)

    @event.listens_for(engine, "after_cursor_execute")
    def write_between(_: object, cursor: object, statement: str, *rest: object) -> None:
        if "open_before_0004" in statement and "PRAGMA" in statement:
            with suppress(sqlite3.OperationalError):
                other.executescript(
                    "CREATE TABLE IF NOT EXISTS of_others (n); INSERT INTO of_others VALUES (1)"
                )

    assert upgrade(engine) == HEAD
    other.close()
    engine.dispose()
