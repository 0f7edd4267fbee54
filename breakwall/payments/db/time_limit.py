"""Reads that may take too long: a count of all orders is worth two seconds, and no more."""

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from breakwall.payments.db.database import Database
from breakwall.payments.db.errors import sqlstate

T = TypeVar("T")

LEAST = 0.001  # Seconds. On PostgreSQL, 0 would be no limit.
_CHECKED_EVERY = 10_000  # Instructions of SQLite's virtual machine: some tenths of a millisecond.
_CANCELED = "57014"  # PostgreSQL's code.


class TimeLimit:
    """So many seconds from now, for one read or several."""

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._end = clock() + seconds

    def read(self, database: Database, work: Callable[[Connection], T]) -> T | None:
        """What ``work``, which executes one statement, reads; None if that takes too long.

        Raises as `Database.read`.
        """

        def limited(connection: Connection) -> T:
            with self._applied(connection):
                return work(connection)

        try:
            return database.read(limited)
        except _TookTooLongError:
            return None

    @contextmanager
    def _applied(self, connection: Connection) -> Iterator[None]:
        is_sqlite = connection.dialect.name == "sqlite"
        driver = connection.connection.driver_connection if is_sqlite else None
        if isinstance(driver, sqlite3.Connection):
            driver.set_progress_handler(lambda: self._clock() > self._end, _CHECKED_EVERY)
        else:
            left = max(LEAST, self._end - self._clock())
            connection.exec_driver_sql(f"SET LOCAL statement_timeout = {int(left * 1000)}")
        try:
            yield
        except DBAPIError as error:
            if _was_interrupted(error.orig):
                raise _TookTooLongError from error
            raise
        finally:
            if isinstance(driver, sqlite3.Connection):
                driver.set_progress_handler(None, 0)


class _TookTooLongError(Exception):
    pass


def _was_interrupted(error: BaseException | None) -> bool:
    code = getattr(error, "sqlite_errorcode", None)
    return code == sqlite3.SQLITE_INTERRUPT or sqlstate(error) == _CANCELED
