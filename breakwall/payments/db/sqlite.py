"""SQLite as the orders database: one writer at a time, who waits for the one before."""

from __future__ import annotations

import functools
import logging
import sqlite3
import time
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event

from breakwall.payments.db.lock_timeouts import BUSY_SECONDS, DEADLINE
from breakwall.sqlite.file import SqliteFile, watch

log = logging.getLogger("breakwall.payments")

BEGIN = "sqlite_begin"
"""An option of a connection: how its transaction begins, ``IMMEDIATE`` where it is not set."""

_ENOUGH = 0.05
"""Seconds by which a connection's patience may differ from what it should be."""


def open_sqlite(url: URL, file: SqliteFile | None, **options: Any) -> Engine:
    """An engine that begins with ``BEGIN IMMEDIATE``: a deferred one fails instead of waiting when it comes to write.

    Its connections notice when they are used that ``file`` is not the one any more that they have open.
    """
    engine = create_engine(url, connect_args={"timeout": BUSY_SECONDS}, **options)
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", _begin)
    if file is not None:
        watch(engine, file)
    return engine


def _prepare(connection: Any, record: Any) -> None:
    connection.isolation_level = None  # The driver begins nothing by itself.
    _write_ahead(connection)
    for pragma in ("synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")
    record.info["patience"] = BUSY_SECONDS


def _write_ahead(connection: sqlite3.Connection) -> None:
    # The one statement that does not always wait for a lock by itself: of several processes that meet over
    # a new file, one may be told "database is locked" at once.
    end = time.monotonic() + BUSY_SECONDS
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
    connection.execute(f"PRAGMA busy_timeout = {int(BUSY_SECONDS * 1000)}")
    if mode not in {"wal", "memory"}:
        _warn_of_no_log()


@functools.cache  # once a process, not with each connection
def _warn_of_no_log() -> None:
    log.warning(
        "SQLite cannot keep its write-ahead log where the orders database is, as on a network's file system: whoever "
        "reads may hold up who writes. Put it on a local disk (BREAKWALL_DATA_DIR, BREAKWALL_DATABASE_URL)"
    )


def _begin(connection: Connection) -> None:
    options = connection.get_execution_options()
    patience = BUSY_SECONDS
    if (deadline := options.get(DEADLINE)) is not None:
        patience = max(0.0, deadline - time.monotonic())
    if abs(connection.info["patience"] - patience) > _ENOUGH:
        connection.exec_driver_sql(f"PRAGMA busy_timeout = {int(patience * 1000)}")
        connection.info["patience"] = patience
    connection.exec_driver_sql(f"BEGIN {options.get(BEGIN, 'IMMEDIATE')}")
