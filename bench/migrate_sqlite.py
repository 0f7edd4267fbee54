"""The migration of a SQLite file to this version, beside a writer: the numbers of docs/scaling.md.

    python bench/migrate_sqlite.py --orders 300000 --open 5000

Prints how long the migration takes, and the longest transaction of the writer before and during it.
"""

from __future__ import annotations

import argparse
import sqlite3
import statistics
import tempfile
import threading
import time
from contextlib import closing
from pathlib import Path
from types import TracebackType
from unittest import mock

from breakwall.payments.db import migrate
from breakwall.payments.db.database import open_engine

QUIET_SECONDS = 5.0

NUMBERED = "WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < :orders) "
NOW = "strftime('%Y-%m-%d %H:%M:%f000', 'now')"
ORDERS = f"""
INSERT INTO orders (id, idempotency_key, user_id, amount, currency, status, charge_key, attempt_count, next_attempt_at,
    dispatch_at, charge_id, last_error, created_at, settled_at)
{NUMBERED} SELECT printf('%032x', n * 7919), 'cart-' || n, 'u' || n, 1000, 'KRW', iif(n <= :open, 'queued', 'paid'),
    'cart-' || n, 1, iif(n <= :open, {NOW}, NULL), iif(n <= :open, {NOW}, NULL), iif(n > :open, 'ch_' || n, NULL),
    iif(n <= :open, 'http_500: HTTP 500.', NULL), {NOW}, iif(n > :open, {NOW}, NULL) FROM s
"""
ATTEMPTS = """
INSERT INTO attempts (order_id, number, source, fence, gateway_key, started_at, finished_at, outcome, code, charge_id)
SELECT id, 1, 'producer', 1, idempotency_key, created_at, created_at,
    iif(status = 'paid', 'succeeded', 'unknown'), iif(status = 'paid', NULL, 'http_500'), charge_id FROM orders
"""
PLACED = f"""
INSERT INTO orders (id, idempotency_key, user_id, amount, currency, status, charge_key, settled_at, created_at)
VALUES (:id, :id, 'u1', 1000, 'KRW', 'declined', :id, {NOW}, {NOW})
"""


class Writer:
    """Writes orders as the version before does, in a thread. ``waits``: seconds that each transaction took."""

    def __init__(self, path: Path) -> None:
        self.waits: list[float] = []
        self._path = path
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._write)

    def __enter__(self) -> Writer:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end.set()
        self._thread.join()

    def _write(self) -> None:
        with closing(sqlite3.connect(self._path, isolation_level=None)) as connection:
            connection.execute("PRAGMA synchronous=FULL")
            while not self._end.wait(0.002):
                began = time.monotonic()
                connection.execute("BEGIN IMMEDIATE")
                connection.execute(PLACED, {"id": f"new-{began}"})
                connection.execute("COMMIT")
                self.waits.append(time.monotonic() - began)


def fill(path: Path, orders: int, open_orders: int) -> None:
    """Migrate to 0003 and insert orders with an attempt each; some of them are queued."""
    engine = open_engine(f"sqlite:///{path}")
    with mock.patch.object(migrate, "HEAD", "0003"):
        migrate.upgrade(engine)
    engine.dispose()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(ORDERS, {"orders": orders, "open": open_orders})
        connection.execute(ATTEMPTS)
        connection.commit()


def measure(path: Path) -> None:
    with Writer(path) as alone:
        time.sleep(QUIET_SECONDS)
    engine = open_engine(f"sqlite:///{path}")
    began = time.monotonic()
    with Writer(path) as beside:
        migrate.upgrade(engine)
    print(f"migrated in {time.monotonic() - began:.1f} s")
    engine.dispose()
    report("a writer alone", alone)
    report("a writer beside the migration", beside)


def report(who: str, writer: Writer) -> None:
    median, longest = statistics.median(writer.waits), max(writer.waits)
    print(
        f"{who}: {len(writer.waits):,} transactions, median {median * 1000:.1f} ms, longest {longest * 1000:.0f} ms"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--orders", type=int, default=300_000)
    parser.add_argument("--open", type=int, default=5_000)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "breakwall.db"
        fill(path, chosen.orders, chosen.open)
        measure(path)


if __name__ == "__main__":
    main()
