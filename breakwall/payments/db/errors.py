"""One error for a database that cannot be used. Its text says what the driver raised, and what to do."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import URL, Connection
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from breakwall.errors import BreakwallError, ExitCode
from breakwall.host.exhaustion import EXHAUSTION_ERRORS, exhausted_resource
from breakwall.payments.db.postgres import encoding_of

# PostgreSQL's codes for a transaction that it has rolled back because of another one: deadlock, serialization.
ROLLED_BACK = {"40P01", "40001"}

_DISK_FULL = "53100"  # PostgreSQL's code. It may also shut down because of it, and then does not answer.

# PostgreSQL's codes for a text that does not fit into a database with another encoding than UTF-8.
_NOT_IN_ENCODING = {"22P05", "22021", "22001"}

# SQLite's codes for a file that this process may not use. They can have other causes.
_NO_PERMISSION = {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM}

SAFE_TO_REPEAT = "doing the same again, with the same idempotency key, is safe"

# What to do, by a part of the pooler's message.
_POOLER_ADVICE = {
    "statement pooling mode": "Set PgBouncer's pool_mode to transaction: an order is more than one statement.",
    "query_wait_timeout": (
        "Either PostgreSQL does not answer, or all connections of PgBouncer's pool are in use: raise "
        "default_pool_size. In session mode it needs one for each connection of every process."
    ),
}


class DatabaseUnavailableError(BreakwallError):
    """The orders database does not answer, or refuses. Nothing was changed, unless the text says that it may be."""

    kind = "database_unavailable"
    lack: str | None = None  # The exhausted resource, if that is the cause: file descriptors, memory, ….


class SchemaError(DatabaseUnavailableError):
    """This version cannot work with the database's tables; nothing was changed."""

    kind = "schema"
    exit_code = ExitCode.USAGE


class StaleConnectionError(Exception):
    """The server has restarted since the pool last used the connection: no commit was sent."""


@contextmanager
def exhaustion_as_unavailable(file: str | None = None) -> Iterator[None]:
    """Raise `DatabaseUnavailableError`, which every caller handles, if a resource is exhausted. ``file``: SQLite's."""
    try:
        yield
    except (DBAPIError, *EXHAUSTION_ERRORS) as error:
        resource = exhausted_resource(error, file)
        if resource is None:
            raise
        unavailable = DatabaseUnavailableError(
            f"this process has no {resource} left. The change may have happened or not; {SAFE_TO_REPEAT}"
        )
        unavailable.lack = resource
        raise unavailable from error


@contextmanager
def driver_errors_as_unavailable(url: URL) -> Iterator[None]:
    """Raise `DatabaseUnavailableError` for all errors of the driver except those of the data."""
    try:
        yield
    except (OperationalError, InterfaceError, PoolTimeoutError, StaleConnectionError) as error:
        raise DatabaseUnavailableError(_unavailable(error, "does not answer", url)) from error
    except (IntegrityError, DataError):
        raise
    # It answers, but refuses: it is read-only, the tables are another user's, the file is no database.
    except DBAPIError as error:
        raise DatabaseUnavailableError(_unavailable(error, "cannot be used", url)) from error


@contextmanager
def statement_errors(connection: Connection) -> Iterator[None]:
    """Raise errors of their own for a stale connection, and for a text that the database's encoding cannot hold."""
    try:
        yield
    except DBAPIError as error:
        _forget_rows(error)
        with _named_causes(connection):
            raise


def _forget_rows(error: DBAPIError) -> None:
    """Leave the first line of the driver's message: PostgreSQL's DETAIL and CONTEXT hold the values of the row."""
    for one in (error, error.orig):
        if one is not None and one.args:
            one.args = (first_line(one), *one.args[1:])


@contextmanager
def _named_causes(connection: Connection) -> Iterator[None]:
    try:
        yield
    except DataError as error:
        encoding = encoding_of(connection)
        if encoding == "UTF8" or sqlstate(error.orig) not in _NOT_IN_ENCODING:
            raise
        raise DatabaseUnavailableError(
            f"the orders database cannot hold a text ({first_line(error.orig)}), because its encoding is {encoding}; "
            "nothing was changed. Move it to a database that was made with ENCODING 'UTF8'"
        ) from error
    except DBAPIError as error:
        if error.connection_invalidated:
            raise StaleConnectionError(str(error.orig)) from error
        raise


@contextmanager
def commit_errors() -> Iterator[None]:
    """Raise an error that says that the commit may have happened. So the transaction is not tried again."""
    try:
        yield
    except DBAPIError as error:
        if sqlstate(error.orig) in ROLLED_BACK:
            raise  # The server answered: nothing was committed.
        if exhausted_resource(error) is not None:
            raise  # `exhaustion_as_unavailable` says the same, and names the resource.
        raise DatabaseUnavailableError(
            f"the orders database did not confirm a commit, which may have happened or not; {SAFE_TO_REPEAT}"
        ) from error


def cannot_be_made(error: OSError) -> DatabaseUnavailableError:
    """The error for a data folder or a database file that the operating system refuses to make."""
    where = f"{error.filename}: " if error.filename else ""
    why = error.strerror or type(error).__name__
    return DatabaseUnavailableError(
        f"the orders database cannot be made ({where}{why}); nothing was changed. Check BREAKWALL_DATA_DIR."
    )


def sqlstate(error: object) -> str | None:
    """PostgreSQL's code of a driver's error; None on SQLite, and without an answer."""
    return getattr(error, "sqlstate", None)


def first_line(error: object) -> str:
    """The first line of the driver's message. It names host and user, never the password or the statement."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


def _unavailable(error: Exception, what: str, url: URL) -> str:
    cause = getattr(error, "orig", None) or error
    first = first_line(cause)
    if url.username and not url.password:
        first = first.replace(url.username, "…")  # It may be a password that stands in the place of a user.
    if sqlstate(cause) == _DISK_FULL:
        return f"the orders database has no room on its disk ({first}); nothing was changed. Make some on its server."
    return f"the orders database {what} ({first}); nothing was changed. {_advice(cause, first, url)}"


def _advice(cause: object, message: str, url: URL) -> str:
    if getattr(cause, "sqlite_errorcode", 0) & 0xFF in _NO_PERMISSION:
        folder = Path(url.database or "").absolute().parent
        if not os.access(folder, os.F_OK):
            return f"Folder {folder} does not exist, or may not be seen: make it, or correct BREAKWALL_DATABASE_URL."
        # Without BREAKWALL_DATABASE_URL, the file is in the data folder.
        return (
            f"Check that this user may write {url.database} and its folder (BREAKWALL_DATABASE_URL, or "
            "BREAKWALL_DATA_DIR without one)."
        )
    found = (advice for part, advice in _POOLER_ADVICE.items() if part in message)
    return next(found, "Check BREAKWALL_DATABASE_URL.")
