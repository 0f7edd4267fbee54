"""Short transactions on SQLite or PostgreSQL."""

import logging
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, Pool, make_url
from sqlalchemy.exc import DBAPIError, OperationalError

from breakwall.breaker import forking
from breakwall.crashpoints import reach
from breakwall.host.exhaustion import EXHAUSTION_ERRORS, exhausted_resource
from breakwall.payments.db.errors import (
    ROLLED_BACK,
    SAFE_TO_REPEAT,
    DatabaseUnavailableError,
    SchemaError,
    StaleConnectionError,
    cannot_be_made,
    commit_errors,
    driver_errors_as_unavailable,
    exhaustion_as_unavailable,
    sqlstate,
    statement_errors,
)
from breakwall.payments.db.lock_timeouts import LOCK_DEADLINE, MIN_LOCK_TIMEOUT, LockBudget
from breakwall.payments.db.postgres import open_postgresql
from breakwall.payments.db.revisions import forget_dropped
from breakwall.payments.db.sqlite import READ_ONLY, open_sqlite
from breakwall.sqlite.file import Mark, SqliteFile, sqlite_file
from breakwall.sqlite.fork import inside_sqlite
from breakwall.sqlite.writers import WriterQueue
from breakwall.urls.address import where
from breakwall.urls.databases import check_database_url

__all__ = ["Database", "DatabaseUnavailableError", "SchemaError", "open_engine"]

T = TypeVar("T")

log = logging.getLogger("breakwall.payments")

# Tries of a transaction, as long as each ends with an error that proves that nothing happened.
MAX_TRIES = 4
# Seconds before a transaction that lost a deadlock is tried again. Without the pause it could take the lock before
# the other transaction, which waits for it, wakes up.
DEADLOCK_PAUSE = 0.05
# Seconds that a transaction waits for a descriptor or memory: other threads of this process free theirs.
EXHAUSTION_TIMEOUT = 1.0
EXHAUSTION_PAUSE = 0.02  # Seconds between two tries to connect meanwhile.


class Database:
    """The orders database at a ``sqlite:///…`` or ``postgresql://…`` URL. Safe for threads, and for a fork.

    ``prepare`` is called before the first transaction, and again if SQLite's file was replaced. It raises `SchemaError`
    if the tables cannot be used, and makes a missing file if ``makes_file`` is set. A URL that is written wrongly is a
    `ValueError`, whose text does not repeat it.
    """

    def __init__(
        self,
        url: str,
        *,
        prepare: Callable[[Engine], None] | None = None,
        makes_file: bool = False,
        pool_size: int = 10,  # Connections that are kept; more are opened while more threads need one.
    ) -> None:
        check_database_url(url)
        self._file = sqlite_file(make_url(url))
        self.engine = open_engine(url, file=self._file, pool_size=pool_size)
        self._prepare = prepare or (lambda engine: None)
        self._makes_file = makes_file
        self._prepared: object = None
        self._mark: Mark = None
        self._preparing = threading.Lock()
        self._writers = self._new_writers()
        self._inherited: list[Pool] = []
        forking.remember(self)

    def __repr__(self) -> str:
        return f"Database({self.where!r})"

    @property
    def where(self) -> str:
        """Its URL without user, password and query."""
        return where(self.engine.url.render_as_string(hide_password=True))

    @property
    def prepared(self) -> object:
        """Another object after the database was replaced: what was read from it before may no longer be true."""
        return self._prepared

    def write(
        self, work: Callable[[Connection], T], *, name: str = "other", lock_budget: LockBudget | None = None
    ) -> T:
        """Run ``work`` in one transaction and commit it; ``name`` is for `crashpoints`.

        Without a budget it waits `lock_timeouts.LOCK_TIMEOUT` for locks. Raises `SchemaError` from ``prepare``, and
        `DatabaseUnavailableError` if the database does not answer or refuses; its text says whether the commit may
        have happened.
        """
        return self._run(lambda deadline: self._write_once(work, name, deadline), lock_budget)

    def read(self, work: Callable[[Connection], T], *, lock_budget: LockBudget | None = None) -> T:
        """Run ``work`` in a transaction that takes no write lock. Raises as `write` does."""
        return self._run(lambda deadline: self._read_once(work, deadline), lock_budget)

    def close(self) -> None:
        """Close every idle connection. The database can be used again afterwards."""
        forking.notice()
        with inside_sqlite(self._file):
            self.engine.dispose()

    def after_fork(self) -> None:
        """In a forked child: leave the connections to the process that opened them."""
        # The reference stays: a pool that is collected closes its connections, and so ends them for the parent.
        self._inherited.append(self.engine.pool)
        self.engine.dispose(close=False)
        self._preparing = threading.Lock()
        self._writers = self._new_writers()

    def _new_writers(self) -> WriterQueue | None:
        return WriterQueue() if self.engine.dialect.name == "sqlite" else None

    def _run(self, transaction: Callable[[float], T], lock_budget: LockBudget | None) -> T:
        forking.notice()
        with (
            driver_errors_as_unavailable(self.engine.url),
            (lock_budget or LockBudget()).deadline() as deadline,
            exhaustion_as_unavailable(self.engine.url.database),
            inside_sqlite(self._file),
        ):
            self._ensure_prepared(deadline)
            deadline = max(deadline, time.monotonic() + MIN_LOCK_TIMEOUT)
            tries = 1
            while True:
                try:
                    return transaction(deadline)
                except (StaleConnectionError, DBAPIError) as error:
                    if tries == MAX_TRIES or not self._may_repeat(error):
                        raise
                    tries += 1

    def _may_repeat(self, error: StaleConnectionError | DBAPIError) -> bool:
        """Whether nothing has happened, and the cause may be gone."""
        if isinstance(error, StaleConnectionError):
            return True  # The pool has just dropped every old connection.
        if sqlstate(error.orig) in ROLLED_BACK:
            time.sleep(DEADLOCK_PAUSE)
            return True
        return forget_dropped(self.engine, error)

    def _write_once(self, work: Callable[[Connection], T], name: str, deadline: float) -> T:
        with (
            self._turn_to_write(deadline),
            self._connect().execution_options(**{LOCK_DEADLINE: deadline}) as connection,
        ):
            with statement_errors(connection):
                result = work(connection)
            reach("before", name)
            with commit_errors():
                _commit(connection)
            self._check_file(connection)
        reach("after", name)
        return result

    def _turn_to_write(self, deadline: float) -> AbstractContextManager[None]:
        return nullcontext() if self._writers is None else self._writers.turn(deadline)

    def _read_once(self, work: Callable[[Connection], T], deadline: float) -> T:
        reading = self._connect().execution_options(**READ_ONLY, **{LOCK_DEADLINE: deadline})
        with reading as connection, statement_errors(connection):
            return work(connection)

    def _connect(self) -> Connection:
        end = time.monotonic() + EXHAUSTION_TIMEOUT
        while True:
            try:
                return self.engine.connect()
            except (OperationalError, *EXHAUSTION_ERRORS) as error:
                if exhausted_resource(error, self.engine.url.database) is None or time.monotonic() > end:
                    raise
            time.sleep(EXHAUSTION_PAUSE)

    def _check_file(self, connection: Connection) -> None:
        """Raise if the commit went into a file that was removed or replaced meanwhile: no other process reads it."""
        if self._file is None or not (change := self._file.describe_change(connection.info["files"])):
            return
        connection.invalidate()
        raise DatabaseUnavailableError(f"{change}: what was just written is lost; {SAFE_TO_REPEAT}")

    def _ensure_prepared(self, deadline: float) -> None:
        if self._is_prepared():
            return
        # Other threads wait for the thread that prepares it, at most as long as for a lock.
        if not self._preparing.acquire(timeout=max(0.0, deadline - time.monotonic())):
            raise DatabaseUnavailableError("the orders database is still being prepared; nothing was changed")
        try:
            if not self._is_prepared():
                self._prepare_it()
        except OSError as error:
            if exhausted_resource(error) is not None:
                raise
            raise cannot_be_made(error) from error
        finally:
            self._preparing.release()

    def _is_prepared(self) -> bool:
        """Whether it was prepared, and SQLite's file is still the same."""
        if self._prepared is None or self._file is None:
            return self._prepared is not None
        now = self._file.mark()
        self._mark = self._mark or now  # A missing file is made by its first use.
        return now == self._mark

    def _prepare_it(self) -> None:
        replaced = self._file if self._prepared is not None else None
        if replaced is not None:
            if replaced.mark() is None and not self._makes_file:
                raise DatabaseUnavailableError(
                    f"{replaced.path}, the orders database's file, was removed while it was in use; nothing was "
                    "changed. Put it back, or make a new one with `breakwall db upgrade`"
                )
            replaced.was_opened = False
            self.engine.dispose()
        self._prepare(self.engine)
        # The object first: a thread that sees the new mark takes no lock, and must see the new object.
        self._prepared = object()
        self._mark = self._file.mark() if self._file else None
        if replaced is not None:
            log.warning(
                "%s, the orders database's file, was removed or replaced while in use; this process continues with "
                "the file that is there now, which has none of the earlier orders unless it is a copy",
                replaced.path,
            )


# At DEBUG, SQLAlchemy logs each row that it reads.
_LOGGING_NAME = "breakwall"
logging.getLogger(f"sqlalchemy.engine.Engine.{_LOGGING_NAME}").addFilter(
    lambda record: record.levelno > logging.DEBUG
)


def open_engine(url: str, *, file: SqliteFile | None = None, pool_size: int = 10) -> Engine:
    """Make an engine for either database; each of its waits is bounded. Raises `ValueError` as `Database`.

    If SQLite's file (default: the URL's) is removed or replaced, its connections notice it.
    """
    check_database_url(url)
    parsed = make_url(url)
    options: dict[str, Any] = {"pool_size": pool_size, "max_overflow": 100, "pool_timeout": 2.0}
    options["hide_parameters"] = True  # No part of an order may be in an error's text.
    options["logging_name"] = _LOGGING_NAME
    if parsed.get_backend_name() == "sqlite":
        return open_sqlite(parsed, file or sqlite_file(parsed), **options)
    return open_postgresql(parsed, **options)


def _commit(connection: Connection) -> None:
    try:
        connection.commit()
    except BaseException:
        # For SQLAlchemy the transaction is over. In fact it is open, and the connection's next user would continue it.
        connection.invalidate()
        raise
