"""Only one process at a time migrates the orders database."""

import errno
import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine, text

from breakwall.host.private_files import open_descriptor
from breakwall.payments.db.errors import DatabaseUnavailableError
from breakwall.payments.db.lock_timeouts import NO_TIMEOUTS
from breakwall.payments.db.postgres import open_postgresql

POLL_INTERVAL = 0.05  # Seconds between two tries to get the lock.

_ADVISORY_LOCK = 0x62726561  # The number of the migration's lock, within the database that is migrated.

_NO_PERMISSION = {errno.EACCES, errno.EPERM, errno.EROFS}


@contextmanager
def migration_engine(engine: Engine) -> Iterator[Engine]:
    """An engine for the same database; no timeout ends its connections, however long they are silent."""
    if engine.dialect.name != "postgresql":
        yield engine
        return
    own = open_postgresql(engine.url, slow_network=True, hide_parameters=True, pool_size=2)
    try:
        yield own
    finally:
        own.dispose()


@contextmanager
def migration_lock(engine: Engine, *, wait: float | None = None) -> Iterator[Callable[[], object]]:
    """Keep other processes from migrating the database meanwhile.

    Gives a function to call before each step: it raises if the lock was lost with its connection. If another process
    migrates, wait until it has ended, or for ``wait`` seconds; then raise `DatabaseUnavailableError`.
    """
    if engine.dialect.name == "postgresql":
        with engine.connect().execution_options(**{NO_TIMEOUTS: True}) as holder:
            _wait_for(lambda: _lock_database(holder), wait)
            yield lambda: holder.scalar(text("SELECT 1"))
    elif engine.url.database:
        descriptor = _open_lock_file(f"{engine.url.database}.migrate.lock")
        try:
            _wait_for(lambda: _lock_file(descriptor), wait)
            yield lambda: None
        finally:
            os.close(descriptor)
    else:
        yield lambda: None


def _wait_for(lock: Callable[[], bool], wait: float | None) -> None:
    end = None if wait is None else time.monotonic() + wait
    while not lock():
        if end is not None and time.monotonic() > end:
            raise DatabaseUnavailableError(
                "the orders database is being migrated by another process; try again when that has ended"
            )
        time.sleep(POLL_INTERVAL)


def _lock_database(holder: Connection) -> bool:
    # A transaction that stays open holds the lock, because behind a pooler a session cannot. At this level it keeps no
    # snapshot, which would delay vacuum and stop `CREATE INDEX CONCURRENTLY`. (The snapshot of a statement with
    # parameters is kept until the next statement, so this one has none.) A process that waits has no open transaction,
    # so it occupies no server connection of the pooler.
    holder.execute(text("SET TRANSACTION ISOLATION LEVEL READ COMMITTED"))
    if holder.scalar(text(f"SELECT pg_try_advisory_xact_lock({_ADVISORY_LOCK})")):
        return True
    holder.rollback()
    return False


def _open_lock_file(path: str) -> int:
    try:
        return open_descriptor(path, os.O_RDWR | os.O_CREAT)
    except OSError as error:
        if error.errno not in _NO_PERMISSION:
            raise
        raise DatabaseUnavailableError(
            f"{path}, which prevents two migrations at once, cannot be opened ({error.strerror}); nothing was changed. "
            "Migrate as the owner of the database's file, and make that user the owner of this file, too"
        ) from error


def _lock_file(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
