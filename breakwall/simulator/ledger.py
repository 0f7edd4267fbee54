"""The simulator's own record of what it charged: the evidence that tests compare orders with.

A charge is on disk (SQLite, ``synchronous=FULL``) before `Ledger.record` returns, so what was answered
survives ``kill -9``. One writer commits whatever has gathered while it was writing: a group commit, which
makes the cost of one disk flush the cost of many charges.
"""

from __future__ import annotations

import fcntl
import os
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
_GROUP = 500
"""Charges in one commit at most, so that the first of them does not wait long for the last."""


class LedgerBusyError(Exception):
    """Another process writes this ledger."""


@dataclass(frozen=True, slots=True)
class Charge:
    """One execution: ``amount`` in minor units, ``status`` succeeded or declined, ``at`` ISO 8601 in UTC.

    ``reference`` is the caller's own name for the order, where the request had one.
    """

    charge_id: str
    key: str
    order_id: str
    user_id: str
    amount: int
    currency: str
    status: str
    code: str | None
    at: str
    reference: str | None = None

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


class Ledger:
    """A durable list of charges in one SQLite file, written by this process only."""

    def __init__(self, path: Path) -> None:
        """Open the ledger, making the file and its folder where they are missing.

        Raises:
            LedgerBusyError: another process has it open.
            OSError, sqlite3.Error: it cannot be opened, or is no ledger.
        """
        make_folder(path.parent)
        self._path = path
        self._lock = _exclusively(path.with_name(path.name + ".lock"))
        make_file(path)
        self._database = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA synchronous = FULL")
        self._database.execute(_SCHEMA)
        self._add_reference()
        self._gate = threading.Lock()
        self._closed = False
        self._waiting: queue.SimpleQueue[tuple[Charge, Future[None]] | None] = queue.SimpleQueue()
        self._writer = threading.Thread(target=self._write, name="ledger", daemon=True)
        self._writer.start()

    def record(self, charge: Charge) -> None:
        """Put a charge on disk; returns when it is there.

        Raises:
            sqlite3.Error: it is not.
        """
        done: Future[None] = Future()
        with self._gate:
            if self._closed:
                raise sqlite3.ProgrammingError("the ledger is closed")
            self._waiting.put((charge, done))
        done.result()

    def charges(self) -> Iterator[Charge]:
        """All that is on disk, in the order in which it came there."""
        database = sqlite3.connect(self._path)
        try:
            for row in database.execute(f"SELECT {_COLUMNS} FROM charge ORDER BY number"):  # noqa: S608 - a constant
                yield Charge(*row)
        finally:
            database.close()

    def close(self) -> None:
        """Write what is waiting and close the file. Safe to call twice."""
        with self._gate:
            self._closed = True
            self._waiting.put(None)
        self._writer.join()
        self._database.close()
        self._lock.close()

    def _add_reference(self) -> None:
        """To a ledger that was made before there were any."""
        columns = {row[1] for row in self._database.execute("PRAGMA table_info(charge)")}
        if "reference" not in columns:
            self._database.execute("ALTER TABLE charge ADD COLUMN reference TEXT")

    def _write(self) -> None:
        while (first := self._waiting.get()) is not None:
            group, ended = self._gather([first])
            self._commit(group)
            if ended:
                return

    def _gather(
        self, group: list[tuple[Charge, Future[None]]]
    ) -> tuple[list[tuple[Charge, Future[None]]], bool]:
        while len(group) < _GROUP:
            try:
                more = self._waiting.get_nowait()
            except queue.Empty:
                break
            if more is None:
                return group, True
            group.append(more)
        return group, False

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


def _exclusively(path: Path) -> Any:
    # A file of its own: closing any handle of a database file drops SQLite's locks on it.
    handle = open_private(path, "w")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        handle.close()
        raise LedgerBusyError(f"another simulator is writing {path.name.removesuffix('.lock')}") from None
    os.set_inheritable(handle.fileno(), False)
    return handle
