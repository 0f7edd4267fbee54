"""Circuits in a table of PostgreSQL or SQLite at a URL of SQLAlchemy."""

import sqlite3
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import URL, Engine, make_url
from sqlalchemy.exc import ArgumentError

from breakwall.breaker.stores.engine import EngineStore, check_dialect, circuits
from breakwall.sqlite.file import sqlite_file, watch_file
from breakwall.sqlite.fork import inside_sqlite
from breakwall.sqlite.write_ahead import use_write_ahead_log

SQLITE_BUSY_TIMEOUT = 1.0  # Seconds to wait for another writer: SQLite has one at a time.
# With these timeouts, in seconds and milliseconds, the store's thread notices a dead server.
POSTGRESQL_OPTIONS = {
    # A server made without a locale (SQL_ASCII) would answer in bytes.
    "client_encoding": "utf8",
    # A pooler may send the next statement to a server connection on which it was not prepared.
    "prepare_threshold": None,
    "connect_timeout": 2,
    "tcp_user_timeout": 2000,
    "keepalives_idle": 2,
    "keepalives_interval": 1,
    "keepalives_count": 2,
}


class SQLStore(EngineStore):
    """SQLite or PostgreSQL at an SQLAlchemy URL. Raises `ValueError` if the URL is invalid or another database's."""

    def __init__(self, url: str) -> None:
        try:
            self._url = make_url(url)
            self._file = sqlite_file(self._url)
            super().__init__(self._connect(), self._file)
        except ArgumentError:
            raise ValueError(
                "a breaker store's database should be an SQLAlchemy URL, sqlite:///… or postgresql://…"
            ) from None

    def close(self) -> None:
        with inside_sqlite(self._file):
            self._engine.dispose()

    def forget_connections(self) -> None:
        # The old engine is kept: closing its connections in the child would end them for the parent too, and on SQLite
        # could remove the write-ahead log.
        self._inherited.append(self._engine)
        self._engine = self._connect()

    def _connect(self) -> Engine:
        dialect = self._url.get_backend_name()
        check_dialect(dialect)
        engine = sa.create_engine(
            self._url,
            isolation_level="AUTOCOMMIT",
            # No transaction stays open, so a connection needs no reset.
            pool_reset_on_return=None,
            connect_args=_connect_args(self._url),
            hide_parameters=True,
        )
        if dialect == "sqlite":
            sa.event.listen(engine, "connect", _prepare_sqlite)
        if self._file is not None:
            watch_file(engine, self._file, log=False)
            sa.event.listen(engine, "connect", self._record_other_tables)
        return engine

    def _record_other_tables(self, connection: sqlite3.Connection, _record: Any) -> None:
        # A file that was removed is made anew here only if it contained the circuits and nothing else.
        others = "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name <> ?"
        if self._file is not None:
            self._file.was_opened = connection.execute(others, [circuits.name]).fetchone()[0] > 0


def _connect_args(url: URL) -> dict[str, Any]:
    if url.get_backend_name() == "sqlite":
        return {"timeout": SQLITE_BUSY_TIMEOUT}
    if url.get_backend_name() == "postgresql" and url.get_driver_name() == "psycopg":
        return {name: value for name, value in POSTGRESQL_OPTIONS.items() if name not in url.query}
    return {}


def _prepare_sqlite(connection: sqlite3.Connection, _record: Any) -> None:
    use_write_ahead_log(connection, SQLITE_BUSY_TIMEOUT)
    # No write waits for the disk. A crash of the machine may lose the last changes of a circuit, but not its integrity.
    connection.execute("PRAGMA synchronous=NORMAL")
