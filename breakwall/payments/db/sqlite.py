"""SQLite as the orders database: one writer at a time; each waits for the one before it."""

import functools
import logging
import time
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event

from breakwall.payments.db.lock_timeouts import LOCK_DEADLINE, LOCK_TIMEOUT
from breakwall.sqlite.file import SqliteFile, watch_file
from breakwall.sqlite.write_ahead import use_write_ahead_log

log = logging.getLogger("breakwall.payments")

BEGIN = "sqlite_begin"  # An option of a connection: how its transaction begins, `IMMEDIATE` if it is not set.

READ_ONLY = {BEGIN: "DEFERRED"}  # Options of a connection that only reads: it waits for no writer of SQLite.

# Seconds by which a connection's timeout may differ from the right one: setting it is a statement of its own.
_TOLERANCE = 0.05


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
    if use_write_ahead_log(connection, LOCK_TIMEOUT) not in {"wal", "memory"}:
        _warn_without_log()
    for pragma in ("synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")
    record.info["lock_timeout"] = LOCK_TIMEOUT


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
