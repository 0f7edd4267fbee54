"""Circuits in a table of PostgreSQL or SQLite, through an engine of SQLAlchemy that the application has made."""

import contextlib
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import DBAPIError, IntegrityError

from breakwall.breaker.sync.store_protocol import ABSENT, StoredCircuit
from breakwall.sqlite.file import SqliteFile, sqlite_file
from breakwall.sqlite.fork import inside_sqlite

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


class EngineStore:
    """An engine of the application, which also disposes of it.

    Every statement is a transaction of its own. So on SQLite an ``UPDATE`` waits for the write lock at its start, as
    ``BEGIN IMMEDIATE`` does.
    """

    remote = True

    def __init__(self, engine: Engine, file: SqliteFile | None = None) -> None:
        """``file``: the one that the engine's connections are watched by, if they are."""
        # With the same pool; its connections are as they were when they go back.
        self._engine: Engine = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._file = file or sqlite_file(engine.url)
        self._inherited: list[object] = []
        self._ready = False
        self._mark: object = None
        self._build_statements()

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
        """Do nothing: the application may still use its engine."""

    def forget_connections(self) -> None:
        # The old pool is kept: closing its connections in the child would end them for the parent too.
        self._inherited.append(self._engine.pool)
        self._engine.dispose(close=False)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._engine.dialect.name!r})"

    def _build_statements(self) -> None:
        # If the database can, a swap and its time are one statement: other processes then wait less.
        self._returns = self._engine.dialect.update_returning
        # Built once: if many processes fail together, each sends hundreds a second.
        now: sa.Label[Any] = sa.literal_column(CLOCKS[self._engine.dialect.name]).label("now")
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


def check_engine(given: Any) -> Engine:
    """``given``, if a circuit can be in its database.

    Raises:
        TypeError: it is no engine. The message says what to pass.
        ValueError: the database is another one, or SQLite in memory.
    """
    if not isinstance(given, Engine):
        raise TypeError(
            "pass a synchronous engine of SQLAlchemy, sqlalchemy.create_engine(...), "
            f"not {type(given).__name__}: the store works in a thread of its own, also for an event loop"
        )
    check_dialect(given.dialect.name)
    if given.dialect.name == "sqlite" and given.url.database in {None, "", ":memory:"}:
        raise ValueError("no other process sees a SQLite database in memory: use memory://, or a file")
    return given


def check_dialect(name: str) -> None:
    """Raise `ValueError` if circuits cannot be in a database of this kind."""
    if name not in CLOCKS:
        raise ValueError(
            "a breaker store's database should be SQLite or PostgreSQL (sqlite:///…, postgresql://…), "
            f"not {name!r}"
        )
