"""Migrates a database of any size while orders are placed in it.

A revision works in steps, which may be done twice: an interrupted migration that is run again continues where it
stopped. A short step gives up soon if it does not get its lock, so that writers do not wait behind it, and is tried
again. A long step takes no lock that a writer waits for. A new database has no writers: one transaction does all.
"""

import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from sqlalchemy import Connection, text
from sqlalchemy.exc import OperationalError

from breakwall.payments.db.errors import ROLLED_BACK, DatabaseUnavailableError, sqlstate
from breakwall.payments.db.sqlite import BEGIN, READ_ONLY

T = TypeVar("T")

STEP_LOCK_TIMEOUT = 0.1  # Seconds that one try waits for a lock: later transactions wait as long.
AUTOVACUUM_LOCK_TIMEOUT = 1.5  # The same if autovacuum holds the table: it gives way after a second.
AUTOVACUUM_EVERY = 10  # Every tenth try waits for autovacuum, if that holds the table.
TRY_INTERVAL = 0.5  # Seconds between two tries.
STEP_TIMEOUT = 60.0  # Seconds after which a migration gives up a step whose lock it does not get.

_LOCKED = {"55P03", *ROLLED_BACK}

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
    """Another transaction holds a lock that a migration needs. Finished steps stay; the others can be done later."""


class MigrationSteps:
    """The steps of a migration, on the connection that Alembic's operations use."""

    def __init__(
        self,
        connection: Connection,
        check_lock: Callable[[], object] = lambda: None,  # Raises if another process may be migrating, too.
        *,
        new: bool = False,  # The database is new: all steps are one transaction.
        command: str = "breakwall db upgrade",  # What an error tells a person to run again.
    ) -> None:
        self.new = new
        self._command = command
        self._connection = connection
        self._check_lock = check_lock
        self._took = 0.0

    def run_short(self, work: Callable[[Connection], T], table: str, *others: str) -> T:
        """Do ``work``, which may be done several times, in a short transaction of its own, and commit it.

        Raises `MigrationBlockedError` if another transaction has held the lock of one of the tables for `STEP_TIMEOUT`.
        """
        if self.new:
            return work(self._connection)
        self._commit()
        self._check_lock()
        end = time.monotonic() + STEP_TIMEOUT
        tries = 0
        while True:
            tries += 1
            try:
                return self._try(work, self._lock_timeout(table, tries))
            except OperationalError as error:
                self._connection.rollback()
                if not _is_locked(error):
                    raise
                if time.monotonic() > end:
                    raise MigrationBlockedError(self._blocked(table, *others)) from error
            time.sleep(TRY_INTERVAL)

    def run_long(self, work: Callable[[Connection], T]) -> T:
        """Do ``work``, which takes long and takes no lock that a writer waits for, in a transaction of its own."""
        if self.new:
            return work(self._connection)
        self._commit()
        self._connection.execution_options(**READ_ONLY)
        try:
            result = work(self._connection)
            self._connection.commit()
        finally:
            self._commit()
            self._connection.execution_options(**{BEGIN: "IMMEDIATE"})
        return result

    def build_index(self, index: str, statement: str) -> None:
        """Build an index of PostgreSQL while others write; one that an interrupted migration left is built again."""
        if self.new:
            self._connection.execute(text(statement.replace(" CONCURRENTLY ", " ")))
            return
        self._commit()
        self._check_lock()
        with self._connection.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as other:
            valid = text("SELECT indisvalid FROM pg_catalog.pg_index WHERE indexrelid = to_regclass(:index)")
            found = other.scalar(valid, {"index": index})
            if found is False:
                other.execute(text(f"DROP INDEX CONCURRENTLY {index}"))
            if not found:
                other.execute(text(statement))

    def pause(self) -> None:
        """Leave other transactions as much time as the last step took."""
        time.sleep(self._took)

    def _try(self, work: Callable[[Connection], T], lock_timeout: float) -> T:
        began = time.monotonic()
        if self._connection.dialect.name == "postgresql":
            self._connection.execute(text(f"SET LOCAL lock_timeout = {int(lock_timeout * 1000)}"))
        result = work(self._connection)
        self._connection.commit()
        self._took = time.monotonic() - began
        return result

    def _lock_timeout(self, table: str, tries: int) -> float:
        if self._connection.dialect.name != "postgresql" or tries % AUTOVACUUM_EVERY:
            return STEP_LOCK_TIMEOUT
        vacuumed = self._connection.scalar(_VACUUMED, {"table": table})
        self._connection.rollback()
        return AUTOVACUUM_LOCK_TIMEOUT if vacuumed else STEP_LOCK_TIMEOUT

    def _blocked(self, *tables: str) -> str:
        table, holder = self._holder(tables)
        return (
            f"the migration has tried for {STEP_TIMEOUT:.0f} s to lock the table {table}: {holder}. "
            f"Nothing is half done. When that has ended, run `{self._command}` again: it continues where it stopped"
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
        return found.held, f"server process {found.pid}{name} ({found.state or 'unknown'}{since}) holds it"

    def _commit(self) -> None:
        if self._connection.in_transaction():
            self._connection.commit()


def _is_locked(error: OperationalError) -> bool:
    return sqlstate(error.orig) in _LOCKED or "database is locked" in str(error.orig)
