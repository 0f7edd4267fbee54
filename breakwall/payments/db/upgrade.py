"""Migrating a database of any size while orders are placed in it.

A revision does its work in steps. Each is a short transaction that gives up at once where it cannot have its lock, so
that nobody waits behind it, and is tried again. What takes long takes no lock that a writer feels. A migration that
ends in the middle goes on where it stopped when it is run again: each step is one that may be done twice.

A database that is new has no writers: all is done in one transaction there.
"""

from __future__ import annotations

import errno
import fcntl
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TypeVar

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import OperationalError

from breakwall.host.private_files import open_descriptor
from breakwall.payments.db.database import DatabaseUnavailableError
from breakwall.payments.db.lock_timeouts import UNBOUNDED
from breakwall.payments.db.postgres import open_postgresql
from breakwall.payments.db.sqlite import BEGIN

T = TypeVar("T")

LOCK_SECONDS = 0.1
"""How long one try waits for a lock: everybody who comes to that table later waits as long."""

VACUUM_SECONDS = 1.5
"""The same where autovacuum has the table: it gives way to who has waited for a second."""

PATIENT_TRIES = 10
"""Each of so many tries waits for autovacuum, if that is what holds the table."""

PAUSE = 0.5
"""Seconds between two tries."""

PATIENCE = 60.0
"""Seconds after which a lock cannot be had."""

# One number for "somebody migrates Breakwall", within the database that is being migrated.
_ADVISORY_LOCK = 0x62726561

_LOCKED = {"55P03", "40P01", "40001"}

_HOLDER = text(
    """
    SELECT l.relation::regclass::text AS held, a.pid, a.application_name, a.state,
    extract(epoch from clock_timestamp() - a.xact_start) AS age
    FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
    WHERE l.relation = ANY (SELECT to_regclass(name) FROM unnest(CAST(:tables AS text[])) AS name)
    AND l.granted AND l.pid <> pg_backend_pid() AND a.datname = current_database()
    ORDER BY a.xact_start LIMIT 1
    """
)
_VACUUMED = text(
    """
    SELECT count(*) FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
    WHERE l.relation = to_regclass(:table) AND l.granted AND l.mode = 'ShareUpdateExclusiveLock'
    AND coalesce(a.backend_type, 'autovacuum worker') = 'autovacuum worker'
    """
)


class MigrationBlockedError(DatabaseUnavailableError):
    """A lock that a migration needs is held by somebody else. What is done is whole; the rest can be done later."""


class Steps:
    """The steps of a migration, on the connection that Alembic's operations use.

    Args:
        connection: it is in nobody's transaction.
        still_alone: raises where somebody else may be migrating, too.
        new: the database is; all steps are one.
        command: what does it again, for an error.
    """

    def __init__(
        self,
        connection: Connection,
        still_alone: Callable[[], object] = lambda: None,
        *,
        new: bool = False,
        command: str = "breakwall db upgrade",
    ) -> None:
        self.new = new
        self._command = command
        self._connection = connection
        self._still_alone = still_alone
        self._took = 0.0

    def briefly(self, work: Callable[[Connection], T], table: str, *others: str) -> T:
        """Do ``work`` in a transaction of its own that nobody waits for, and commit it. It may be done several times.

        Args:
            table: the one that it needs the lock of, for the error.
            others: more of them.

        Raises:
            MigrationBlockedError: somebody has held one for `PATIENCE` seconds.
        """
        if self.new:
            return work(self._connection)
        self._finish()
        self._still_alone()
        end = time.monotonic() + PATIENCE
        tries = 0
        while True:
            tries += 1
            try:
                return self._try(work, self._lock_seconds(table, tries))
            except OperationalError as error:
                self._connection.rollback()
                if not _is_locked(error):
                    raise
                if time.monotonic() > end:
                    raise MigrationBlockedError(self._blocked(table, *others)) from error
            time.sleep(PAUSE)

    def at_leisure(self, work: Callable[[Connection], T]) -> T:
        """Do ``work``, which takes long, in a transaction of its own: it takes no lock that a writer waits for."""
        if self.new:
            return work(self._connection)
        self._finish()
        self._connection.execution_options(**{BEGIN: "DEFERRED"})
        try:
            result = work(self._connection)
            self._connection.commit()
        finally:
            self._finish()
            self._connection.execution_options(**{BEGIN: "IMMEDIATE"})
        return result

    def concurrently(self, index: str, statement: str) -> None:
        """Build an index of PostgreSQL while others write; again where somebody was interrupted at it."""
        if self.new:
            self._connection.execute(text(statement.replace(" CONCURRENTLY ", " ")))
            return
        self._finish()
        with self._connection.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as other:
            valid = text("SELECT indisvalid FROM pg_catalog.pg_index WHERE indexrelid = to_regclass(:index)")
            found = other.scalar(valid, {"index": index})
            if found is False:
                other.execute(text(f"DROP INDEX CONCURRENTLY {index}"))
            if not found:
                other.execute(text(statement))

    def rest(self) -> None:
        """Leave others as much time as the last step took."""
        time.sleep(self._took)

    def _try(self, work: Callable[[Connection], T], lock_seconds: float) -> T:
        began = time.monotonic()
        if self._connection.dialect.name == "postgresql":
            self._connection.execute(text(f"SET LOCAL lock_timeout = {int(lock_seconds * 1000)}"))
        result = work(self._connection)
        self._connection.commit()
        self._took = time.monotonic() - began
        return result

    def _lock_seconds(self, table: str, tries: int) -> float:
        if self._connection.dialect.name != "postgresql" or tries % PATIENT_TRIES:
            return LOCK_SECONDS
        vacuumed = self._connection.scalar(_VACUUMED, {"table": table})
        self._connection.rollback()
        return VACUUM_SECONDS if vacuumed else LOCK_SECONDS

    def _blocked(self, *tables: str) -> str:
        table, holder = self._holder(tables)
        return (
            f"the migration cannot have the table {table}, for which it has tried for {PATIENCE:.0f} s: {holder}. "
            f"Nothing is half done. When that has ended, run `{self._command}` again: it goes on where this one stopped"
        )

    def _holder(self, tables: Sequence[str]) -> tuple[str, str]:
        if self._connection.dialect.name != "postgresql":
            return tables[0], "another process has been writing to it"
        found = self._connection.execute(_HOLDER, {"tables": list(tables)}).one_or_none()
        self._connection.rollback()
        if found is None:
            return tables[0], "another transaction holds it"
        name = f" of {found.application_name!r}" if found.application_name else ""
        since = f", open for {found.age:.0f} s" if found.age is not None else ""
        who = f"server process {found.pid}{name} ({found.state or 'unknown'}{since})"
        return found.held, f"{who} holds it"

    def _finish(self) -> None:
        if self._connection.in_transaction():
            self._connection.commit()


@dataclass(frozen=True, slots=True)
class Alone:
    """That nobody else migrates: checked again and again, since a connection may be lost."""

    check: Callable[[], object] = lambda: None


@contextmanager
def engine_for(engine: Engine) -> Iterator[Engine]:
    """One whose connections no time-out of ours ends, however long they are silent."""
    if engine.dialect.name != "postgresql":
        yield engine
        return
    own = open_postgresql(engine.url, patient=True, hide_parameters=True, pool_size=2)
    try:
        yield own
    finally:
        own.dispose()


@contextmanager
def alone(engine: Engine, *, wait: float | None = None) -> Iterator[Alone]:
    """Keep others from migrating the database meanwhile.

    Args:
        wait: seconds to wait for who does it now; None waits as long as that takes.

    Raises:
        DatabaseUnavailableError: somebody has been migrating it for longer.
    """
    if engine.dialect.name == "postgresql":
        with engine.connect().execution_options(**{UNBOUNDED: True}) as holder:
            _until(lambda: _locked_by(holder), wait)
            yield Alone(lambda: holder.scalar(text("SELECT 1")))
    elif engine.url.database:
        with closing(_LockFile(f"{engine.url.database}.migrate.lock")) as lock:
            _until(lock.is_ours, wait)
            yield Alone()
    else:
        yield Alone()


_NO_RIGHT = {errno.EACCES, errno.EPERM, errno.EROFS}


class _LockFile:
    def __init__(self, path: str) -> None:
        try:
            self._handle = open_descriptor(path, os.O_RDWR | os.O_CREAT)
        except OSError as error:
            if error.errno not in _NO_RIGHT:
                raise
            raise DatabaseUnavailableError(
                f"{path}, which keeps two from migrating the database at once, cannot be opened ({error.strerror}); "
                "nothing was changed. Migrate as the user whose file the database is, and give this one to the same"
            ) from error

    def is_ours(self) -> bool:
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def close(self) -> None:
        os.close(self._handle)


def _locked_by(holder: Connection) -> bool:
    # A transaction that stays open: behind a pooler there is no session to hold a lock. It keeps no snapshot, which
    # would keep back vacuum; who waits for it waits outside of a transaction, and takes no server from the pool.
    holder.execute(text("SET TRANSACTION ISOLATION LEVEL READ COMMITTED"))
    if holder.scalar(text("SELECT pg_try_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK}):
        return True
    holder.rollback()
    return False


def _until(done: Callable[[], bool], wait: float | None) -> None:
    end = None if wait is None else time.monotonic() + wait
    while not done():
        if end is not None and time.monotonic() > end:
            raise DatabaseUnavailableError(
                "the orders database is being migrated by another process; try again when that has ended"
            )
        time.sleep(0.05)


def _is_locked(error: OperationalError) -> bool:
    return getattr(error.orig, "sqlstate", None) in _LOCKED or "database is locked" in str(error.orig)
