"""Switches a SQLite database to a write-ahead log, so that readers and writers do not wait for each other."""

import sqlite3
import time


def use_write_ahead_log(connection: sqlite3.Connection, timeout: float) -> str:
    """Return the journal mode: ``wal``, or another one if SQLite cannot keep the log.

    ``timeout``: seconds to wait for a lock, now and later. SQLite does not always wait for this statement: if several
    processes open a new file at the same time, one may get "database is locked" at once.
    """
    end = time.monotonic() + timeout
    connection.execute("PRAGMA busy_timeout = 10")
    while True:
        try:
            mode: str = connection.execute("PRAGMA journal_mode=WAL").fetchone()[0]
            # SQLite opens the files of the log when it first reads.
            connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchall()
        except sqlite3.OperationalError:
            if time.monotonic() > end:
                raise
            time.sleep(0.01)
        else:
            connection.execute(f"PRAGMA busy_timeout = {int(timeout * 1000)}")
            return mode
