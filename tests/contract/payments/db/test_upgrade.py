"""A migration beside people who go on writing, and beside one who holds what it needs."""

from __future__ import annotations

import errno
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from unittest import mock

import pytest
from alembic.runtime.migration import HeadMaintainer
from sqlalchemy import Engine, event, text

from breakwall.migrations import HEAD
from breakwall.payments.db import migrate, sqlite
from breakwall.payments.db import upgrade as upgrading
from breakwall.payments.db.database import DatabaseUnavailableError, open_engine
from breakwall.payments.db.lock_timeouts import UNBOUNDED
from breakwall.payments.db.migrate import current_revision, upgrade
from breakwall.payments.db.upgrade import MigrationBlockedError, Steps, alone, engine_for
from tests.of_0003 import Writer, fill

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


def test_a_writer_is_held_up_for_no_more_than_a_moment_by_a_migration_beside_it(engine: Engine) -> None:
    """`bench/migrate_at_size.py` shows it with millions of orders."""
    fill(engine, ORDERS, OPEN)
    with Writer(engine) as writer:
        assert upgrade(engine) == HEAD
    assert writer.errors == []
    assert len(writer.waits) > 20
    assert max(writer.waits) < 2.0  # On a busy machine; the lock itself is waited for 0.1 s.
    assert unfilled(engine) == 0


@pytest.mark.parametrize("table", ["orders", "attempts", "incidents"])
def test_a_lock_that_cannot_be_had_is_said_as_that_and_nothing_is_half_done(
    small: Engine, table: str
) -> None:
    """It was "does not answer … Check BREAKWALL_DATABASE_URL"."""
    with small.connect() as holder:
        holder.execute(text(f"LOCK TABLE {table} IN ROW EXCLUSIVE MODE"))
        pid = holder.scalar(text("SELECT pg_backend_pid()"))
        told = rf"table {table}.*server process {pid}.*idle in transaction.*breakwall db upgrade"
        with mock.patch.object(upgrading, "PATIENCE", 0.2), pytest.raises(MigrationBlockedError, match=told):
            upgrade(small)
        assert current_revision(small) == "0003"
    assert upgrade(small) == HEAD
    assert unfilled(small) == 0


def test_nobody_waits_behind_a_migration_that_waits(small: Engine) -> None:
    with ThreadPoolExecutor(1) as threads, small.connect() as holder:
        holder.execute(text("LOCK TABLE orders IN ROW EXCLUSIVE MODE"))
        with mock.patch.object(upgrading, "PATIENCE", 2.0), Writer(small) as writer:
            blocked = threads.submit(upgrade, small)
            with pytest.raises(MigrationBlockedError):
                blocked.result()
    assert writer.errors == []
    assert max(writer.waits) < 1.5


def test_a_migration_that_is_stopped_in_the_middle_goes_on_where_it_was(small: Engine) -> None:
    rests = iter([None, KeyboardInterrupt()])
    with mock.patch.object(Steps, "rest", side_effect=rests), pytest.raises(KeyboardInterrupt):
        upgrade(small)
    assert unfilled(small) == 600
    assert current_revision(small) == "0003"
    with mock.patch.object(Steps, "rest") as rested:
        assert upgrade(small) == HEAD
    assert rested.call_count == 4  # Three times 200, and that there are no more.
    assert unfilled(small) == 0


def test_no_time_out_ends_its_statements(small: Engine) -> None:
    name = small.url.database
    with small.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text(f"ALTER DATABASE {name} SET statement_timeout = '10s'"))
    with engine_for(small) as own, own.connect().execution_options(**{UNBOUNDED: True}) as connection:
        for bound in (
            "statement_timeout",
            "lock_timeout",
            "idle_in_transaction_session_timeout",
            "tcp_user_timeout",
        ):
            assert connection.scalar(text(f"SHOW {bound}")) in {"0", "0ms"}
        assert own.url == small.url


def test_one_that_migrates_keeps_others_waiting_who_say_so(database_url: str) -> None:
    engine = open_engine(database_url)
    with alone(engine), pytest.raises(DatabaseUnavailableError, match="being migrated by another process"):
        upgrade(engine, wait=0.2)
    assert upgrade(engine) == HEAD
    engine.dispose()


def test_who_waits_for_the_one_that_migrates_keeps_no_transaction_open(engine: Engine) -> None:
    """Behind a pooler of few connections the migration itself would get none."""
    with ThreadPoolExecutor(3) as threads, alone(engine):
        waiting = [threads.submit(upgrade, engine) for _ in range(3)]
        time.sleep(0.3)
        open_ones = text("SELECT count(*) FROM pg_stat_activity WHERE xact_start < now() - interval '0.2 s'")
        with engine.connect() as connection:
            assert connection.scalar(open_ones) == 1
    assert [future.result() for future in waiting] == [HEAD] * 3


def test_the_lock_of_a_process_that_was_killed_is_given_back(sqlite_url: str) -> None:
    hold = (
        "import sys, time\n"
        "from breakwall.payments.db.database import open_engine\n"
        "from breakwall.payments.db.upgrade import alone\n"
        "with alone(open_engine(sys.argv[1])):\n"
        "    print('held', flush=True)\n"
        "    time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", hold, sqlite_url], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        holder.kill()
    engine = open_engine(sqlite_url)
    assert upgrade(engine, wait=10.0) == HEAD
    engine.dispose()


def test_a_lock_file_of_another_users_is_an_unavailable_database(sqlite_url: str) -> None:
    """It came out of a `place` as a raw `PermissionError`, where root had migrated the last time."""
    denied = PermissionError(errno.EACCES, "Permission denied")
    engine = open_engine(sqlite_url)
    told = r"migrate\.lock.*cannot be opened \(Permission denied\)"
    with (
        mock.patch.object(os, "open", side_effect=denied),
        pytest.raises(DatabaseUnavailableError, match=told),
    ):
        upgrade(engine)
    engine.dispose()


def test_an_index_that_was_left_half_built_is_built_again(small: Engine) -> None:
    with small.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        duplicates = "CREATE UNIQUE INDEX CONCURRENTLY ix_of_users ON orders (currency)"
        with pytest.raises(Exception, match="duplicate"):
            connection.execute(text(duplicates))
    with small.connect() as connection:
        Steps(connection).concurrently(
            "ix_of_users", "CREATE INDEX CONCURRENTLY ix_of_users ON orders (currency)"
        )
        valid = "SELECT indisvalid FROM pg_index WHERE indexrelid = 'ix_of_users'::regclass"
        assert connection.scalar(text(valid)) is True


def test_a_sqlite_database_that_is_written_to_for_long_is_said_to_be(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path}/x.db")
    with mock.patch("breakwall.payments.db.migrate.HEAD", "0003"):
        upgrade(engine)

    with (
        engine.connect() as writer,
        mock.patch.object(upgrading, "PATIENCE", 0.0),
        mock.patch.object(sqlite, "BUSY_SECONDS", 0.2),
    ):
        writer.execute(text("UPDATE alembic_version SET version_num = version_num"))
        with pytest.raises(
            DatabaseUnavailableError, match=r"the table orders.*another process.*breakwall db upgrade"
        ):
            upgrade(engine)
    assert upgrade(engine) == HEAD
    engine.dispose()


@pytest.mark.parametrize(
    ("before", "revision"), [("0001", "0002"), ("0002", "0003"), ("0003", "0004"), ("0004", "0005")]
)
def test_one_that_is_killed_before_it_has_noted_a_revision_goes_on(
    database_url: str, before: str, revision: str
) -> None:
    engine = open_engine(database_url)
    with mock.patch.object(migrate, "HEAD", before):
        upgrade(engine)
    with mock.patch.object(migrate, "HEAD", revision):
        killed = mock.patch.object(HeadMaintainer, "update_to_step", side_effect=KeyboardInterrupt)
        with killed, pytest.raises(KeyboardInterrupt):
            upgrade(engine)
        assert current_revision(engine) == before
        assert upgrade(engine) == revision
    engine.dispose()


def test_who_writes_to_sqlite_between_a_migrations_look_and_its_write_is_waited_for(sqlite_url: str) -> None:
    """It was "database is locked": what begins by reading cannot wait for a writer."""
    engine = open_engine(sqlite_url)
    with mock.patch.object(migrate, "HEAD", "0003"):
        upgrade(engine)
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
