"""The simulator's own record of its charges, which tests and the demo compare orders with."""

import fcntl
import queue
import sqlite3
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import asdict, astuple, dataclass
from pathlib import Path
from typing import Any

from breakwall.host.private_files import make_file, make_folder, open_private

_SCHEMA = """
CREATE TABLE IF NOT EXISTS charge (
    number INTEGER PRIMARY KEY,
    charge_id TEXT NOT NULL UNIQUE,
    key TEXT NOT NULL,
    order_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    amount INTEGER NOT NULL,
    currency TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('succeeded', 'declined')),
    code TEXT,
    at TEXT NOT NULL,
    reference TEXT
) STRICT
"""
_COLUMNS = "charge_id, key, order_id, user_id, amount, currency, status, code, at, reference"
_MAX_GROUP = 500  # Charges in one commit: the first of them must not wait long for the last.


class ChargeBookBusyError(Exception):
    """Another process is writing this charge book."""


@dataclass(frozen=True, slots=True)
class Charge:
    """One execution of a charge."""

    charge_id: str
    key: str
    order_id: str
    user_id: str
    amount: int  # minor units of `currency`
    currency: str
    status: str  # "succeeded" or "declined"
    code: str | None
    at: str  # ISO 8601, in UTC
    reference: str | None = None  # the request's own name for the order

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


class ChargeBook:
    """A durable list of charges in one SQLite file, which only this process writes.

    A charge is on disk (``synchronous=FULL``) before `record` returns, so what was answered survives ``kill -9``. One
    thread writes. It commits together all charges that came during its last commit, so that they share one flush of
    the disk: some 6,000 charges a second with 32 clients; one commit for each gave 800.
    """

    def __init__(self, path: Path) -> None:
        """Open the file; make it and its folder if they are missing.

        Raises `ChargeBookBusyError` if another process has it open, `OSError` or `sqlite3.Error` if it cannot be
        opened or is no charge book.
        """
        make_folder(path.parent)
        self._path = path
        self._lock = _lock_file(path.with_name(path.name + ".lock"))
        make_file(path)
        self._database = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA synchronous = FULL")
        self._database.execute(_SCHEMA)
        self._add_reference()
        self._closing = threading.Lock()
        self._closed = False
        self._waiting: queue.SimpleQueue[tuple[Charge, Future[None]] | None] = queue.SimpleQueue()
        self._writer = threading.Thread(target=self._write, name="charge-book", daemon=True)
        self._writer.start()

    def record(self, charge: Charge) -> None:
        """Write a charge; return when it is on disk. `sqlite3.Error`: it is not on disk."""
        done: Future[None] = Future()
        with self._closing:
            if self._closed:
                raise sqlite3.ProgrammingError("the charge book is closed")
            self._waiting.put((charge, done))
        done.result()

    def charges(self) -> Iterator[Charge]:
        """All charges on disk, oldest first."""
        database = sqlite3.connect(self._path)
        try:
            for row in database.execute(f"SELECT {_COLUMNS} FROM charge ORDER BY number"):  # noqa: S608 - a constant
                yield Charge(*row)
        finally:
            database.close()

    def close(self) -> None:
        """Write the waiting charges and close the file. Safe to call twice."""
        with self._closing:
            self._closed = True
            self._waiting.put(None)
        self._writer.join()
        self._database.close()
        self._lock.close()

    def _add_reference(self) -> None:
        """Add the column to a file of an earlier release."""
        columns = {row[1] for row in self._database.execute("PRAGMA table_info(charge)")}
        if "reference" not in columns:
            self._database.execute("ALTER TABLE charge ADD COLUMN reference TEXT")

    def _write(self) -> None:
        closing = False
        while not closing:
            group = [self._waiting.get()]
            while len(group) < _MAX_GROUP and not self._waiting.empty():
                group.append(self._waiting.get())
            closing = None in group  # `close` puts it last
            self._commit([waiting for waiting in group if waiting is not None])

    def _commit(self, group: list[tuple[Charge, Future[None]]]) -> None:
        try:
            self._database.execute("BEGIN IMMEDIATE")
            marks = ", ".join("?" * len(_COLUMNS.split(", ")))
            self._database.executemany(
                f"INSERT INTO charge ({_COLUMNS}) VALUES ({marks})",  # noqa: S608 - constants
                [astuple(charge) for charge, _ in group],
            )
            self._database.execute("COMMIT")
        except sqlite3.Error as error:
            if self._database.in_transaction:
                self._database.execute("ROLLBACK")
            for _, done in group:
                done.set_exception(error)
        else:
            for _, done in group:
                done.set_result(None)


def _lock_file(path: Path) -> Any:
    # A separate file: closing any handle of a database file would release SQLite's locks on it.
    handle = open_private(path, "w")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        handle.close()
        raise ChargeBookBusyError(f"another simulator is writing {path.name.removesuffix('.lock')}") from None
    return handle
