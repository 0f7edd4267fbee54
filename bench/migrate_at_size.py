"""The migration to this version with millions of orders, beside a writer, on PostgreSQL.

    python bench/migrate_at_size.py --orders 2000000 --open 100000

Starts a private PostgreSQL and removes it. Prints how long the migration takes, and the longest transaction of the
writer before and during it. Exits with 1 if a transaction took longer than a second, or failed.
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
from breakwall.payments.db.migration_steps import MigrationSteps
from tests.revision_0003 import Writer, fill
from tests.servers import PostgresServer, Workspace

QUIET_SECONDS = 20.0
MAX_WAIT = 1.0  # Seconds that a writer's transaction may take.


class DurablePostgres(PostgresServer):
    """Configured as for payments: unlike in the tests, a commit is on the disk."""

    def _command(self) -> list[str]:
        settings = ("fsync=on", "full_page_writes=on", "shared_buffers=512MB", "max_wal_size=4GB")
        return [*super()._command(), *(part for setting in settings for part in ("-c", setting))]


def main() -> int:
    arguments = read_arguments()
    workspace = Workspace()
    server = DurablePostgres(workspace)
    server.start()
    try:
        return measure(open_engine(server.fresh_url()), arguments.orders, arguments.open)
    finally:
        server.close()
        workspace.close()


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--orders", type=int, default=2_000_000)
    parser.add_argument("--open", type=int, default=100_000)
    return parser.parse_args()


def measure(engine: Engine, orders: int, open_orders: int) -> int:
    seconds = timed(lambda: fill(engine, orders, open_orders))
    print(f"{orders:,} orders, {open_orders:,} of them open, made in {seconds:.0f} s")
    print_slow_steps()
    with Writer(engine) as alone:
        time.sleep(QUIET_SECONDS)
    with Writer(engine) as beside:
        seconds = timed(lambda: upgrade(engine))
    print(f"migrated in {seconds:.1f} s")
    report("a writer alone", alone)
    report("a writer beside the migration", beside)
    with engine.connect() as connection:
        size = connection.scalar(text("SELECT pg_size_pretty(pg_database_size(current_database()))"))
        print(f"the database has {size}")
    engine.dispose()
    return int(bool(beside.errors) or max(beside.waits) > MAX_WAIT)


def print_slow_steps() -> None:
    """Print each step that takes longer than a second."""
    for name in ("run_short", "run_long"):
        setattr(MigrationSteps, name, _timed_step(getattr(MigrationSteps, name)))


def _timed_step(step: Callable[..., object]) -> Callable[..., object]:
    def wrapper(self: MigrationSteps, work: Callable[..., object], *arguments: object) -> object:
        began = time.monotonic()
        try:
            return step(self, work, *arguments)
        finally:
            if (took := time.monotonic() - began) > 1.0:
                print(f"  {getattr(work, '__name__', work)}: {took:.1f} s")

    return wrapper


def report(who: str, writer: Writer) -> None:
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
