"""Times what a long backlog must not slow down, beside 2,000, 100,000 and 1,000,000 waiting orders: docs/scaling.md.

    python bench/million.py [--orders N]

On PostgreSQL, then on SQLite. Everything is timed in turns, so that a busy machine slows all sizes alike; the ratios
are of medians. Then 100,000 orders of the longest backlog are worked off, without a vacuum, and it is timed again.
Starts a PostgreSQL of its own and removes it afterwards. Takes up to five minutes.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import text

from bench.claims import DurablePostgres
from breakwall.breaker import CircuitBreaker
from breakwall.monitor.backlog import Monitor
from breakwall.monitor.counts import LONG, count_all
from breakwall.monitor.stored_counts import forget, has_stored, store
from breakwall.payments.db.clock import DATABASE_CLOCK
from breakwall.payments.db.database import Database
from breakwall.payments.db.migrate import upgrade
from breakwall.payments.ledger.dispatch_queue import DispatchQueue
from breakwall.payments.ledger.ledger import Ledger
from breakwall.payments.ledger.queries import get_order, list_attempts, list_orders
from breakwall.payments.orders import OrderStatus
from breakwall.worker.background.heartbeat import Heartbeat
from breakwall.worker.log.backlog_queries import sample_backlog
from tests.backlog import Backlog, fill, tidy
from tests.servers import Workspace

SIZES = (2_000, 100_000)  # And the longest, which is an option.
ROUNDS = 11
TAKEN = 20  # Due orders that one call takes: a message's.
BATCH = 500
WORKED_OFF = 100_000
STARTS = 3  # Of the program; the fastest counts.

Job = Callable[[], object]


class Site:
    """The product's own calls beside a backlog; half of it is due."""

    def __init__(self, url: str, queued: int) -> None:
        self.url, self.queued = url, queued
        self.database = Database(url)
        upgrade(self.database.engine)
        fill(self.database.engine, Backlog(queued, queued // 2, queued - queued // 2, claimed=200))
        tidy(self.database.engine)
        self.queue = DispatchQueue(self.database)
        self.ledger = Ledger(self.database, lease=600)
        self.monitor = Monitor(self.database, CircuitBreaker(f"payment {queued}"), lambda: 0)
        self.heartbeat = Heartbeat(self.database)
        self.heartbeat.identify("celery@bench", 16)
        self._waiting = iter(self._ids("waiting-%"))

    def jobs(self) -> dict[str, Job]:
        """By name, what has to stay flat."""
        return {
            f"the dispatcher takes {TAKEN} due orders": lambda: self.queue.take_due(
                TAKEN, republish_after=7200
            ),
            "it looks for expired claims": self.queue.reclaim_expired,
            "a claim of one order": lambda: self.ledger.claim(next(self._waiting)),
            "`orders list`": lambda: list_orders(self.database),
            "`orders list --status queued`": lambda: list_orders(self.database, status=OrderStatus.QUEUED),
            "`orders list --status paid`": lambda: list_orders(self.database, status=OrderStatus.PAID),
            "`orders show`": self._show,
            "the log's sample, each second": self._sample,
            "a heartbeat": self.heartbeat.run_once,
            "`backlog`, counted by a worker": self._stored,
            "`backlog`, no worker alive": self._sampled,
        }

    def count(self) -> None:
        """What a worker does every eight seconds, above 100,000 orders."""
        self.database.read(lambda connection: count_all(connection, DATABASE_CLOCK))

    def store(self) -> None:
        counted = self.database.read(lambda connection: count_all(connection, DATABASE_CLOCK))
        self.database.write(lambda connection: store(connection, counted))

    def command(self, name: str) -> float:
        """Seconds that a command of the program takes; the fastest of some."""
        environment = {**os.environ, "BREAKWALL_DATABASE_URL": self.url, "BREAKWALL_LOG_LEVEL": "ERROR"}
        taken = []
        for _ in range(STARTS):
            began = time.perf_counter()
            subprocess.run(
                [sys.executable, "-m", "breakwall", name, "-o", "json"],
                env=environment,
                check=False,
                capture_output=True,
            )
            taken.append(time.perf_counter() - began)
        return min(taken)

    def work_off(self, number: int) -> None:
        """Take, claim and pay so many orders, in batches, with the updates that the product makes."""
        moment = "now()" if self._postgres else "strftime('%Y-%m-%d %H:%M:%f', 'now') || '000'"
        for _ in range(number // BATCH):
            ids = self.queue.take_due(BATCH, republish_after=7200)
            named = ", ".join(f"'{order_id}'" for order_id in ids)
            for statement in (_CLAIM, _PAY):
                with self.database.engine.begin() as connection:
                    connection.exec_driver_sql(statement.format(ids=named, now=moment))

    def dead_rows(self) -> str:
        if not self._postgres:
            return ""
        with self.database.engine.connect() as connection:
            size = connection.scalar(text("SELECT pg_total_relation_size('orders')")) or 0
            index = connection.scalar(text("SELECT pg_relation_size('ix_orders_dispatch')")) or 0
        return f"; orders with its indexes has {size / 1e6:,.0f} MB, of that the dispatch index {index / 1e6:,.0f} MB"

    @property
    def _postgres(self) -> bool:
        return self.database.engine.dialect.name == "postgresql"

    def _show(self) -> None:
        order = get_order(self.database, "due-7")
        list_attempts(self.database, order.id)

    def _sample(self) -> None:
        self.database.read(lambda connection: sample_backlog(connection, DATABASE_CLOCK))

    def _stored(self) -> None:
        if not self.database.read(has_stored):
            self.store()
        assert self.monitor.snapshot().queued >= self.queued // 2

    def _sampled(self) -> None:
        self.database.write(forget)
        assert self.monitor.snapshot().queued >= min(self.queued // 2, LONG)

    def _ids(self, key: str) -> list[str]:
        wanted = text("SELECT id FROM orders WHERE idempotency_key LIKE :key LIMIT 1000")
        with self.database.engine.connect() as connection:
            return list(connection.scalars(wanted, {"key": key}))


_CLAIM = """
UPDATE orders SET status = 'in_flight', fence = fence + 1, attempt_count = 1, lease_until = {now},
next_attempt_at = NULL, dispatch_at = NULL WHERE id IN ({ids})
"""
_PAY = """
UPDATE orders SET status = 'paid', charge_id = 'ch_' || id, lease_until = NULL, settled_at = {now} WHERE id IN ({ids})
"""


def in_turns(jobs: list[Job]) -> list[float]:
    """The median time of each job, in milliseconds."""
    times: list[list[float]] = [[] for _ in jobs]
    for number in range(ROUNDS + 2):
        for job, taken in zip(jobs, times, strict=True):
            began = time.perf_counter()
            job()
            if number >= 2:  # The first ones fill the caches.
                taken.append(time.perf_counter() - began)
    return [statistics.median(taken) * 1e3 for taken in times]


def compare(name: str, sites: list[Site]) -> None:
    """Print a table: each job at each size, and what the longest takes in relation to the shortest."""
    row(name, *(f"{site.queued:,}" for site in sites), "ratio", f"{WORKED_OFF:,} worked off", "ratio")
    row("---", *["---:"] * (len(sites) + 3))
    before = {job: in_turns([site.jobs()[job] for site in sites]) for job in sites[-1].jobs()}
    size = sites[-1].dead_rows()
    began = time.perf_counter()
    sites[-1].work_off(min(WORKED_OFF, sites[-1].queued // 4))
    took = time.perf_counter() - began
    for job, times in before.items():
        beside, after = in_turns([site.jobs()[job] for site in (sites[0], sites[-1])])
        cells = (f"{taken:.2f} ms" for taken in times)
        row(job, *cells, f"{times[-1] / times[0]:.2f}", f"{after:.2f} ms", f"{after / beside:.2f}")
    counting = [in_turns([site.count])[0] for site in sites]
    row("a worker's count, every 8 s", *(f"{taken:.0f} ms" for taken in counting), "", "", "")
    commands = programs(sites)
    row("`breakwall backlog`, the process", *(f"{taken * 1e3:.0f} ms" for taken in commands), "", "", "")
    beyond = (commands[-1] - commands[0]) * 1e3
    print(
        f"\nThe longest backlog costs the command {beyond:.0f} ms. Worked off in {took:.0f} s{size}, "
        f"before; afterwards{sites[-1].dead_rows()[1:]}.\n",
        flush=True,
    )


def programs(sites: list[Site]) -> list[float]:
    """Seconds of `breakwall backlog` beside each backlog; the longest was counted by a worker."""
    sites[-1].store()
    return [site.command("backlog") for site in sites]


def row(*cells: str) -> None:
    print(f"| {' | '.join(cells)} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--orders", type=int, default=1_000_000, help="of the longest backlog")
    options = parser.parse_args()
    sizes = (*SIZES, options.orders)
    workspace = Workspace()
    try:
        server = DurablePostgres(workspace)
        server.start()
        compare("PostgreSQL", [Site(server.fresh_url(), size) for size in sizes])
        server.close()
        folder = Path(workspace.subfolder("sqlite"))
        compare("SQLite", [Site(f"sqlite:///{folder}/{size}.db", size) for size in sizes])
    finally:
        workspace.close()


if __name__ == "__main__":
    main()
