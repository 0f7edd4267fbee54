"""What an order costs the process that places it, beside `task.delay()` of plain Celery, in one run.

    python bench/order_cost.py --orders 2000

CPU is the whole process's, per order; the payment service, the database and the broker are other processes. The service
takes 5 ms. Contestants take turns in each round, and each row is the best of the rounds. PostgreSQL waits for its disk
at a commit, as in production; Redis does not.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

from celery import Celery

from breakwall.broker.embedded.broker import EmbeddedBroker
from breakwall.payments.db.database import Database
from breakwall.payments.db.migrate import upgrade
from breakwall.payments.orders import Order
from breakwall.settings import load_settings
from producers import OrderProducer
from tests.servers import PostgresServer, RedisServer, Workspace

SERVICE_SECONDS = 0.005
ROUNDS = 5
THREADS = (1, 16)
ENQUEUED = 100  # Orders in one call of `enqueue`.

Job = Callable[[], object]


class DurablePostgres(PostgresServer):
    """Commits are on the disk, unlike in the tests."""

    def _command(self) -> list[str]:
        return [*super()._command(), "-c", "fsync=on", "-c", "full_page_writes=on"]


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one order: CPU in milliseconds, orders a second, and latencies of a call in milliseconds."""

    cpu: float
    rate: float
    p50: float
    p90: float
    p99: float

    def __str__(self) -> str:
        return f"{self.cpu:6.2f} {self.rate:8,.0f} {self.p50:7.1f} {self.p90:7.1f} {self.p99:7.1f}"


def measure(job: Job, threads: int, calls: int, orders_a_call: int = 1) -> Cost:
    """Run ``job`` so many times in so many threads."""

    def timed(_: int) -> float:
        began = time.perf_counter()
        job()
        return (time.perf_counter() - began) * 1000

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(timed, range(threads)))  # The threads, and a connection for each.
        cpu, began = time.process_time(), time.perf_counter()
        took = sorted(pool.map(timed, range(calls)))
        cpu, wall = time.process_time() - cpu, time.perf_counter() - began
    orders = calls * orders_a_call
    quantiles = (took[int(len(took) * part)] for part in (0.5, 0.9, 0.99))
    return Cost(cpu / orders * 1000, orders / wall, *quantiles)


def order() -> Order:
    return Order(user_id="u1", amount=10_000, currency="KRW", idempotency_key=uuid.uuid4().hex)


def peer(order_id: str) -> None:
    """The peer's task, which no worker runs."""


class Shop:
    """The contestants over one database and one broker."""

    def __init__(self, environment: dict[str, str]) -> None:
        settings = load_settings(environment)
        self.closed = OrderProducer.from_settings(settings)
        # A circuit of its own, because this one stays open.
        apart = {**environment, "BREAKWALL_BREAKER_STORE_URL": "memory://"}
        self.open = OrderProducer.from_settings(load_settings(apart))
        self.open._breaker.force_open("measured", "bench")
        celery = Celery("peer", broker=settings.broker, set_as_current=False)
        self._task = celery.task(name="peer", ignore_result=True)(peer)

    def contestants(self) -> dict[str, tuple[Job, int]]:
        """Each job, and the orders of one call."""
        return {
            "place, closed": (lambda: self.closed.place(order()), 1),
            "place, open": (lambda: self.open.place(order()), 1),
            "task.delay()": (lambda: self._task.delay(uuid.uuid4().hex), 1),
            "enqueue": (lambda: self.closed.enqueue([order() for _ in range(ENQUEUED)]), ENQUEUED),
        }

    def close(self) -> None:
        self.closed.close()
        self.open.close()


def compare(environment: dict[str, str], threads: int, orders: int) -> dict[str, Cost]:
    """The least CPU, the best rate and the best latencies of each contestant."""
    shop = Shop(environment)
    rounds: dict[str, list[Cost]] = {}
    for _ in range(ROUNDS):
        for name, (job, size) in shop.contestants().items():
            calls = max(threads, orders // size)
            rounds.setdefault(name, []).append(measure(job, threads, calls, size))
    shop.close()
    return {name: best(costs) for name, costs in rounds.items()}


def best(costs: list[Cost]) -> Cost:
    least = {name: min(getattr(cost, name) for cost in costs) for name in ("cpu", "p50", "p90", "p99")}
    return Cost(rate=max(cost.rate for cost in costs), **least)


def show(costs: dict[str, Cost]) -> None:
    peer = costs["task.delay()"]
    print(f"{'':14} CPU ms  orders/s  p50 ms  p90 ms  p99 ms  CPU, rate beside task.delay()")
    for name, cost in costs.items():
        print(f"{name:14} {cost}  {peer.cpu / cost.cpu:5.2f} {cost.rate / peer.rate:6.2f}", flush=True)


@contextmanager
def payment_service() -> Iterator[str]:
    """The URL of a service that charges everything, in a process of its own."""
    command = [sys.executable, __file__, "--serve"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as service:
        try:
            yield f"http://127.0.0.1:{service.stdout.readline().strip()}"  # type: ignore[union-attr]
        finally:
            service.kill()


class Charges(asyncio.Protocol):
    """Answers each request of a kept connection after `SERVICE_SECONDS`."""

    numbers = itertools.count(1)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport, self._received = transport, b""

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, _, body = self._received.partition(b"\r\n\r\n")
        length = next(
            int(line.partition(b":")[2])
            for line in [*head.lower().splitlines(), b"content-length: 0"]
            if line.startswith(b"content-length")
        )
        if len(body) >= length:
            self._received = b""
            asyncio.get_running_loop().call_later(SERVICE_SECONDS, self._answer)

    def _answer(self) -> None:
        body = json.dumps({"status": "succeeded", "charge_id": f"ch_{next(self.numbers)}"}).encode()
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        self._transport.write(head.encode() + body)  # type: ignore[attr-defined]


async def serve() -> None:
    server = await asyncio.get_running_loop().create_server(Charges, "127.0.0.1", 0, backlog=200)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def run(orders: int) -> None:
    """Print a table for each kind of site and number of threads."""
    workspace = Workspace()
    postgres, redis = DurablePostgres(workspace), RedisServer(workspace)
    home = workspace.subfolder("home")
    embedded = EmbeddedBroker(home)
    try:
        postgres.start()
        redis.start()
        embedded.ensure()
        with payment_service() as url:
            own = {"BREAKWALL_PAYMENT_URL": url, "BREAKWALL_DATA_DIR": str(home)}
            servers = {"BREAKWALL_DATABASE_URL": postgres.fresh_url(), "BREAKWALL_BROKER_URL": redis.url()}
            sites = {"PostgreSQL and Redis": {**own, **servers}, "SQLite and the embedded broker": own}
            for (name, environment), threads in itertools.product(sites.items(), THREADS):
                database = Database(load_settings(environment).database)
                upgrade(database.engine)
                database.close()
                print(f"\n{name}, {threads} threads")
                show(compare(environment, threads, orders))
    finally:
        embedded.stop()
        redis.close()
        postgres.close()
        workspace.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--orders", type=int, default=2000, help="of each contestant in each round")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        asyncio.run(serve())
    else:
        run(options.orders)


if __name__ == "__main__":
    main()
