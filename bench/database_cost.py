"""What an order costs PostgreSQL: processor time, commits and bytes of its log. The numbers of docs/scaling.md.

    python bench/database_cost.py [--orders N]

Starts a PostgreSQL of its own, and removes it afterwards. The payment service answers at once, in this process. The
times are of PostgreSQL's processes alone, so that a busy machine changes them little.
"""

from __future__ import annotations

import argparse
import os
import random
import time
import uuid
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from sqlalchemy import text

from bench.claims import DurablePostgres, NoPublisher
from breakwall.breaker import CircuitBreaker
from breakwall.payments.charging import Charger
from breakwall.payments.db.database import Database
from breakwall.payments.db.migrate import upgrade
from breakwall.payments.gateways.base import ChargeAnswer
from breakwall.payments.ledger.batch_claiming import Payment
from breakwall.payments.ledger.dispatch_queue import DispatchQueue
from breakwall.payments.ledger.ledger import Ledger
from breakwall.payments.orders import Order
from breakwall.payments.retry_policy import RetryPolicy
from breakwall.worker.retry import Retrier
from producers import OrderProducer
from tests.gateway import PAID, ScriptedGateway
from tests.servers import Workspace

BATCH = 500
SLOTS = 16
MAX_ATTEMPTS = RetryPolicy().max_attempts
TICKS = os.sysconf("SC_CLK_TCK")


class Site:
    """A producer and a worker's retrier on one PostgreSQL."""

    def __init__(self, server: DurablePostgres) -> None:
        self.server = server
        self.database = Database(server.fresh_url())
        upgrade(self.database.engine)
        self.gateway = ScriptedGateway()
        self.breaker = CircuitBreaker("payment")
        self.ledger = Ledger(self.database, lease=600)
        charger = Charger(self.gateway, self.ledger, RetryPolicy(), random.random)
        self.producer = OrderProducer(
            self.ledger, charger, self.breaker, NoPublisher(), timeout=10, jitter=random.random
        )
        self.retrier = Retrier(charger, self.breaker, timeout=10)
        self.queue = DispatchQueue(self.database)

    def place(self, number: int) -> None:
        for _ in range(number):
            self.gateway.answers.append(paid())
            self.producer.place(order())

    def place_while_open(self, number: int) -> None:
        self.breaker.force_open("measured", "bench")
        for _ in range(number):
            self.producer.place(order())
        self.breaker.auto("bench")

    def enqueue(self, number: int) -> None:
        self.producer.enqueue([order() for _ in range(number)])

    def make_due(self) -> None:
        """As if the moment were over that a new order is left to its producer."""
        with self.database.engine.begin() as connection:
            connection.execute(text("UPDATE orders SET dispatch_at = now() WHERE status = 'queued'"))

    def dispatch(self, number: int) -> None:
        """Take orders that are due, and give none of them to a worker."""
        taken = 0
        while taken < number and (ids := self.queue.take_due(BATCH, republish_after=7200)):
            taken += len(ids)

    def retry(self, number: int) -> None:
        """Work on orders one at a time, as after a crash and while the circuit is half-open."""
        for order_id in self.queue.take_due(number, republish_after=7200):
            self.gateway.answers.append(paid())
            self.retrier.run(order_id)

    def drain(self, number: int) -> None:
        """Work on orders as a worker with 16 slots does: results and new attempts in one transaction."""
        ids, payments, done = self.queue.take_due(number, republish_after=7200), list[Payment](), 0
        for start in range(0, len(ids) + SLOTS, SLOTS):
            exchanged = self.ledger.exchange(payments, ids[start : start + SLOTS], max_attempts=MAX_ATTEMPTS)
            done += len(exchanged.paid)
            payments = [Payment(attempt, paid()) for attempt in exchanged.attempts]
        if done != number:
            raise RuntimeError(f"{done} of {number} orders were paid")

    def usage(self) -> tuple[float, int, int]:
        """Seconds of processor time, bytes of the log and commits so far."""
        with self.database.engine.connect() as connection:
            row = connection.execute(
                text(
                    "SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0') AS log, pg_stat_force_next_flush(), "
                    "(SELECT sum(xact_commit) FROM pg_stat_database) AS commits"
                )
            ).one()
        return processor_seconds(self.server), int(row.log), int(row.commits)


def processor_seconds(server: DurablePostgres) -> float:
    """Of all processes of the server that run now."""
    ticks = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # It has just ended.
        if int(fields[1]) == server.pid or int(stat.parent.name) == server.pid:
            ticks += int(fields[11]) + int(fields[12])
    return ticks / TICKS


def paid() -> ChargeAnswer:
    """An answer with a charge of its own."""
    return replace(PAID, charge_id=f"ch_{uuid.uuid4().hex}")


def order() -> Order:
    return Order(user_id="user-1", amount=10_000, currency="KRW", idempotency_key=uuid.uuid4().hex)


def measure(site: Site, name: str, work: Callable[[int], None], number: int) -> None:
    before = site.usage()
    work(number)
    time.sleep(1.1)  # PostgreSQL's own counters are a second late.
    cost = [(now - then) / number for then, now in zip(before, site.usage(), strict=True)]
    print(f"| {name} | {cost[0] * 1e3:.2f} ms | {cost[2]:.2f} | {cost[1]:,.0f} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--orders", type=int, default=2_000)
    number = parser.parse_args().orders
    workspace = Workspace()
    try:
        server = DurablePostgres(workspace)
        server.start()
        site = Site(server)
        site.place(50)
        print("| an order | processor | commits | bytes of log |\n| --- | ---: | ---: | ---: |")
        measure(site, "`place`, charged", site.place, number)
        measure(site, "`place`, circuit open", site.place_while_open, number)
        measure(site, "`enqueue`, 500 at a time", site.enqueue, number)
        site.make_due()
        measure(site, "the dispatcher takes it", site.dispatch, number)
        site.make_due()
        measure(site, "a worker charges it, one at a time", site.retry, number)
        site.enqueue(number)
        site.make_due()
        measure(site, f"a worker charges it, {SLOTS} at a time", site.drain, number)
        site.producer.close()
        server.close()
    finally:
        workspace.close()


if __name__ == "__main__":
    main()
