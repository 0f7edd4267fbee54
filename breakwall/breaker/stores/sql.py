"""Circuits in a table of PostgreSQL or SQLite, through SQLAlchemy."""

import contextlib
import sqlite3
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import URL, Connection, Engine, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError

from breakwall.breaker.sync.store_protocol import ABSENT, StoredCircuit
from breakwall.sqlite.file import sqlite_file, watch_file
from breakwall.sqlite.fork import inside_sqlite
from breakwall.sqlite.write_ahead import use_write_ahead_log

metadata = sa.MetaData()

circuits = sa.Table(
    "breakwall_circuits",
    metadata,
    sa.Column("name", sa.String(200), primary_key=True),
    sa.Column("version", sa.String(32), nullable=False),
    sa.Column("circuit", sa.Text, nullable=False),
)

# Seconds since the epoch on the database's clock, new for every statement, independent of the session's time zone.
CLOCKS = {
    "sqlite": "(julianday('now') - 2440587.5) * 86400.0",
    "postgresql": "extract(epoch from clock_timestamp())",
}

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


class SQLStore:
    """SQLite or PostgreSQL at an SQLAlchemy URL. Raises `ValueError` if the URL is invalid or another database's.

    Every statement is a transaction of its own. So on SQLite an ``UPDATE`` waits for the write lock at its start, as
    ``BEGIN IMMEDIATE`` does.
    """

    remote = True

    def __init__(self, url: str) -> None:
        try:
            self._url = make_url(url)
            self._file = sqlite_file(self._url)
            self._engine = self._connect()
        except ArgumentError:
            raise ValueError(
                "a breaker store's database should be an SQLAlchemy URL, sqlite:///… or postgresql://…"
            ) from None
        self._inherited: list[Engine] = []
        self._ready = False
        self._mark: object = None

    def load(self, name: str) -> StoredCircuit:
        try:
            return self._load(name)
        except DBAPIError as error:
            # A server, or a proxy in front of it, may have ended an idle connection; the next one is new. A load may be
            # repeated. A swap may not: perhaps only its answer was lost.
            if not error.connection_invalidated:
                raise
            return self._load(name)

    def swap(self, name: str, seen: str, version: str, text: str) -> tuple[bool, StoredCircuit]:
        with self._connection() as connection:
            written = self._write(connection, name, seen, version, text)
            if written is None:
                return False, self._read(connection, name)
            return True, StoredCircuit(version, text, written)

    def close(self) -> None:
        with inside_sqlite(self._file):
            self._engine.dispose()

    def forget_connections(self) -> None:
        # The old engine is kept: closing its connections in the child would end them for the parent too, and on SQLite
        # could remove the write-ahead log.
        self._inherited.append(self._engine)
        self._engine = self._connect()

    def __repr__(self) -> str:
        return f"SQLStore({self._url.get_backend_name()!r})"

    def _connect(self) -> Engine:
        dialect = self._url.get_backend_name()
        if dialect not in CLOCKS:
            raise ValueError(
                "a breaker store's database should be SQLite or PostgreSQL (sqlite:///…, postgresql://…), "
                f"not {dialect!r}"
            )
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
        # If the database can, a swap and its time are one statement: other processes then wait less.
        self._returns = engine.dialect.update_returning
        self._build_statements()
        return engine

    def _build_statements(self) -> None:
        # Built once: if many processes fail together, each sends hundreds a second.
        now: sa.Label[Any] = sa.literal_column(CLOCKS[self._url.get_backend_name()]).label("now")
        one = sa.select(sa.literal(1).label("one")).subquery()
        self._time = sa.select(now)
        self._row = sa.select(now, circuits.c.version, circuits.c.circuit).select_from(
            one.outerjoin(circuits, circuits.c.name == sa.bindparam("named"))
        )
        insert = circuits.insert()
        update = circuits.update().where(
            circuits.c.name == sa.bindparam("named"), circuits.c.version == sa.bindparam("seen")
        )
        self._inserted = insert.returning(now) if self._returns else insert
        self._updated = update.returning(now) if self._returns else update

    def _load(self, name: str) -> StoredCircuit:
        with self._connection() as connection:
            return self._read(connection, name)

    @contextlib.contextmanager
    def _connection(self) -> Iterator[Connection]:
        with inside_sqlite(self._file):
            try:
                if not self._ready or self._is_another_file():
                    self._make_table()
                with self._engine.connect() as connection:
                    yield connection
                self._ready = True
            except DBAPIError:
                # After any error the table may be gone: a file was replaced, or a database restored.
                self._ready = False
                raise

    def _is_another_file(self) -> bool:
        return self._file is not None and self._file.mark() != self._mark

    def _record_other_tables(self, connection: sqlite3.Connection, _record: Any) -> None:
        # A file that was removed is made anew here only if it contained the circuits and nothing else.
        others = "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name <> ?"
        if self._file is not None:
            self._file.was_opened = connection.execute(others, [circuits.name]).fetchone()[0] > 0

    def _make_table(self) -> None:
        # Two processes may make the table at the same time. The second one then gets one of several errors, and finds
        # the table.
        try:
            metadata.create_all(self._engine)
        except DBAPIError:
            if not sa.inspect(self._engine).has_table(circuits.name):
                raise
        if self._file is not None:
            self._mark = self._file.mark()

    def _read(self, connection: Connection, name: str) -> StoredCircuit:
        found = connection.execute(self._row, {"named": name}).one()
        return StoredCircuit(found.version or ABSENT, found.circuit, float(found.now))

    def _write(self, connection: Connection, name: str, seen: str, version: str, text: str) -> float | None:
        """Returns the database's time, or None if the stored version is not ``seen``."""
        new = {"version": version, "circuit": text}
        try:
            if seen == ABSENT:
                result = connection.execute(self._inserted, {"name": name, **new})
            else:
                result = connection.execute(self._updated, {"named": name, "seen": seen, **new})
        except IntegrityError:
            return None
        if self._returns:
            now = result.scalar_one_or_none()
            return None if now is None else float(now)
        if result.rowcount != 1:
            return None
        return float(connection.execute(self._time).scalar_one())


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
