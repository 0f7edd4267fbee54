"""Transactions are atomic and durable, with several threads, processes and forks."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from sqlalchemy import Connection, text

from breakwall.migrations import HEAD
from breakwall.payments.db.database import Database, DatabaseUnavailableError
from breakwall.payments.db.migrate import upgrade
from tests.contract.payments.db.counter import count, increment, with_counter
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


def test_four_processes_read_and_write_without_an_error_or_a_lost_update(database_url: str) -> None:
    database = with_counter(database_url)
    writers = [subprocess.Popen([sys.executable, "-c", INCREMENT, database_url]) for _ in range(4)]
    assert [writer.wait(60) for writer in writers] == [0, 0, 0, 0]
    assert database.read(count) == 400
    database.close()


def test_a_failed_transaction_changes_nothing(database_url: str) -> None:
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


def test_two_transactions_that_wait_for_each_other_both_succeed(postgres_url: str) -> None:
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


def test_a_forked_child_opens_connections_of_its_own(database_url: str) -> None:
    database = with_counter(database_url)
    child = os.fork()
    if child == 0:
        database.write(increment)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert database.read(count) == 1
    database.close()


def test_a_postgresql_without_a_locale_can_be_migrated(postgres_server: PostgresServer) -> None:
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


def test_a_commit_that_fails_in_this_process_leaves_no_transaction_open(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For SQLAlchemy it was over: others waited for its locks, and the next commit stored what was undone."""
    database, other = with_counter(database_url), Database(database_url)

    def fail(connection: object) -> None:
        raise MemoryError

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(database.engine.dialect, "do_commit", fail)
        with pytest.raises(DatabaseUnavailableError):
            database.write(lambda connection: connection.execute(text("UPDATE counter SET n = 9")))
    other.write(increment)
    database.write(increment)
    assert database.read(count) == 2
    database.close()
    other.close()
