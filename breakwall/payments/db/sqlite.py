"""SQLite as the orders database: one writer at a time; the others wait."""

import functools
import logging
import time
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event

from breakwall.payments.db.lock_timeouts import LOCK_DEADLINE, LOCK_TIMEOUT
from breakwall.sqlite.file import SqliteFile, watch_file
from breakwall.sqlite.write_ahead import use_write_ahead_log

log = logging.getLogger("breakwall.payments")

BEGIN = "sqlite_begin"  # An option of a connection: how its transaction begins; without it, `IMMEDIATE`.
READ_ONLY = {
    BEGIN: "DEFERRED"
}  # Options of a connection that only reads: it does not wait for SQLite's writer.

# Seconds by which a connection's timeout may be wrong: setting it costs a statement.
_TOLERANCE = 0.05


def open_sqlite(url: URL, file: SqliteFile | None, **options: Any) -> Engine:
    """An engine that begins with ``BEGIN IMMEDIATE``: a deferred transaction would fail at its first write, not wait.

    If ``file`` is removed or replaced, its connections notice that at their next use.
    """
    engine = create_engine(url, connect_args={"timeout": LOCK_TIMEOUT}, **options)
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", _begin)
    if file is not None:
        watch_file(engine, file)
    return engine


def _prepare(connection: Any, record: Any) -> None:
    connection.isolation_level = None  # The driver does not begin transactions.
    if use_write_ahead_log(connection, LOCK_TIMEOUT) not in {"wal", "memory"}:
        _warn_without_log()
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA foreign_keys=ON")
    record.info["lock_timeout"] = LOCK_TIMEOUT


@functools.cache  # Once in a process, not for each connection.
def _warn_without_log() -> None:
    log.warning(
        "SQLite cannot keep its write-ahead log where the orders database is, as on a network's file system: "
        "readers may delay writers. Put it on a local disk (BREAKWALL_DATA_DIR, BREAKWALL_DATABASE_URL)"
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
