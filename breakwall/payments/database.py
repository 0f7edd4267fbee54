"""Short transactions on SQLite or PostgreSQL, and one clear error when the database is not there."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, Pool, create_engine, event, make_url
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from breakwall.breaker import forking
from breakwall.crashpoints import reach

T = TypeVar("T")

BUSY_SECONDS = 5.0
"""How long a transaction waits for another one's lock: many times the length of any of ours."""


TRIES = 4
"""How often a transaction is tried of which the server has said that nothing happened."""

STEP_ASIDE = 0.05
"""Seconds that it steps aside first, so that it does not meet the other one again."""

SACRIFICED = {"40P01", "40001"}
"""PostgreSQL's codes for a transaction that it ended for the sake of another one (deadlock, serialization)."""


class DatabaseUnavailableError(Exception):
    """The orders database does not answer, or refuses: nothing was accepted or changed by this call."""


class SchemaError(Exception):
    """The database's tables are not those of this version."""


class Database:
    """The orders database. Safe for threads, and for a fork.

    Args:
        url: an SQLAlchemy URL, ``sqlite:///…`` or ``postgresql://…``.
        prepare: called once with the engine before the first transaction; raises `SchemaError` when the
            tables are not usable.
        pool_size: connections that are kept; more are opened while more threads ask.
    """

    def __init__(
        self, url: str, *, prepare: Callable[[Engine], None] | None = None, pool_size: int = 10
    ) -> None:
        self.engine = open_engine(url, pool_size=pool_size)
        self._prepare = prepare
        self._preparing = threading.Lock()
        self._inherited: list[Pool] = []
        forking.remember(self)

    def __repr__(self) -> str:
        return f"Database({self.engine.url.render_as_string(hide_password=True)!r})"

    def write(self, work: Callable[[Connection], T], *, name: str = "other") -> T:
        """Run ``work`` in one transaction and commit it; ``name`` is for `crashpoints`.

        Raises:
            DatabaseUnavailableError: the database cannot be reached; nothing is known to be committed.
            SchemaError: from ``prepare``.
        """
        return self._run(lambda: self._commit(work, name))

    def read(self, work: Callable[[Connection], T]) -> T:
        """Run ``work`` in a transaction that takes no write lock. Raises as `write` does."""
        return self._run(lambda: self._look(work))

    def close(self) -> None:
        """Close every idle connection. The database can be used again afterwards."""
        forking.notice()
        self.engine.dispose()

    def after_fork(self) -> None:
        """In a forked child: leave the connections to the process that opened them."""
        # Kept alive: closing a connection here would end it for the parent.
        self._inherited.append(self.engine.pool)
        self.engine.dispose(close=False)
        self._preparing = threading.Lock()

    def _run(self, transaction: Callable[[], T]) -> T:
        forking.notice()
        try:
            self._prepare_once()
            return _again_where_nothing_happened(transaction)
        except (OperationalError, InterfaceError, PoolTimeoutError, _StaleConnectionError) as error:
            raise DatabaseUnavailableError(_reason(error, "does not answer")) from error
        except (IntegrityError, DataError):
            raise
        # It answers and refuses: it is read-only, the tables are another user's, the file is no database.
        except DBAPIError as error:
            raise DatabaseUnavailableError(_reason(error, "cannot be used")) from error

    def _commit(self, work: Callable[[Connection], T], name: str) -> T:
        with self.engine.connect() as connection:
            with _noticing_a_stale_connection():
                result = work(connection)
            reach("before", name)
            with _doubting_the_commit():
                connection.commit()
        reach("after", name)
        return result

    def _look(self, work: Callable[[Connection], T]) -> T:
        looking = self.engine.connect().execution_options(sqlite_begin="DEFERRED")
        with looking as connection, _noticing_a_stale_connection():
            return work(connection)

    def _prepare_once(self) -> None:
        if self._prepare is None:
            return
        with self._preparing:
            if self._prepare is not None:
                self._prepare(self.engine)
                self._prepare = None


class _StaleConnectionError(Exception):
    pass


def _again_where_nothing_happened(transaction: Callable[[], T]) -> T:
    for _ in range(TRIES - 1):
        try:
            return transaction()
        except _StaleConnectionError:
            # The server restarted since the pool last spoke to it. Nothing reached a commit, and the pool
            # has just dropped every old connection.
            pass
        except OperationalError as error:
            if getattr(error.orig, "sqlstate", None) not in SACRIFICED:
                raise
            # At once, it could take again what the other one waits for, before that one has woken up.
            time.sleep(STEP_ASIDE)
    return transaction()


@contextmanager
def _noticing_a_stale_connection() -> Iterator[None]:
    try:
        yield
    except DBAPIError as error:
        if error.connection_invalidated:
            raise _StaleConnectionError(str(error.orig)) from error
        raise


@contextmanager
def _doubting_the_commit() -> Iterator[None]:
    # Not a stale connection to try again on: what was sent may have been committed.
    try:
        yield
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) in SACRIFICED:
            raise  # It has said so itself: nothing was committed.
        raise DatabaseUnavailableError(
            "the orders database went away during a commit, which may have happened or not; "
            "doing the same again, with the same idempotency key, is safe"
        ) from error


def open_engine(url: str, *, pool_size: int = 10) -> Engine:
    """Make an engine whose every wait is bounded, for either database."""
    parsed = make_url(url)
    # What a customer ordered is no part of an error's text.
    options = {"pool_size": pool_size, "max_overflow": 100, "pool_timeout": 2.0, "hide_parameters": True}
    if parsed.get_backend_name() == "sqlite":
        return _immediate(create_engine(parsed, connect_args={"timeout": BUSY_SECONDS}, **options))
    return create_engine(parsed, connect_args=_postgresql_bounds(), **options)


def _immediate(engine: Engine) -> Engine:
    """Begin with ``BEGIN IMMEDIATE``: a deferred one fails instead of waiting when it comes to write."""

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, record: object) -> None:
        connection.isolation_level = None  # The driver begins nothing by itself.
        _write_ahead(connection)
        for pragma in ("synchronous=FULL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        mode = connection.get_execution_options().get("sqlite_begin", "IMMEDIATE")
        connection.exec_driver_sql(f"BEGIN {mode}")

    return engine


def _write_ahead(connection: sqlite3.Connection) -> None:
    # The one statement that does not always wait for a lock by itself: of several processes that meet over
    # a new file, one may be told "database is locked" at once.
    end = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError:
            if time.monotonic() > end:
                raise
            time.sleep(0.01)
        else:
            return


def _postgresql_bounds() -> dict[str, Any]:
    # A host that vanishes without a word is noticed by TCP after about five seconds.
    return {
        # A server made without a locale (SQL_ASCII) would answer in bytes.
        "client_encoding": "utf8",
        "connect_timeout": 3,
        "options": "-c statement_timeout=30000 -c lock_timeout=5000"
        " -c idle_in_transaction_session_timeout=30000",
        "tcp_user_timeout": 5000,
        "keepalives_idle": 5,
        "keepalives_interval": 2,
        "keepalives_count": 2,
    }


def _reason(error: Exception, what: str) -> str:
    # The driver's message names host and user, never the password; the statement stays out of it.
    cause = getattr(error, "orig", None) or error
    first = next(iter(str(cause).strip().splitlines()), type(cause).__name__)
    return f"the orders database {what} ({first}); nothing was changed. Check BREAKWALL_DATABASE_URL."
