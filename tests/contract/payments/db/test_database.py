"""Transactions that hold, and one clear error when the database is not there."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
from sqlalchemy import Connection, text

from breakwall.breaker import store_from_url
from breakwall.migrations import HEAD
from breakwall.payments.db.database import Database, DatabaseUnavailableError
from breakwall.payments.db.migrate import upgrade
from tests.servers import PostgresServer

INCREMENT = """
import sys
import threading
import time
from sqlalchemy import text
from breakwall.payments.db.database import Database

database = Database(sys.argv[1])
lock = " FOR UPDATE" if "postgres" in sys.argv[1] else ""

def increment(connection):
    seen = connection.scalar(text("SELECT n FROM counter" + lock))
    connection.execute(text("UPDATE counter SET n = :n"), {"n": seen + 1})

for _ in range(100):
    database.write(increment, name="test")
"""


def count(connection: Connection) -> int:
    return int(connection.scalar(text("SELECT n FROM counter")) or 0)


def with_counter(url: str) -> Database:
    database = Database(url)
    database.write(
        lambda connection: connection.execute(text("CREATE TABLE counter (n INTEGER)")), name="test"
    )
    database.write(lambda connection: connection.execute(text("INSERT INTO counter VALUES (0)")), name="test")
    return database


def test_four_processes_read_and_write_without_an_error_or_a_lost_update(database_url: str) -> None:
    database = with_counter(database_url)
    writers = [subprocess.Popen([sys.executable, "-c", INCREMENT, database_url]) for _ in range(4)]
    assert [writer.wait(60) for writer in writers] == [0, 0, 0, 0]
    assert database.read(count) == 400
    database.close()


def test_a_transaction_that_fails_changes_nothing(database_url: str) -> None:
    database = with_counter(database_url)

    def fail(connection: Connection) -> None:
        connection.execute(text("UPDATE counter SET n = 7"))
        raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError):
        database.write(fail, name="test")
    assert database.read(count) == 0
    database.close()


def test_a_restarted_server_is_not_noticed(postgres_server: PostgresServer, postgres_url: str) -> None:
    database = with_counter(postgres_url)
    postgres_server.restart()
    assert database.read(count) == 0
    database.close()


def test_of_two_transactions_that_wait_for_each_other_both_are_done(postgres_url: str) -> None:
    database = with_counter(postgres_url)
    database.write(lambda connection: connection.execute(text("INSERT INTO counter VALUES (100)")))
    first_try = Barrier(2)

    def take(one: str, other: str) -> Callable[[Connection], None]:
        tries = iter([first_try.wait])

        def work(connection: Connection) -> None:
            raise_by_one = text(f"UPDATE counter SET n = n + 1 WHERE n {one} 50")
            connection.execute(raise_by_one)
            next(tries, lambda: None)()
            connection.execute(text(f"UPDATE counter SET n = n + 1 WHERE n {other} 50"))

        return work

    with ThreadPoolExecutor(2) as pool:
        done = [pool.submit(database.write, take(*which)) for which in (("<", ">"), (">", "<"))]
        assert [future.result() for future in done] == [None, None]
    total = database.read(lambda connection: connection.scalar(text("SELECT sum(n) FROM counter")))
    assert total == 104


def test_a_server_that_is_down_is_one_clear_error_without_the_password() -> None:
    database = Database("postgresql+psycopg://user:hunter2@127.0.0.1:1/nowhere")
    with pytest.raises(DatabaseUnavailableError) as unavailable:
        database.read(count)
    assert "BREAKWALL_DATABASE_URL" in str(unavailable.value)
    assert "hunter2" not in str(unavailable.value) + repr(database)


def test_a_sqlite_folder_that_is_not_there_is_the_same_error(tmp_path: Path) -> None:
    with pytest.raises(DatabaseUnavailableError):
        Database(f"sqlite:///{tmp_path}/missing/x.db").read(count)


def test_a_reader_does_not_wait_for_a_writer_on_sqlite(sqlite_url: str) -> None:
    database = with_counter(sqlite_url)
    writer = sqlite3.connect(sqlite_url.removeprefix("sqlite:///"), isolation_level=None)
    writer.execute("BEGIN IMMEDIATE")
    assert database.read(count) == 0
    writer.close()
    database.close()


class Contested(sqlite3.Connection):
    """A connection to a new file that several processes make ready at once: SQLite gives up twice."""

    refusals = 0

    def execute(self, sql: str, *args: Any) -> sqlite3.Cursor:
        if "journal_mode=WAL" in sql and Contested.refusals:
            Contested.refusals -= 1
            raise sqlite3.OperationalError("database is locked")
        return super().execute(sql, *args)


@pytest.mark.parametrize(
    "use",
    [
        pytest.param(with_counter, id="orders"),
        pytest.param(lambda url: store_from_url(url).load("payment"), id="breaker-store"),
    ],
)
def test_a_new_sqlite_file_is_made_ready_by_several_processes_at_once(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch, use: Callable[[str], object]
) -> None:
    monkeypatch.setattr(sqlite3.dbapi2, "connect", partial(sqlite3.connect, factory=Contested))
    monkeypatch.setattr(Contested, "refusals", 2)
    use(sqlite_url)
    assert Contested.refusals == 0


def test_a_forked_child_opens_connections_of_its_own(database_url: str) -> None:
    database = with_counter(database_url)
    child = os.fork()
    if child == 0:
        database.write(
            lambda connection: connection.execute(text("UPDATE counter SET n = n + 1")), name="test"
        )
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert database.read(count) == 1
    database.close()


def test_a_fork_waits_for_a_transaction_of_another_thread(database_url: str) -> None:
    """SQLite's child had the lock of a thread that it does not have, for good, or waited for a mutex for ever."""
    database, begun = with_counter(database_url), threading.Event()

    def slow(connection: Connection) -> None:
        connection.execute(text("UPDATE counter SET n = n + 1"))
        begun.set()
        time.sleep(0.2)

    writer = threading.Thread(target=database.write, args=(slow,))
    writer.start()
    assert begun.wait(10)
    child = os.fork()
    if child == 0:
        signal.alarm(20)
        try:
            database.write(lambda connection: connection.execute(text("UPDATE counter SET n = n + 1")))
        except BaseException:
            os._exit(1)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    writer.join()
    assert database.read(count) == 2
    database.close()


def test_a_postgresql_without_a_locale_is_as_good_as_another(postgres_server: PostgresServer) -> None:
    admin = Database(postgres_server.url("postgres"))
    with admin.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("DROP DATABASE IF EXISTS plain"))
        connection.execute(text("CREATE DATABASE plain ENCODING 'SQL_ASCII' LOCALE 'C' TEMPLATE template0"))
    plain = Database(postgres_server.url("plain"))
    assert upgrade(plain.engine) == HEAD
    plain.close()
    with admin.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("DROP DATABASE plain"))
    admin.close()


def test_a_commit_that_fails_here_leaves_no_transaction_open(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLAlchemy takes it for ended: its locks held up everybody else, and the next commit kept what was undone."""
    database, other = with_counter(database_url), Database(database_url)

    def fail(connection: object) -> None:
        raise MemoryError

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(database.engine.dialect, "do_commit", fail)
        with pytest.raises(DatabaseUnavailableError):
            database.write(lambda connection: connection.execute(text("UPDATE counter SET n = 9")))
    other.write(lambda connection: connection.execute(text("UPDATE counter SET n = n + 1")))
    database.write(lambda connection: connection.execute(text("UPDATE counter SET n = n + 1")))
    assert database.read(count) == 2
    database.close()
    other.close()
