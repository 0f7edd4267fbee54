"""Only one process migrates; the others wait, or give up with an error that says so."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from unittest import mock

import pytest
from sqlalchemy import Engine, text

from breakwall.migrations import HEAD
from breakwall.payments.db.database import DatabaseUnavailableError, open_engine
from breakwall.payments.db.lock_timeouts import NO_TIMEOUTS
from breakwall.payments.db.migrate import upgrade
from breakwall.payments.db.migration_lock import migration_engine, migration_lock
from breakwall.payments.db.postgres import TIMEOUTS


@pytest.fixture
def engine(postgres_url: str) -> Iterator[Engine]:
    engine = open_engine(postgres_url)
    yield engine
    engine.dispose()


def test_no_timeout_ends_the_statements_of_a_migration(engine: Engine) -> None:
    name = engine.url.database
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text(f"ALTER DATABASE {name} SET statement_timeout = '10s'"))
    with (
        migration_engine(engine) as own,
        own.connect().execution_options(**{NO_TIMEOUTS: True}) as connection,
    ):
        for timeout in (*TIMEOUTS, "tcp_user_timeout"):
            assert connection.scalar(text(f"SHOW {timeout}")) in {"0", "0ms"}
        assert own.url == engine.url


def test_a_process_that_waits_too_long_for_another_migration_says_so(database_url: str) -> None:
    engine = open_engine(database_url)
    with (
        migration_lock(engine),
        pytest.raises(DatabaseUnavailableError, match="being migrated by another process"),
    ):
        upgrade(engine, wait=0.2)
    assert upgrade(engine) == HEAD
    engine.dispose()


def test_a_process_that_waits_for_another_migration_keeps_no_transaction_open(engine: Engine) -> None:
    """Behind a pooler of few connections the migration itself would get none."""
    with ThreadPoolExecutor(3) as threads, migration_lock(engine):
        waiting = [threads.submit(upgrade, engine) for _ in range(3)]
        time.sleep(0.3)
        open_ones = text("SELECT count(*) FROM pg_stat_activity WHERE xact_start < now() - interval '0.2 s'")
        with engine.connect() as connection:
            assert connection.scalar(open_ones) == 1
    assert [future.result() for future in waiting] == [HEAD] * 3


def test_the_lock_keeps_no_snapshot(engine: Engine) -> None:
    """`CREATE INDEX CONCURRENTLY` has waited for it for ever, as the first step of revision 0008."""
    with (
        migration_lock(engine),
        engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection,
    ):
        holders = "SELECT a.backend_xmin FROM pg_locks JOIN pg_stat_activity a USING (pid)"
        here = "WHERE locktype = 'advisory' AND datname = current_database()"
        assert connection.scalars(text(f"{holders} {here}")).all() == [None]


def test_the_lock_of_a_killed_process_is_released(sqlite_url: str) -> None:
    hold = (
        "import sys, time\n"
        "from breakwall.payments.db.database import open_engine\n"
        "from breakwall.payments.db.migration_lock import migration_lock\n"
        "with migration_lock(open_engine(sys.argv[1])):\n"
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
    """`place` raised a raw `PermissionError` after root had run the last migration."""
    denied = PermissionError(errno.EACCES, "Permission denied")
    engine = open_engine(sqlite_url)
    told = r"migrate\.lock.*cannot be opened \(Permission denied\)"
    with (
        mock.patch.object(os, "open", side_effect=denied),
        pytest.raises(DatabaseUnavailableError, match=told),
    ):
        upgrade(engine)
    engine.dispose()
