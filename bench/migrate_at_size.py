"""The migration to this version with millions of orders, beside somebody who goes on writing, on PostgreSQL.

    python bench/migrate_at_size.py --orders 2000000 --open 100000

Brings up a PostgreSQL of its own and removes it again. Prints how long the migration takes, and the longest that a
writer's transaction took before and during it; exits 1 when one took longer than a second, or met an error.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable

from sqlalchemy import Engine, text

from breakwall.payments.db.database import open_engine
from breakwall.payments.db.migrate import upgrade
from breakwall.payments.db.upgrade import Steps
from tests.of_0003 import Writer, fill
from tests.servers import PostgresServer, Workshop

QUIET_SECONDS = 20.0
BEARABLE = 1.0
"""Seconds that a writer's transaction may take."""


class DurablePostgres(PostgresServer):
    """As one runs it for payments, unlike the tests: a commit is on the disk."""

    def _command(self) -> list[str]:
        settings = ("fsync=on", "full_page_writes=on", "shared_buffers=512MB", "max_wal_size=4GB")
        return [*super()._command(), *(part for setting in settings for part in ("-c", setting))]


def main() -> int:
    arguments = read_arguments()
    workshop = Workshop()
    server = DurablePostgres(workshop)
    server.start()
    try:
        return measure(open_engine(server.fresh_url()), arguments.orders, arguments.open)
    finally:
        server.close()
        workshop.close()


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--orders", type=int, default=2_000_000)
    parser.add_argument("--open", type=int, default=100_000)
    return parser.parse_args()


def measure(engine: Engine, orders: int, open_orders: int) -> int:
    seconds = timed(lambda: fill(engine, orders, open_orders))
    print(f"{orders:,} orders, {open_orders:,} of them open, made in {seconds:.0f} s")
    tell_steps()
    with Writer(engine) as alone:
        time.sleep(QUIET_SECONDS)
    with Writer(engine) as beside:
        seconds = timed(lambda: upgrade(engine))
    print(f"migrated in {seconds:.1f} s")
    tell("a writer alone", alone)
    tell("a writer beside the migration", beside)
    with engine.connect() as connection:
        size = connection.scalar(text("SELECT pg_size_pretty(pg_database_size(current_database()))"))
        print(f"the database has {size}")
    engine.dispose()
    return int(bool(beside.errors) or max(beside.waits) > BEARABLE)


def tell_steps() -> None:
    """Print each step that takes a second."""
    for name in ("briefly", "at_leisure"):
        setattr(Steps, name, _timed_step(getattr(Steps, name)))


def _timed_step(step: Callable[..., object]) -> Callable[..., object]:
    def told(self: Steps, work: Callable[..., object], *arguments: object) -> object:
        began = time.monotonic()
        try:
            return step(self, work, *arguments)
        finally:
            if (took := time.monotonic() - began) > 1.0:
                print(f"  {getattr(work, '__name__', work)}: {took:.1f} s")

    return told


def tell(who: str, writer: Writer) -> None:
    waits = sorted(writer.waits)
    p99 = waits[int(len(waits) * 0.99)]
    print(
        f"{who}: {len(waits):,} transactions, median {statistics.median(waits) * 1000:.1f} ms, "
        f"p99 {p99 * 1000:.1f} ms, longest {waits[-1] * 1000:.0f} ms, {len(writer.errors)} errors"
    )


def timed(work: Callable[[], object]) -> float:
    began = time.monotonic()
    work()
    return time.monotonic() - began


if __name__ == "__main__":
    sys.exit(main())
