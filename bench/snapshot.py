"""Times a snapshot of the backlog beside 1,000,000 waiting, 1,000,000 dead and 100,000 orders in review.

    python bench/snapshot.py [--orders N] [--only sqlite|postgresql]

On PostgreSQL, then on SQLite; each with a count that a worker has stored and without one, before the planner has
statistics and afterwards. Prints the median, the longest of the rounds, and each plan that reads a whole table. Starts
a PostgreSQL of its own and removes it afterwards. Takes some minutes.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from prometheus_client import CollectorRegistry, generate_latest
from sqlalchemy import Engine, event, text

from bench.claims import DurablePostgres
from breakwall.breaker import CircuitBreaker
from breakwall.monitor.backlog import Monitor
from breakwall.monitor.counts import count_all
from breakwall.monitor.history.sampler import Sampler
from breakwall.monitor.stored_counts import forget, store
from breakwall.payments.db.clock import DATABASE_CLOCK
from breakwall.payments.db.database import Database
from breakwall.payments.db.migrate import upgrade
from breakwall.settings import Settings
from breakwall.web.metrics import FamilyCollector, Scrapes
from breakwall.web.services import Services
from tests.backlog import Backlog, fill, tidy
from tests.servers import Workspace

ROUNDS = 15
LIMIT = 100.0  # Milliseconds.
COUNT_INTERVAL = 8.0  # Seconds.


class Site:
    """A database of so many orders, and a monitor over it."""

    def __init__(self, url: str, orders: int) -> None:
        self.database = Database(url)
        self.engine: Engine = self.database.engine
        upgrade(self.engine)
        fill(self.engine, Backlog(finished=orders, waiting=orders // 2, due=orders // 2, claimed=200))
        self._set_aside(orders)
        self.monitor = Monitor(self.database, CircuitBreaker("payment"), lambda: 0)

    def _set_aside(self, orders: int) -> None:
        """As many dead orders again, and a tenth in review: copies of finished ones under other keys."""
        names = "user_id, amount, currency, charge_key, deferral_count, attempt_count, fence, created_at, settled_at"
        with self.engine.begin() as connection:
            if self.engine.dialect.name == "postgresql":
                connection.execute(text("SET LOCAL statement_timeout = 0"))
            for state, number in (("dead", orders), ("review", orders // 10)):
                copied = (
                    f"SELECT '{state[0]}' || substr(id, 2), '{state}' || idempotency_key, '{state}', {names} "
                )
                source = f"FROM orders WHERE settled_at IS NOT NULL AND status <> 'dead' LIMIT {number}"
                into = f"INSERT INTO orders (id, idempotency_key, status, {names}) "
                ignored = " ON CONFLICT DO NOTHING"
                where = source.replace(" LIMIT", " AND id NOT LIKE 'd%' LIMIT")
                connection.execute(text(into + copied + where + ignored))

    def count(self) -> None:
        counted = self.database.read(lambda connection: count_all(connection, DATABASE_CLOCK))
        self.database.write(lambda connection: store(connection, counted))

    def time(self, name: str, before: Callable[[], object]) -> None:
        """Print how long a snapshot takes after ``before``, which is not timed."""
        print_times(name, before, self.monitor.snapshot)
        seen = self.monitor.snapshot()
        numbers = f"{seen.counted}, {seen.queued:,} queued, {seen.dead:,} dead ({seen.aside_counted})"
        print(f"    {numbers}", flush=True)

    def time_scrape(self) -> None:
        """Print how long `/metrics` takes: each time with a snapshot of its own, which scrapes otherwise share."""
        services = Services(Settings(), cast(Any, None), self.monitor, cast(Any, None))
        scrapes = Scrapes(services, max_age=0.0)

        def scrape() -> None:
            registry = CollectorRegistry()
            registry.register(FamilyCollector(scrapes.families()))
            generate_latest(registry)

        print_times("/metrics, with a snapshot", self.count_now_and_then(), scrape)

    def count_now_and_then(self) -> Callable[[], object]:
        """Counts as a worker does, as often."""
        last = time.monotonic() - COUNT_INTERVAL

        def count_if_due() -> None:
            nonlocal last
            if time.monotonic() > last + COUNT_INTERVAL:
                self.count()
                last = time.monotonic()

        return count_if_due

    def whole_tables(self) -> list[str]:
        """The statements of a snapshot that read all orders."""
        sent: list[tuple[str, Any]] = []

        def record(_: Any, __: Any, sql: str, parameters: Any, *___: Any) -> None:
            sent.append((sql, parameters))

        event.listen(self.engine, "before_cursor_execute", record)
        self.monitor.snapshot()
        event.remove(self.engine, "before_cursor_execute", record)
        return [sql for sql, parameters in sent if "orders" in sql and self._reads_all(sql, parameters)]

    def _reads_all(self, sql: str, parameters: Any) -> bool:
        is_postgres = self.engine.dialect.name == "postgresql"
        explain = "EXPLAIN " if is_postgres else "EXPLAIN QUERY PLAN "
        with self.engine.connect() as connection:
            rows = connection.exec_driver_sql(explain + sql, parameters).all()
        plan = "\n".join(" ".join(map(str, row)) for row in rows)
        bare = any("SCAN orders" in line and "USING" not in line for line in plan.splitlines())
        return "Seq Scan on orders" in plan or "Seq Scan on attempts" in plan or bare


def print_times(name: str, before: Callable[[], object], measured: Callable[[], object]) -> None:
    """The median and the longest time of the rounds, and the processor time of this thread, which is all on SQLite."""
    taken, cpus = [], []
    for _ in range(ROUNDS + 2):
        before()
        began, cpu = time.perf_counter(), time.thread_time()
        measured()
        taken.append((time.perf_counter() - began) * 1e3)
        cpus.append((time.thread_time() - cpu) * 1e3)
    median, longest, cpu = statistics.median(taken[2:]), max(taken[2:]), statistics.median(cpus[2:])
    late = "" if median < LIMIT else f"  MORE THAN {LIMIT:.0f} ms"
    print(f"  {name:<42} {median:7.1f} ms, at most {longest:7.1f} ms, {cpu:6.1f} ms of CPU{late}", flush=True)


def measure(name: str, site: Site) -> None:
    print(f"{name}:", flush=True)
    for statistics_are in ("without statistics", "analysed"):
        if statistics_are == "analysed":
            tidy(site.engine)
        site.time(f"no worker counts, {statistics_are}", lambda: site.database.write(forget))
        print_plans(site.whole_tables())
        site.time(f"counted by a worker, {statistics_are}", site.count_now_and_then())
        print_plans(site.whole_tables())
    site.time_scrape()
    began = time.perf_counter()
    site.count()
    print(f"  a worker's count, every 8 s                {(time.perf_counter() - began) * 1e3:7.0f} ms")
    print_sampler(site)


def print_sampler(site: Site) -> None:
    """The processor time of a sample of the history in this process."""
    moment = 0.0
    sampler = Sampler(site.monitor, monotonic=lambda: moment)
    sampler.run_once()
    began, wall = time.thread_time(), time.perf_counter()
    for _ in range(ROUNDS):
        moment += 10.0
        sampler.run_once()
    cpu, waited = (time.thread_time() - began) / ROUNDS, (time.perf_counter() - wall) / ROUNDS
    print(
        f"  a sample of the history, every 10 s        {cpu * 1e3:7.1f} ms of CPU, {waited * 1e3:.1f} ms in all"
    )


def print_plans(whole: list[str]) -> None:
    for statement in whole:
        print(f"    READS ALL: {' '.join(statement.split())[:150]}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--orders", type=int, default=1_000_000)
    parser.add_argument("--only", choices=("sqlite", "postgresql"))
    options = parser.parse_args()
    workspace = Workspace()
    try:
        if options.only != "sqlite":
            server = DurablePostgres(workspace)
            server.start()
            measure("PostgreSQL", Site(server.fresh_url(), options.orders))
            server.close()
        if options.only != "postgresql":
            folder = Path(workspace.subfolder("sqlite"))
            measure("SQLite", Site(f"sqlite:///{folder}/orders.db", options.orders))
    finally:
        workspace.close()


if __name__ == "__main__":
    main()
