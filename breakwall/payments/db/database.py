"""Short transactions on SQLite or PostgreSQL, and one clear error when the database is not there."""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from sqlalchemy import URL, Connection, Engine, Pool, make_url
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from breakwall.breaker import forking
from breakwall.crashpoints import reach
from breakwall.host.exhaustion import SHORTAGES, lack_of
from breakwall.payments.db.lock_timeouts import BUSY_SECONDS, DEADLINE, LEAST_SECONDS, Patience
from breakwall.payments.db.optional_tables import forget_lost_tables
from breakwall.payments.db.postgres import open_postgresql
from breakwall.payments.db.sqlite import BEGIN, open_sqlite
from breakwall.sqlite.file import SqliteFile, file_of
from breakwall.sqlite.fork import inside_sqlite
from breakwall.urls import check_database_url, where

__all__ = [
    "BUSY_SECONDS",
    "Database",
    "DatabaseUnavailableError",
    "Patience",
    "SchemaError",
    "encoding_of",
    "open_engine",
    "telling_shortages",
]

T = TypeVar("T")

log = logging.getLogger("breakwall.payments")

TRIES = 4
"""How often a transaction is tried of which the server has said that nothing happened."""

LACK_SECONDS = 1.0
"""How long a transaction waits for a descriptor or memory that this process has none of: others give theirs back."""

LACK_PAUSE = 0.02
"""Seconds between two looks whether there is one."""

STEP_ASIDE = 0.05
"""Seconds that it steps aside first, so that it does not meet the other one again."""

SACRIFICED = {"40P01", "40001"}
"""PostgreSQL's codes for a transaction that it ended for the sake of another one (deadlock, serialization)."""


DISK_FULL = "53100"
"""PostgreSQL's code where there is no room on its disk. It may also end for that, and does not answer then."""

UNSTORABLE = {"22P05", "22021", "22001"}
"""PostgreSQL's codes for a text that a database of another encoding than UTF-8 has no room for."""


_OF_POOLERS = {
    "statement pooling mode": "Set PgBouncer's pool_mode to transaction: an order is more than one statement.",
    "query_wait_timeout": (
        "Either PostgreSQL is away, or PgBouncer's pool has no connection to it left: give it more "
        "(default_pool_size); in session mode it needs one for each connection of every process."
    ),
}
"""What a pooler says, by a part of it, and what to do then."""


class DatabaseUnavailableError(Exception):
    """The orders database does not answer, or refuses: nothing was accepted or changed by this call.

    Attributes:
        lack: what this process has none left of, where that is why: file descriptors, memory, ….
    """

    lack: str | None = None


class SchemaError(DatabaseUnavailableError):
    """The database's tables are not ones that this version can work with; nothing was accepted or changed."""


class Database:
    """The orders database. Safe for threads, and for a fork.

    Args:
        url: an SQLAlchemy URL, ``sqlite:///…`` or ``postgresql://…``.
        prepare: called with the engine before the first transaction, and again where SQLite's file is another one
            than before; raises `SchemaError` when the tables are not usable.
        makes_file: ``prepare`` makes SQLite's file where it is missing.
        pool_size: connections that are kept; more are opened while more threads ask.
    """

    def __init__(
        self,
        url: str,
        *,
        prepare: Callable[[Engine], None] | None = None,
        makes_file: bool = False,
        pool_size: int = 10,
    ) -> None:
        check_database_url(url)
        self._file = file_of(make_url(url))
        self.engine = _open(url, self._file, pool_size)
        self._prepare = prepare or (lambda engine: None)
        self._makes_file = makes_file
        self._prepared: Prepared | None = None
        self._preparing = threading.Lock()
        self._inherited: list[Pool] = []
        forking.remember(self)

    def __repr__(self) -> str:
        return f"Database({where(self.engine.url.render_as_string(hide_password=True))!r})"

    @property
    def prepared(self) -> object:
        """Another object whenever the database is another one than before: what was read from it is not known now."""
        return self._prepared

    def write(
        self, work: Callable[[Connection], T], *, name: str = "other", patience: Patience | None = None
    ) -> T:
        """Run ``work`` in one transaction and commit it; ``name`` is for `crashpoints`.

        Args:
            patience: what is left of it is waited for locks; `BUSY_SECONDS` where there is none.

        Raises:
            DatabaseUnavailableError: the database cannot be reached; nothing is known to be committed.
            SchemaError: from ``prepare``.
        """
        return self._run(lambda deadline: self._commit(work, name, deadline), patience)

    def read(self, work: Callable[[Connection], T], *, patience: Patience | None = None) -> T:
        """Run ``work`` in a transaction that takes no write lock. Raises as `write` does."""
        return self._run(lambda deadline: self._look(work, deadline), patience)

    def close(self) -> None:
        """Close every idle connection. The database can be used again afterwards."""
        forking.notice()
        with inside_sqlite(self._file):
            self.engine.dispose()

    def after_fork(self) -> None:
        """In a forked child: leave the connections to the process that opened them."""
        # Kept alive: closing a connection here would end it for the parent.
        self._inherited.append(self.engine.pool)
        self.engine.dispose(close=False)
        self._preparing = threading.Lock()

    def _run(self, transaction: Callable[[float], T], patience: Patience | None) -> T:
        forking.notice()
        try:
            with (
                (patience or Patience()).spent() as deadline,
                telling_shortages(self.engine.url.database),
                inside_sqlite(self._file),
            ):
                self._get_ready(deadline)
                deadline = max(deadline, time.monotonic() + LEAST_SECONDS)
                return _again_where_nothing_happened(
                    lambda: self._noticing_lost_tables(lambda: transaction(deadline))
                )
        except (OperationalError, InterfaceError, PoolTimeoutError, _StaleConnectionError) as error:
            raise DatabaseUnavailableError(_reason(error, "does not answer", self.engine.url)) from error
        except (IntegrityError, DataError):
            raise
        # It answers and refuses: it is read-only, the tables are another user's, the file is no database.
        except DBAPIError as error:
            raise DatabaseUnavailableError(_reason(error, "cannot be used", self.engine.url)) from error

    def _noticing_lost_tables(self, transaction: Callable[[], T]) -> T:
        try:
            return transaction()
        except DBAPIError as error:
            if not forget_lost_tables(self.engine, error):
                raise
        return transaction()

    def _commit(self, work: Callable[[Connection], T], name: str, deadline: float) -> T:
        with self._connect().execution_options(**{DEADLINE: deadline}) as connection:
            with _noticing_what_is_wrong(connection):
                result = work(connection)
            reach("before", name)
            with _doubting_the_commit():
                _commit(connection)
            self._check_that_it_is_kept(connection)
        reach("after", name)
        return result

    def _look(self, work: Callable[[Connection], T], deadline: float) -> T:
        looking = self._connect().execution_options(**{BEGIN: "DEFERRED", DEADLINE: deadline})
        with looking as connection, _noticing_what_is_wrong(connection):
            return work(connection)

    def _connect(self) -> Connection:
        end = time.monotonic() + LACK_SECONDS
        while True:
            try:
                return self.engine.connect()
            except (OperationalError, *SHORTAGES) as error:
                if lack_of(error, self.engine.url.database) is None or time.monotonic() > end:
                    raise
            time.sleep(LACK_PAUSE)

    def _check_that_it_is_kept(self, connection: Connection) -> None:
        if self._file is None or not (told := self._file.what_happened(connection.info["files"])):
            return
        # Nobody else sees what is written through it.
        connection.invalidate()
        raise DatabaseUnavailableError(
            f"{told}: nothing that was written just now is kept. Doing the same again, with the same idempotency "
            "key, is safe"
        )

    def _get_ready(self, deadline: float) -> None:
        if self._prepared is not None and not self._prepared.is_over():
            return
        # Others wait for whoever prepares it, and no longer than for a lock.
        if not self._preparing.acquire(timeout=max(0.0, deadline - time.monotonic())):
            raise DatabaseUnavailableError("the orders database is still being prepared; nothing was changed")
        try:
            if self._prepared is None or self._prepared.is_over():
                self._prepare_it()
        except OSError as error:
            if lack_of(error) is not None:
                raise
            raise DatabaseUnavailableError(_cannot_be_made(error)) from error
        finally:
            self._preparing.release()

    def _prepare_it(self) -> None:
        if self._prepared is not None and self._file is not None:
            if self._file.mark() is None and not self._makes_file:
                raise DatabaseUnavailableError(
                    f"{self._file.path}, the orders database's file, was removed while it was in use; nothing was "
                    "changed. Put it back, or make a new one with `breakwall db upgrade`"
                )
            self._file.known = False
            self.engine.dispose()
        again = self._prepared is not None
        self._prepare(self.engine)
        self._prepared = Prepared(self._file)
        if again and self._file is not None:
            log.warning(
                "%s, the orders database's file, was removed or replaced while in use; this process goes on with "
                "the one that is there now, which has none of the orders of before unless it is a copy",
                self._file.path,
            )


class Prepared:
    """That a database was prepared, and which file it was then."""

    def __init__(self, file: SqliteFile | None) -> None:
        self._file = file
        self._mark = file.mark() if file else None

    def is_over(self) -> bool:
        """Whether the file is missing, or another one. One that was missing and is made by its first use is not."""
        if self._file is None:
            return False
        now = self._file.mark()
        if self._mark is None:
            self._mark = now
        return now != self._mark


def encoding_of(connection: Connection) -> str:
    """How the database encodes texts: ``UTF8``, unless it was made without it on PostgreSQL."""
    return str(connection.info.get("encoding", "UTF8"))


class _StaleConnectionError(Exception):
    pass


@contextmanager
def telling_shortages(file: str | None = None) -> Iterator[None]:
    """What this machine has run out of comes out as a `DatabaseUnavailableError`, which every caller can take.

    Args:
        file: of the SQLite database that is used, if one is.
    """
    try:
        yield
    except (DBAPIError, *SHORTAGES) as error:
        lack = lack_of(error, file)
        if lack is None:
            raise
        told = DatabaseUnavailableError(
            f"this process has no {lack} left. What was to be done may have happened or not; "
            "doing the same again, with the same idempotency key, is safe"
        )
        told.lack = lack
        raise told from error


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
def _noticing_what_is_wrong(connection: Connection) -> Iterator[None]:
    encoding = encoding_of(connection)
    try:
        yield
    except DataError as error:
        if encoding == "UTF8" or getattr(error.orig, "sqlstate", None) not in UNSTORABLE:
            raise
        raise DatabaseUnavailableError(_unstorable(error, encoding)) from error
    except DBAPIError as error:
        if error.connection_invalidated:
            raise _StaleConnectionError(str(error.orig)) from error
        raise


def _commit(connection: Connection) -> None:
    try:
        connection.commit()
    except BaseException:
        # SQLAlchemy takes the transaction for ended, and would give the connection to the next one with it still open.
        connection.invalidate()
        raise


@contextmanager
def _doubting_the_commit() -> Iterator[None]:
    # Not a stale connection to try again on: what was sent may have been committed.
    try:
        yield
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) in SACRIFICED:
            raise  # It has said so itself: nothing was committed.
        if lack_of(error) is not None:
            raise  # `telling_shortages` says the same of it, and what is lacking
        raise DatabaseUnavailableError(
            "the orders database went away during a commit, which may have happened or not; "
            "doing the same again, with the same idempotency key, is safe"
        ) from error


def open_engine(url: str, *, pool_size: int = 10) -> Engine:
    """Make an engine whose every wait is bounded, for either database.

    Raises:
        ValueError: the URL is written wrongly; the error says what would be right and nothing of the URL.
    """
    check_database_url(url)
    return _open(url, file_of(make_url(url)), pool_size)


def _open(url: str, file: SqliteFile | None, pool_size: int) -> Engine:
    parsed = make_url(url)
    # What a customer ordered is no part of an error's text.
    options: dict[str, Any] = {
        "pool_size": pool_size,
        "max_overflow": 100,
        "pool_timeout": 2.0,
        "hide_parameters": True,
    }
    if parsed.get_backend_name() == "sqlite":
        return open_sqlite(parsed, file, **options)
    return open_postgresql(parsed, **options)


def _reason(error: Exception, what: str, url: URL) -> str:
    # The driver's message names host and user, never the password; the statement stays out of it.
    cause = getattr(error, "orig", None) or error
    first = next(iter(str(cause).strip().splitlines()), type(cause).__name__)
    if url.username and not url.password:
        first = first.replace(url.username, "…")  # who leaves the user out writes the password there
    if getattr(cause, "sqlstate", None) == DISK_FULL:
        return f"the orders database has no room on its disk ({first}); nothing was changed. Make some on its server."
    return f"the orders database {what} ({first}); nothing was changed. {_advice(cause, first, url)}"


def _advice(cause: object, told: str, url: URL) -> str:
    if getattr(cause, "sqlite_errorcode", 0) & 0xFF not in _RIGHTS:
        return next(
            (said for word, said in _OF_POOLERS.items() if word in told), "Check BREAKWALL_DATABASE_URL."
        )
    # Nobody may have named it: it is in the data folder then.
    return (
        f"Check that this user may write {url.database} and its folder (BREAKWALL_DATABASE_URL, or "
        "BREAKWALL_DATA_DIR without one)."
    )


_RIGHTS = {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM}
"""SQLite's codes for a file that this process may not use, whatever else they stand for."""


def _cannot_be_made(error: OSError) -> str:
    where = f"{error.filename}: " if error.filename else ""
    why = error.strerror or type(error).__name__
    return (
        f"the orders database cannot be made ({where}{why}); nothing was changed. Check BREAKWALL_DATA_DIR."
    )


def _unstorable(error: DataError, encoding: str) -> str:
    first = next(iter(str(error.orig).strip().splitlines()), "it does not fit")
    return (
        f"the orders database cannot hold a text ({first}), because its encoding is {encoding}; nothing was changed. "
        "Move it to a database that is made with ENCODING 'UTF8'"
    )
