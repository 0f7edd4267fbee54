"""SQLite as the orders database: one writer at a time, and a file that somebody may take away.

SQLite goes on writing into a file that was removed or replaced under it, and nobody finds what it writes there. So
each connection knows which files it has open, and they are compared with those at the path.
"""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import DisconnectionError

from breakwall.payments.patience import BUSY_SECONDS, DEADLINE

BEGIN = "sqlite_begin"
"""An option of a connection: how its transaction begins, ``IMMEDIATE`` where it is not set."""

_ENOUGH = 0.05
"""Seconds by which a connection's patience may differ from what it should be."""

Marks = tuple[tuple[int, int] | None, ...]
"""Device and inode of the database, of its log and of its index; None for one that is not there."""


class SqliteFile:
    """The file of a database, as it is at its path now.

    Attributes:
        path: where it is.
        known: it has been opened there, so that it is not made when it is missing.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.known = False

    def marks(self) -> Marks:
        return tuple(_mark(self.path + ending) for ending in ("", "-wal", "-shm"))

    def mark(self) -> tuple[int, int] | None:
        """Of the database alone; None where it is missing."""
        return _mark(self.path)

    def what_happened(self, opened: Marks) -> str | None:
        """In words, if what was opened is not what is there now."""
        if opened == (now := self.marks()):
            return None
        for ending, before, after in zip(("", "-wal", "-shm"), opened, now, strict=True):
            if before is not None and before != after:
                return f"{self.path}{ending} was {'removed' if after is None else 'replaced'} while it was in use"
        return None


def file_of(url: URL) -> SqliteFile | None:
    """The file that the URL names; None for another database, or one in memory."""
    if url.get_backend_name() != "sqlite" or not url.database or url.database == ":memory:" or url.query:
        return None
    # As the driver reads it, once and for all: a process may change its working folder.
    return SqliteFile(os.path.abspath(url.database))  # noqa: PTH100 - a link may be given another target


def open_sqlite(url: URL, file: SqliteFile | None, **options: Any) -> Engine:
    """An engine that begins with ``BEGIN IMMEDIATE``: a deferred one fails instead of waiting when it comes to write.

    Its connections notice when they are used that ``file`` is not the one any more that they have open.
    """
    engine = create_engine(url, connect_args={"timeout": BUSY_SECONDS}, **options)
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", _begin)
    if file is not None:
        _watch(engine, file)
    return engine


def make_private(path: Path) -> None:
    """Make an empty file that only its owner may read, unless there is one.

    SQLite gives the files beside it the same rights.
    """
    # Not opened: closing it would give up the locks that SQLite has in this process. SQLite says what is wrong.
    with suppress(OSError):
        os.mknod(path, 0o600)


def _watch(engine: Engine, file: SqliteFile) -> None:
    @event.listens_for(engine, "do_connect")
    def open_file(dialect: object, record: object, args: list[Any], options: dict[str, Any]) -> None:
        if file.known:
            # Another file is for whoever prepares the database to make.
            args[0], options["uri"] = f"file:{quote(file.path)}?mode=rw", True
        else:
            make_private(Path(file.path))

    @event.listens_for(engine, "connect")
    def opened(connection: object, record: Any) -> None:
        record.info["files"] = file.marks()
        file.known = True

    @event.listens_for(engine, "checkout")
    def is_it_still_there(connection: object, record: Any, proxy: object) -> None:
        if file.what_happened(record.info["files"]):
            raise DisconnectionError


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
            connection.execute("PRAGMA journal_mode=WAL")
            # SQLite opens the files of the log when it first reads.
            connection.execute("SELECT 1 FROM sqlite_master LIMIT 1")
        except sqlite3.OperationalError:
            if time.monotonic() > end:
                raise
            time.sleep(0.01)
        else:
            break
    connection.execute(f"PRAGMA busy_timeout = {int(BUSY_SECONDS * 1000)}")


def _begin(connection: Connection) -> None:
    options = connection.get_execution_options()
    patience = BUSY_SECONDS
    if (deadline := options.get(DEADLINE)) is not None:
        patience = max(0.0, deadline - time.monotonic())
    if abs(connection.info["patience"] - patience) > _ENOUGH:
        connection.exec_driver_sql(f"PRAGMA busy_timeout = {int(patience * 1000)}")
        connection.info["patience"] = patience
    connection.exec_driver_sql(f"BEGIN {options.get(BEGIN, 'IMMEDIATE')}")


def _mark(path: str) -> tuple[int, int] | None:
    try:
        found = os.stat(path)  # noqa: PTH116 - three times as fast, at each transaction
    except OSError:
        return None
    return found.st_dev, found.st_ino
