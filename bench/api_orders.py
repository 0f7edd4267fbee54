"""What `POST /v1/orders` costs while the circuit is open, beside the same producer called in its process.

    python bench/api_orders.py [--orders N] [--processes N] [--sqlite] [--postgres]

Sixteen callers place orders as fast as they can: in one process with `AsyncOrderProducer`, then over sixteen keep-alive
connections to a `breakwall api`; the two take turns. Both run on the same event loop, and the clients of HTTP have a
process of their own, whose time is not counted. Prints the medians of the rounds: orders a second and processor time of
one order, each with the ratio in which HTTP is worse. On a busy machine, or with one core for all, look at the second
ratio. Then orders come at 100 a second, and the latencies count.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import os
import statistics
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from subprocess import PIPE, run
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.harness.meters import cpu_of, cpu_of_children, quantile
from bench.harness.site import DurablePostgres
from breakwall.processes.child import Child, python_module
from tests.environment import prepare
from tests.servers import Workspace

CALLERS = 16
ROUNDS = 7
RATE, SECONDS = 100, 10  # Orders a second, and for how long.
_numbers = itertools.count()

Place = Callable[[int], Awaitable[None]]


def new_key() -> str:
    return f"order-{os.getpid()}-{next(_numbers)}"


async def rush(place: Place, count: int) -> float:
    """Seconds in which so many orders are placed, by `CALLERS` at once."""
    left = iter(range(count))

    async def caller(number: int) -> None:
        for _ in left:
            await place(number)

    began = time.perf_counter()
    await asyncio.gather(*(caller(number) for number in range(CALLERS)))
    return time.perf_counter() - began


async def steadily(place: Place) -> list[float]:
    """Latencies in milliseconds, from the moment when each order should have come."""
    free: asyncio.Queue[int] = asyncio.Queue()
    for number in range(CALLERS):
        free.put_nowait(number)

    async def customer(due: float) -> float:
        number = await free.get()
        await place(number)
        free.put_nowait(number)
        return (time.perf_counter() - due) * 1e3

    began = time.perf_counter()
    tasks = []
    for number in range(RATE * SECONDS):
        due = began + number / RATE
        await asyncio.sleep(due - time.perf_counter())
        tasks.append(asyncio.create_task(customer(due)))
    return await asyncio.gather(*tasks)


class Connection:
    """One keep-alive connection. It costs its process little, so that the server is measured."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def place(self) -> None:
        self._streams = self._streams or await asyncio.open_connection("127.0.0.1", self._port)
        reader, writer = self._streams
        body = b'{"user_id":"u1","amount":10000,"currency":"KRW"}'
        head = (
            f"POST /v1/orders HTTP/1.1\r\nHost: 127.0.0.1:{self._port}\r\nContent-Type: application/json\r\n"
            f'Idempotency-Key: "{new_key()}"\r\nContent-Length: {len(body)}\r\n\r\n'
        )
        writer.write(head.encode() + body)
        answer = await reader.readuntil(b"\r\n\r\n")
        length = int(answer.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        document = await reader.readexactly(length)
        if not answer.startswith(b"HTTP/1.1 202"):
            raise RuntimeError((answer + document).decode())


async def in_process() -> None:
    """Answer each line of the standard input, a number of orders, with the seconds that they took."""
    from breakwall.producers import AsyncOrderProducer, Order

    producer = AsyncOrderProducer.from_settings()

    async def place(_: int) -> None:
        order = Order(user_id="u1", amount=10_000, currency="KRW", idempotency_key=new_key())
        result = await producer.place(order)
        assert result.status == "queued"

    while line := await asyncio.to_thread(sys.stdin.readline):
        print(json.dumps(await rush(place, int(line))), flush=True)


class Contenders:
    """A process with the producer and a server process, over one database."""

    def __init__(self, stack: ExitStack, environment: dict[str, str], port: int, processes: int) -> None:
        producer = [*python_module("bench.api_orders"), "--in-process"]
        served_by = ["--processes", str(processes)] if processes > 1 else []
        server = python_module("breakwall", "api", "--port", str(port), "--loglevel", "warning", *served_by)
        options: dict[str, Any] = {"environment": environment, "folder": None}
        self._producer = Child("producer", producer, **options, stdin=PIPE, stdout=PIPE)
        self._server = Child("server", server, **options)
        for child in (self._producer, self._server):
            stack.callback(child.stop, 5.0)
        self._connections = [Connection(port) for _ in range(CALLERS)]

    async def over_http(self, number: int) -> None:
        await self._connections[number].place()

    async def ready(self) -> None:
        for _ in range(300):
            try:
                return await self.over_http(0)
            except OSError:
                await asyncio.sleep(0.1)
        raise RuntimeError("the server did not start")

    def rush_in_process(self, count: int) -> float:
        stdin, stdout = self._producer.process.stdin, self._producer.process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(f"{count}\n".encode())
        stdin.flush()
        return float(stdout.readline())

    def cpu_of_server(self) -> float:
        pid = self._server.process.pid
        return cpu_of([pid]) + cpu_of_children(pid)

    def cpu_of_producer(self) -> float:
        return cpu_of([self._producer.process.pid])


async def measure(name: str, contenders: Contenders, count: int) -> None:
    await contenders.ready()
    await rush(contenders.over_http, count // 4)
    contenders.rush_in_process(count // 4)
    rounds = [await one_round(contenders, count) for _ in range(ROUNDS)]
    latencies = await steadily(contenders.over_http)
    ours, http, cpu, cpu_http = (statistics.median(column) for column in zip(*rounds, strict=True))
    of_rates = statistics.median(one[1] / one[0] for one in rounds)
    of_cpus = statistics.median(one[2] / one[3] for one in rounds)
    p50, p99 = quantile(latencies, 0.5), quantile(latencies, 0.99)
    print(
        f"{name:<10}  {ours:9.0f}  {http:9.0f}  {of_rates:6.2f}  {cpu:9.2f}  {cpu_http:9.2f}  {of_cpus:6.2f}"
        f"  {p50:6.1f}  {p99:6.1f}  {max(latencies):6.1f}",
        flush=True,
    )


async def one_round(contenders: Contenders, count: int) -> tuple[float, float, float, float]:
    """Orders a second in process and over HTTP, and the milliseconds of processor time that one takes."""
    before = contenders.cpu_of_producer(), contenders.cpu_of_server()
    ours, http = contenders.rush_in_process(count), await rush(contenders.over_http, count)
    cpus = contenders.cpu_of_producer() - before[0], contenders.cpu_of_server() - before[1]
    return count / ours, count / http, cpus[0] / count * 1e3, cpus[1] / count * 1e3


@contextmanager
def databases(workspace: Workspace, names: list[str]) -> Iterator[dict[str, str | None]]:
    """The URLs; None is the embedded SQLite."""
    if "postgres" not in names:
        yield {"sqlite": None}
        return
    server = DurablePostgres(workspace)
    server.start()
    try:
        urls: dict[str, str | None] = {"sqlite": None, "postgres": server.fresh_url()}
        yield {name: urls[name] for name in names}
    finally:
        server.close()


def measure_all(count: int, names: list[str], processes: int) -> None:
    prepare()
    workspace = Workspace()
    print(
        f"{'':<10}  {'in-proc/s':>9}  {'http/s':>9}  {'ratio':>6}  {'cpu ms':>9}  {'http cpu':>9}  {'ratio':>6}",
        end="",
    )
    print(f"  {'p50 ms':>6}  {'p99 ms':>6}  {'max ms':>6}", flush=True)
    with databases(workspace, names) as urls, ExitStack() as stack:
        for name, url in urls.items():
            folder = workspace.subfolder(f"api-{name}")
            environment = {**os.environ, "BREAKWALL_DATA_DIR": str(folder / "data"), "PYTHONPATH": str(ROOT)}
            if url is not None:
                environment |= {"BREAKWALL_DATABASE_URL": url}
                breakwall(environment, "db", "upgrade")
            breakwall(environment, "breaker", "force-open", "--reason", "measured")
            contenders = Contenders(stack, environment, workspace.free_port(), processes)
            asyncio.run(measure(name, contenders, count))
    workspace.close()


ROOT = Path(__file__).resolve().parents[1]


def breakwall(environment: dict[str, str], *arguments: str) -> None:
    run([sys.executable, "-m", "breakwall", *arguments], env=environment, check=True, capture_output=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--orders", type=int, default=1000, metavar="N", help="of one round")
    parser.add_argument("--processes", type=int, default=1, metavar="N", help="that serve HTTP")
    parser.add_argument("--sqlite", action="append_const", const="sqlite", dest="names")
    parser.add_argument("--postgres", action="append_const", const="postgres", dest="names")
    parser.add_argument("--in-process", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.in_process:
        import uvloop

        uvloop.run(in_process())  # The loop that the server runs on.
    else:
        measure_all(options.orders, options.names or ["sqlite", "postgres"], options.processes)


if __name__ == "__main__":
    main()
