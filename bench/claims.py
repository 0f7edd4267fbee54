"""Times claims beside a long backlog and beside one ten times shorter, on PostgreSQL, alternating in one run.

    python bench/claims.py --queued 100000 --finished 300000

Starts a PostgreSQL of its own and removes it afterwards. Prints medians, 99th percentiles and the ratio of the
medians. Exits 1 if several claimers at once got one order twice.
"""

from __future__ import annotations

import argparse
import math
import random
import statistics
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from sqlalchemy import event, func, select

from breakwall.breaker import CircuitBreaker
from breakwall.payments.charging import Charger
from breakwall.payments.db.database import Database
from breakwall.payments.db.migrate import upgrade
from breakwall.payments.db.schema import QUEUED, orders
from breakwall.payments.ledger.dispatch_queue import DispatchQueue
from breakwall.payments.ledger.ledger import Ledger
from breakwall.payments.orders import Order
from breakwall.payments.retry_policy import RetryPolicy
from breakwall.settings import DispatchSettings
from producers import OrderProducer
from tests.backlog import Backlog, fill, tidy
from tests.gateway import PAID, ScriptedGateway
from tests.servers import PostgresServer, Workspace

ROUNDS = 200
WARM_UP = 10
BATCH = DispatchSettings().batch
RECLAIMED = 50
CLAIMERS = 8
CONTESTED = 1000  # Orders that all claimers want at the same time.
PLACED_BESIDE = 100_000

Seconds = list[float]
Job = Callable[[], object]


class DurablePostgres(PostgresServer):
    """PostgreSQL with settings for payments, unlike in the tests: commits are on the disk, and it has more memory."""

    def _command(self) -> list[str]:
        settings = ("fsync=on", "full_page_writes=on", "shared_buffers=512MB", "max_wal_size=4GB")
        return [*super()._command(), *(part for setting in settings for part in ("-c", setting))]


class Worker:
    """The transactions of a worker and a dispatcher, beside a backlog."""

    def __init__(self, url: str, backlog: Backlog) -> None:
        self.database = Database(url)
        upgrade(self.database.engine)
        fill(self.database.engine, backlog)
        tidy(self.database.engine)
        self.queue = DispatchQueue(self.database)
        self.ledger = Ledger(self.database, lease=600)
        self.ids = self._some_due_orders()

    def take(self) -> list[str]:
        return self.queue.take_due(BATCH, republish_after=7200)

    def reclaim(self) -> list[str]:
        return self.queue.reclaim_expired(limit=RECLAIMED)

    def claim(self) -> object:
        return self.ledger.claim(self.ids.pop())

    def number_due(self) -> int:
        due = orders.c.dispatch_at <= self.queue.clock.after(0)
        wanted = select(func.count()).where(orders.c.status == QUEUED, due)
        return self.database.read(lambda connection: connection.scalars(wanted).one())

    def _some_due_orders(self) -> list[str]:
        wanted = select(orders.c.id).where(orders.c.idempotency_key.like("due-%"))
        ids = self.database.read(lambda connection: list(connection.scalars(wanted)))
        return random.Random(1).sample(ids, min(len(ids), 10_000))


class Checkout:
    """A producer that places orders, with a payment service that answers at once."""

    def __init__(self, url: str, backlog: Backlog) -> None:
        self.database = Database(url)
        upgrade(self.database.engine)
        fill(self.database.engine, backlog)
        self.gateway = ScriptedGateway()
        self.breaker = CircuitBreaker(f"payment {uuid.uuid4().hex}")
        ledger = Ledger(self.database, lease=15)
        charger = Charger(self.gateway, ledger, RetryPolicy(), random.random)
        self.producer = OrderProducer(
            ledger, charger, self.breaker, NoPublisher(), timeout=10, jitter=random.random
        )

    def place(self) -> object:
        self.gateway.answers.append(PAID)
        key = uuid.uuid4().hex
        return self.producer.place(Order(user_id="u1", amount=10_000, currency="KRW", idempotency_key=key))


class NoPublisher:
    def publish_many(self, order_ids: list[str]) -> int:
        return len(order_ids)

    def publish_soon(self, order_ids: list[str]) -> None:
        pass

    def close(self) -> None:
        pass


def in_turns(jobs: list[Job], rounds: int = ROUNDS) -> list[Seconds]:
    """How long each job took in each round. They alternate, so that a busy machine slows them alike."""
    times: list[Seconds] = [[] for _ in jobs]
    for number in range(WARM_UP + rounds):
        for job, taken in zip(jobs, times, strict=True):
            began = time.perf_counter()
            job()
            if number >= WARM_UP:
                taken.append(time.perf_counter() - began)
    return times


@contextmanager
def timing_queries(database: Database) -> Iterator[Seconds]:
    """How long each SELECT took in the database, without the time that Python needs for the result."""
    times: Seconds = []
    began = 0.0

    def begin(*_: object) -> None:
        nonlocal began
        began = time.perf_counter()

    def end(*arguments: object) -> None:
        if str(arguments[2]).startswith("SELECT"):
            times.append(time.perf_counter() - began)

    event.listen(database.engine, "before_cursor_execute", begin)
    event.listen(database.engine, "after_cursor_execute", end)
    yield times
    event.remove(database.engine, "before_cursor_execute", begin)
    event.remove(database.engine, "after_cursor_execute", end)


def median(taken: Seconds) -> float:
    return statistics.median(taken)


def p99(taken: Seconds) -> float:
    return sorted(taken)[math.ceil(0.99 * len(taken)) - 1]


def head(place: str, many: str, few: str) -> None:
    print(f"\n| {place} | {many}: median | p99 | {few}: median | p99 | ratio of the medians |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |", flush=True)


def row(name: str, many: Seconds, few: Seconds) -> None:
    cells = [f"{pick(taken) * 1e3:.2f} ms" for taken in (many, few) for pick in (median, p99)]
    print(f"| {name} | {' | '.join(cells)} | {median(many) / median(few):.2f} |", flush=True)


def log(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)


def compare_claims(server: PostgresServer, queued: int, finished: int) -> bool:
    """Print the table of claims, then what many claimers got. False if they got anything twice."""
    large = Worker(server.fresh_url(), backlog(queued, finished))
    small = Worker(server.fresh_url(), backlog(queued // 10, finished // 10))
    pair = (large, small)
    takes = min(ROUNDS, small.number_due() // BATCH - WARM_UP)
    head("PostgreSQL", f"{queued:,} queued, {finished:,} finished", "ten times fewer")
    with timing_queries(large.database) as in_large, timing_queries(small.database) as in_small:
        row(f"take {BATCH} due orders", *in_turns([worker.take for worker in pair], takes))
    row("– of that, the query that finds them", in_large[WARM_UP:], in_small[WARM_UP:])
    row(f"take {RECLAIMED} expired claims back", *in_turns([worker.reclaim for worker in pair]))
    row("find no expired claim", *in_turns([worker.reclaim for worker in pair]))
    row("claim one order by its id", *in_turns([worker.claim for worker in pair]))
    once = [claimers_at_once(worker) for worker in pair]
    for worker in pair:
        tidy(worker.database.engine)
    row("find no due order among all", *in_turns([worker.take for worker in pair]))
    print("\n" + "\n".join(sentence for _, sentence in once))
    return all(holds for holds, _ in once)


def backlog(queued: int, finished: int) -> Backlog:
    expired = (WARM_UP + ROUNDS) * RECLAIMED
    return Backlog(finished, waiting=queued // 2, due=queued - queued // 2, claimed=1000, expired=expired)


def claimers_at_once(worker: Worker) -> tuple[bool, str]:
    """Have all of them take what is due, and claim the same orders. Returns whether each was got once, in words too."""
    due = worker.number_due()
    wanted = [worker.ids.pop() for _ in range(CONTESTED)]
    with ThreadPoolExecutor(CLAIMERS) as threads:
        began = time.perf_counter()
        taken = [one for got in threads.map(lambda _: take_all(worker), range(CLAIMERS)) for one in got]
        seconds = time.perf_counter() - began
        # The same order for all, one order after the other.
        asked = [order_id for order_id in wanted for _ in range(CLAIMERS)]
        claims = [claim for claim in threads.map(worker.ledger.claim, asked) if claim is not None]
    holds = len(taken) == len(set(taken)) == due and len(claims) == len(wanted)
    return holds, (
        f"{CLAIMERS} dispatchers at once took {len(taken):,} of {due:,} due orders in {seconds:.0f} s, "
        f"{len(taken) - len(set(taken))} of them twice; {CLAIMERS} workers at once, each asking for the same "
        f"{len(wanted):,} orders, got {len(claims):,} claims."
    )


def take_all(worker: Worker) -> list[str]:
    everything: list[str] = []
    while batch := worker.take():
        everything += batch
    return everything


def compare_places(name: str, urls: tuple[str, str], queued: int) -> None:
    """Print the table of `OrderProducer.place` beside a backlog and beside an empty table."""
    pair = (Checkout(urls[0], Backlog(waiting=queued)), Checkout(urls[1], Backlog()))
    head(name, f"{queued:,} queued", "an empty table")
    row("place, and charge", *in_turns([checkout.place for checkout in pair]))
    for checkout in pair:
        checkout.breaker.force_open("measured", "bench")
    row("place, while the circuit is open", *in_turns([checkout.place for checkout in pair]))
    for checkout in pair:
        checkout.producer.close()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--queued", type=int, default=1_000_000, help="at least 100000")
    parser.add_argument("--finished", type=int, default=3_000_000)
    options = parser.parse_args()
    if options.queued < 100_000:
        parser.error("--queued: in a tenth of it there must be some batches of due orders: at least 100000")
    workspace = Workspace()
    try:
        server = DurablePostgres(workspace)
        server.start()
        log(f"{server.description}; filling it takes a minute or two")
        once = compare_claims(server, options.queued, options.finished)
        compare_places("PostgreSQL", (server.fresh_url(), server.fresh_url()), PLACED_BESIDE)
        files = workspace.subfolder("sqlite")
        compare_places("SQLite", (f"sqlite:///{files}/1.db", f"sqlite:///{files}/2.db"), PLACED_BESIDE)
        server.close()
    finally:
        workspace.close()
    return int(not once)


if __name__ == "__main__":
    sys.exit(main())
