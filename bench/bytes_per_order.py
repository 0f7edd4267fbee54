"""Bytes that orders take in the database, before and after they are pruned: the numbers of docs/scaling.md.

    python bench/bytes_per_order.py [--orders N] [--postgres URL]

Fills an empty SQLite file with paid orders of one attempt each, as the ledger writes them, then prunes them. With
--postgres it does the same in that empty database. Sizes are of vacuumed tables and their indexes.
"""

from __future__ import annotations

import argparse
import sqlite3
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from sqlalchemy import Connection, text

from breakwall.payments.db.database import Database
from breakwall.payments.db.migrate import upgrade
from breakwall.payments.ledger.pruning import Pruning
from tests.backlog import Backlog, fill

TABLES = ("orders", "attempts", "charges", "known_keys")
KEPT = ("charges", "known_keys")
SECONDS_A_YEAR = 365 * 86_400
RATE = 100

REALISTIC_KEYS = (
    "UPDATE orders SET charge_key = id, charge_id = 'ch_' || substr(id, 1, 24) WHERE charge_id IS NOT NULL",
    "UPDATE attempts SET gateway_key = order_id, charge_id = 'ch_' || substr(order_id, 1, 24), advice = 'retry'",
    "UPDATE charges SET key = order_id, charge_id = 'ch_' || substr(order_id, 1, 24)",
)

Sizes = dict[str, float]  # Bytes by table, its indexes included.


def sqlite_sizes(connection: Connection) -> Sizes:
    # An index counts for its table.
    pages = text(
        "SELECT m.tbl_name, sum(s.pgsize) FROM dbstat s JOIN sqlite_master m ON m.name = s.name GROUP BY 1"
    )
    return {row[0]: row[1] for row in connection.execute(pages)}


def postgres_sizes(connection: Connection) -> Sizes:
    wanted = text("SELECT pg_total_relation_size(CAST(:name AS regclass))")
    return {name: connection.scalar(wanted, {"name": name}) or 0 for name in TABLES}


def vacuum(database: Database) -> None:
    """Make the tables as small as possible: the space that a busy database adds depends on its vacuum."""
    if database.engine.dialect.name == "sqlite":
        database.close()
        with closing(sqlite3.connect(str(database.engine.url.database), isolation_level=None)) as plain:
            plain.execute("VACUUM")
        return
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("SET statement_timeout = 0")
        connection.exec_driver_sql("VACUUM FULL ANALYZE")
        connection.invalidate()


def measure(name: str, url: str, sizes: Callable[[Connection], Sizes], orders: int) -> None:
    database = Database(url)
    upgrade(database.engine)
    fill(database.engine, Backlog(finished=orders))
    with database.engine.begin() as connection:
        # Keys as long as derived ones, and ids of charges as a service makes them.
        for statement in REALISTIC_KEYS:
            connection.execute(text(statement))
    vacuum(database)
    before = database.read(sizes)
    started = time.perf_counter()
    pruning = Pruning(database, keys_for=400 * 86_400.0, sleep=lambda seconds: None)
    pruned = sum(number for number, _ in pruning.run(0.0))
    took = time.perf_counter() - started
    vacuum(database)
    after = database.read(sizes)
    database.close()
    print(f"{name}: {pruned:,} orders; pruned {pruned / took:,.0f} a second")
    for table in TABLES:
        print(
            f"  {table:<11} {before[table] / orders:6,.0f} bytes an order, pruned {after[table] / orders:6,.0f}"
        )
    kept, left = (
        sum(found[table] for table in tables) / orders for found, tables in ((before, TABLES), (after, KEPT))
    )
    print(f"  in all      {kept:6,.0f} bytes an order, pruned {left:6,.0f}")
    a_year = RATE * SECONDS_A_YEAR / 1e12
    print(f"  a year at {RATE} orders/s: {kept * a_year:.2f} TB; of keys alone {left * a_year:.2f} TB")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--orders", type=int, default=100_000)
    parser.add_argument("--postgres", help="the URL of an empty database")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        measure("SQLite", f"sqlite:///{Path(folder) / 'breakwall.db'}", sqlite_sizes, chosen.orders)
    if chosen.postgres:
        measure("PostgreSQL", chosen.postgres, postgres_sizes, chosen.orders)


if __name__ == "__main__":
    main()
