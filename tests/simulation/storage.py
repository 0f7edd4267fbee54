"""The orders database: the real one on SQLite. A run decides its time and its faults."""

import re
import shutil
import sqlite3
import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, event
from sqlalchemy.exc import OperationalError

from breakwall.payments.db.database import Database
from breakwall.payments.db.lock_timeouts import LOCK_TIMEOUT, LockBudget
from breakwall.payments.db.migrate import upgrade
from breakwall.payments.db.schema import metadata, site
from tests.simulation.engine import EndedError, Task
from tests.simulation.world import Part, World

START = datetime(2026, 11, 27)  # noqa: DTZ001 - what SQLite calls now is in UTC and says so nowhere

T = TypeVar("T")

KEEP_GIVEN_UP = """
    CREATE TABLE gave_up (outcome_id, order_id, status, at, destination, last_error);
    CREATE TRIGGER keep_given_up AFTER UPDATE OF given_up_at ON deliveries WHEN NEW.given_up_at IS NOT NULL BEGIN
        INSERT INTO gave_up SELECT id, order_id, status, at, NEW.destination, NEW.last_error
        FROM outcomes WHERE id = NEW.outcome_id;
    END;
"""
"""Remembers for the final checks which deliveries were given up, also those that were made later."""

PRUNABLE = ("orders", "attempts", "incidents", "interventions", "outcomes")
"""The tables that orders are pruned from."""

KEPT_WHEN = {
    # An order that was never at rest is deleted by the transaction that inserted it.
    "orders": "WHEN OLD.settled_at IS NOT NULL",
    # An attempt that was not sent is undone, which the order has counted before.
    "attempts": "WHEN OLD.number <= (SELECT attempt_count FROM orders WHERE id = OLD.order_id)",
}

KEEP_PRUNED = "".join(
    f"CREATE TABLE pruned_{name} AS SELECT * FROM {name} WHERE false;"
    f"CREATE TRIGGER keep_{name} BEFORE DELETE ON {name} {KEPT_WHEN.get(name, '')} "
    f"BEGIN INSERT INTO pruned_{name} SELECT * FROM {name} WHERE rowid = OLD.rowid; END;"
    for name in PRUNABLE
)
"""Keeps pruned rows in tables of their own for the final checks. The product does not know these."""

_OF_PRUNED = "(SELECT id FROM pruned_orders)"
_NEW_NUMBER = "-number - (SELECT max(number) FROM pruned_attempts p WHERE p.order_id = attempts.order_id)"

RESTORE_PRUNED = (
    # A late answer may have restored a pruned order, and attempts followed: number them after the pruned ones.
    f"UPDATE attempts SET number = {_NEW_NUMBER} WHERE order_id IN (SELECT order_id FROM pruned_attempts)",
    "UPDATE attempts SET number = -number WHERE number < 0",
    "INSERT OR IGNORE INTO orders SELECT * FROM pruned_orders",
    "INSERT INTO attempts SELECT * FROM pruned_attempts",
    "INSERT INTO outcomes SELECT * FROM pruned_outcomes",
    *(
        f"INSERT OR IGNORE INTO {name} ({columns}) SELECT {columns} FROM pruned_{name}"
        for name in ("incidents", "interventions")
        for columns in [", ".join(column.name for column in metadata.tables[name].c if column.name != "id")]
    ),
    "UPDATE orders SET attempt_count = (SELECT count(*) FROM attempts a WHERE a.order_id = orders.id), retry_count ="
    " (SELECT count(*) FROM attempts a WHERE a.order_id = orders.id AND a.source = 'worker')"
    f" WHERE id IN {_OF_PRUNED}",
    *(f"DELETE FROM pruned_{name}" for name in PRUNABLE),
)
"""Makes the tables what they would be without pruning."""

Saved = dict[str, list[tuple[Any, ...]]]
"""Rows by table."""


class Storage:
    """One database file in memory, used by one run after another. Begin each run with `begin`."""

    def __init__(self) -> None:
        ram = Path("/dev/shm")
        self._folder = tempfile.mkdtemp(prefix="breakwall-simulation-", dir=ram if ram.is_dir() else None)
        path = f"{self._folder}/orders.db"
        self._now: Callable[[], float] = lambda: 0.0
        self.database = SimulatedDatabase(f"sqlite:///{path}", pool_size=50)
        self._take_over()
        upgrade(self.database.engine, site="simulation")
        self._plain = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._plain.executescript(KEEP_PRUNED + KEEP_GIVEN_UP)
        ours = [table.name for table in reversed(metadata.sorted_tables) if table is not site]
        # Emptied last: emptying the others fills these.
        # With the numbers that rows get next: a restored database gives some of them again.
        self._tables = [*ours, *(f"pruned_{name}" for name in PRUNABLE), "sqlite_sequence"]
        self._emptying = "".join(("BEGIN;", *(f"DELETE FROM {name};" for name in self._tables), "COMMIT"))

    @property
    def _filling(self) -> list[str]:
        """The tables, each after those that it points to."""
        return list(reversed(self._tables))

    def begin(self, world: World) -> None:
        """Empty the tables, and let a run decide time and faults."""
        self._plain.executescript("DELETE FROM gave_up;" + self._emptying)
        self._now = lambda: world.engine.now
        self.database.transactions = Transactions(world)

    def end(self) -> None:
        """No fault occurs any more."""
        self.database.transactions = None

    def rows(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """The committed rows, read without faults. ``:now`` in ``sql`` is the database's time, ``:now-9`` earlier."""
        if ":now" in sql:
            sql = re.sub(r":now(-\d+)?", lambda found: f"'{self._text(float(found[1] or 0))}000'", sql)
        return self._plain.execute(sql, values).fetchall()

    def values(self, sql: str, *values: object) -> tuple[Any, ...]:
        """The one row that ``sql`` selects."""
        (row,) = self.rows(sql, *values)
        return row

    def insert(self, table: str, **columns: object) -> None:
        """Write a row without faults; columns that are not named get their defaults."""
        marks = ", ".join("?" for _ in columns)
        self.rows(f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})", *columns.values())

    def owns(self, charge_id: str) -> bool:
        """Whether the product knows which order a charge belongs to."""
        known = self.rows(
            "SELECT 1 FROM charges WHERE charge_id = ? UNION SELECT 1 FROM orders WHERE charge_id = ?",
            charge_id,
            charge_id,
        )
        return bool(known)

    def save(self) -> Saved:
        """Every row that is committed now."""
        return {name: self.rows(f"SELECT * FROM {name}") for name in self._filling}

    def restore(self, saved: Saved) -> None:
        """Restore the tables. Only while they are not in use."""
        self._plain.executescript(self._emptying)
        for name in self._filling:
            for row in saved[name]:
                self.rows(f"INSERT INTO {name} VALUES ({', '.join('?' for _ in row)})", *row)

    def restore_pruned(self) -> None:
        """Restore everything that was pruned. Only while the tables are not in use."""
        for statement in RESTORE_PRUNED:
            self.rows(statement)

    def text(self, seconds: float) -> str:
        """A moment, in seconds since the run began, as it is stored."""
        return (START + timedelta(seconds=seconds)).isoformat(" ", "microseconds")

    def moment(self, text: str) -> float:
        """Seconds since the run began, of a time as it is stored."""
        return (datetime.fromisoformat(text) - START).total_seconds()

    def close(self) -> None:
        self._plain.close()
        self.database.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _take_over(self) -> None:
        engine = self.database.engine

        @event.listens_for(engine, "connect")
        def prepare(connection: sqlite3.Connection, record: object) -> None:
            connection.execute("PRAGMA synchronous=OFF")
            # SQLite's own clock, which `DatabaseClock` reads.
            connection.create_function("strftime", 3, self._strftime)

        @event.listens_for(engine, "commit")
        def commit(connection: Connection) -> None:
            if self.database.transactions is not None:
                self.database.transactions.commit(connection)

    def _strftime(self, pattern: str, now: str, shift: str) -> str:
        return self._text(float(shift.removesuffix(" seconds")))

    def _text(self, seconds: float) -> str:
        return (START + timedelta(seconds=self._now() + seconds)).isoformat(" ", "milliseconds")


class Transactions(Part):
    """The faults of one run's transactions: delays, one writer at a time, lost connections and commits."""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._writer: Task | None = None
        self._waiting: list[Task] = []

    def begin(self, *, writes: bool) -> None:
        """Called before a transaction's first statement. Raises what a driver would."""
        task = self._engine.current
        if task is None:
            return
        slow = self._faults.occurs("transaction waits")
        self._engine.sleep(self._rng.uniform(0.1, 8.0) if slow else self._rng.uniform(0.0, 0.005))
        if self._faults.occurs("connection stale"):
            raise _lost("the server closed the connection", stale=True)
        if "database down" in self._faults.down or self._faults.occurs("no connection"):
            self._engine.sleep(self._rng.uniform(0.0, 3.0))
            raise _lost("connection refused")
        if writes:
            self._lock(task)

    def commit(self, connection: Connection) -> None:
        """Called before a commit, which may fail."""
        if self._engine.current is None:
            return
        try:
            self._may_fail(connection)
        except BaseException:
            # A server rolls back by itself; SQLAlchemy takes a failed commit for a finished transaction.
            connection.connection.rollback()
            raise
        finally:
            self.release()

    def _may_fail(self, connection: Connection) -> None:
        if self._faults.occurs("commit waits"):
            self._engine.sleep(self._rng.uniform(0.1, 20.0))
        if self._faults.occurs("commit fails"):
            raise _lost("the connection broke before the commit")
        if self._faults.occurs("commit's answer lost"):
            connection.connection.commit()
            self._trace.record("database", "commits, and the answer is lost")
            raise _lost("the connection broke during the commit")

    def release(self) -> None:
        """Let the next writer begin if this task was the writer; it runs once this task waits."""
        if self._writer is not None and self._writer is self._engine.current:
            self._writer = self._waiting.pop(0) if self._waiting else None
            if self._writer is not None:
                self._engine.wake(self._writer)

    def _lock(self, task: Task) -> None:
        if self._writer is None:
            self._writer = task
            return
        self._waiting.append(task)
        try:
            self._engine.park(LOCK_TIMEOUT)
        except EndedError:
            self._leave(task)
            raise
        if self._writer is not task:
            self._waiting.remove(task)
            self._faults.seen["database is locked"] += 1
            raise _lost("database is locked")

    def _leave(self, task: Task) -> None:
        if task in self._waiting:
            self._waiting.remove(task)
        elif self._writer is task:
            self._writer = self._waiting.pop(0) if self._waiting else None
            if self._writer is not None:
                self._engine.wake(self._writer)


class SimulatedDatabase(Database):
    """The real one. Each transaction first calls ``transactions``."""

    transactions: Transactions | None = None

    def _turn_to_write(self, deadline: float) -> AbstractContextManager[None]:
        return nullcontext()  # Virtual time decides who is next; a real lock would stop it.

    def write(
        self, work: Callable[[Connection], T], *, name: str = "other", lock_budget: LockBudget | None = None
    ) -> T:
        transactions = self.transactions
        if transactions is None:
            return super().write(work, name=name, lock_budget=lock_budget)

        def begun(connection: Connection) -> T:
            transactions.begin(writes=True)
            return work(connection)

        try:
            return super().write(begun, name=name, lock_budget=lock_budget)
        finally:
            transactions.release()

    def read(self, work: Callable[[Connection], T], *, lock_budget: LockBudget | None = None) -> T:
        transactions = self.transactions
        if transactions is None:
            return super().read(work, lock_budget=lock_budget)

        def begun(connection: Connection) -> T:
            transactions.begin(writes=False)
            return work(connection)

        return super().read(begun, lock_budget=lock_budget)


def _lost(reason: str, *, stale: bool = False) -> OperationalError:
    error = sqlite3.OperationalError(reason)
    return OperationalError(None, None, error, connection_invalidated=stale)
