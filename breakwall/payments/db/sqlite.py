"""SQLite as the orders database: one writer at a time; each waits for the one before it."""

from __future__ import annotations

import functools
import logging
import sqlite3
import time
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event

from breakwall.payments.db.lock_timeouts import LOCK_DEADLINE, LOCK_TIMEOUT
from breakwall.sqlite.file import SqliteFile, watch_file

log = logging.getLogger("breakwall.payments")

BEGIN = "sqlite_begin"
"""An option of a connection: how its transaction begins, ``IMMEDIATE`` if it is not set."""

READ_ONLY = {BEGIN: "DEFERRED"}
"""Options of a connection that only reads: it waits for no writer of SQLite."""

_TOLERANCE = 0.05
"""Seconds by which a connection's timeout may differ from the right one: setting it is a statement of its own."""


def open_sqlite(url: URL, file: SqliteFile | None, **options: Any) -> Engine:
    """An engine that begins with ``BEGIN IMMEDIATE``: a deferred transaction would fail, not wait, at its first write.

    Its connections notice at their next use that ``file`` was removed or replaced.
    """
    engine = create_engine(url, connect_args={"timeout": LOCK_TIMEOUT}, **options)
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", _begin)
    if file is not None:
        watch_file(engine, file)
    return engine


def _prepare(connection: Any, record: Any) -> None:
    connection.isolation_level = None  # The driver begins nothing by itself.
    _write_ahead(connection)
    for pragma in ("synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")
    record.info["lock_timeout"] = LOCK_TIMEOUT


def _write_ahead(connection: sqlite3.Connection) -> None:
    # The one statement that does not always wait for a lock by itself: if several processes open a new file at the
    # same time, one may get "database is locked" at once.
    end = time.monotonic() + LOCK_TIMEOUT
    connection.execute("PRAGMA busy_timeout = 10")
    while True:
        try:
            (mode,) = connection.execute("PRAGMA journal_mode=WAL").fetchone()
            # SQLite opens the files of the log when it first reads.
            connection.execute("SELECT 1 FROM sqlite_master LIMIT 1")
        except sqlite3.OperationalError:
            if time.monotonic() > end:
                raise
            time.sleep(0.01)
        else:
            break
    connection.execute(f"PRAGMA busy_timeout = {int(LOCK_TIMEOUT * 1000)}")
    if mode not in {"wal", "memory"}:
        _warn_without_log()


@functools.cache  # Once a process, not with each connection.
def _warn_without_log() -> None:
    log.warning(
        "SQLite cannot keep its write-ahead log where the orders database is, as on a network's file system: "
        "readers may hold up writers. Put it on a local disk (BREAKWALL_DATA_DIR, BREAKWALL_DATABASE_URL)"
    )


def _begin(connection: Connection) -> None:
    options = connection.get_execution_options()
    timeout = LOCK_TIMEOUT
    if (deadline := options.get(LOCK_DEADLINE)) is not None:
        timeout = max(0.0, deadline - time.monotonic())
    if abs(connection.info["lock_timeout"] - timeout) > _TOLERANCE:
        connection.exec_driver_sql(f"PRAGMA busy_timeout = {int(timeout * 1000)}")
        connection.info["lock_timeout"] = timeout
    connection.exec_driver_sql(f"BEGIN {options.get(BEGIN, 'IMMEDIATE')}")
