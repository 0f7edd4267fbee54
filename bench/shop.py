"""A small shop in a process of its own: it pays as one contender does, and measures its customers.

    python -m bench.shop '{"contender": "breakwall", "threads": 40, "url": "http://127.0.0.1:8090"}'

It reads requests from stdin and answers each with a line on stdout, both JSON. Its threads serve the customers who pay
and the other pages alike, as a web server's do.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from bench.peers.direct import new_key

Pay = Callable[[str], str]
"""Pays an order by its key; returns what the customer is told: ``paid``, ``queued``, …."""

PAGES = 20.0  # Other pages a second.
PATIENCE = 30.0  # Seconds after which a customer has left.


class Shop:
    """The threads, and what a customer does with one of them."""

    def __init__(self, pay: Pay, threads: int) -> None:
        self._pay = pay
        self._threads = ThreadPoolExecutor(threads)
        self._lock = threading.Lock()
        self.customers: list[tuple[float, float, str]] = []
        self.pages: list[tuple[float, float]] = []
        self._asked: list[float] = []

    def load(self, steps: list[list[float]], drain: float = PATIENCE) -> dict[str, Any]:
        """Let customers come: each step is ``[seconds, rate at its start, rate at its end]``.

        Returns ``[arrival, seconds, answer]`` of each customer and ``[arrival, seconds]`` of each other page. Who has
        no answer ``drain`` seconds after the last one came counts as ``none``, with the seconds until then.
        """
        self.customers, self.pages, self._asked = [], [], []
        over = threading.Event()
        beside = threading.Thread(target=self._look_at_pages, args=(over,), daemon=True)
        beside.start()
        arrivals = []
        for at in _in_time(arrival_times(steps)):
            arrivals.append(at)
            self._threads.submit(self._serve, at)
        self._wait_for(len(arrivals), drain)
        over.set()
        beside.join()
        return self._result(arrivals)

    def rush(self, count: int, threads: int) -> dict[str, Any]:
        """Pay so many orders with so many threads, each as fast as it can."""
        latencies: list[float] = []
        keys = iter([new_key() for _ in range(count)])
        answers: list[str] = []

        def one_after_another() -> None:
            while True:
                with self._lock:
                    key = next(keys, None)
                if key is None:
                    return
                began = time.perf_counter()
                answer = self._pay(key)
                latencies.append(time.perf_counter() - began)
                answers.append(answer)

        began, cpu = time.perf_counter(), time.process_time()
        everyone = [threading.Thread(target=one_after_another) for _ in range(threads)]
        for one in everyone:
            one.start()
        for one in everyone:
            one.join()
        seconds, used = time.perf_counter() - began, time.process_time() - cpu
        counted = {answer: answers.count(answer) for answer in set(answers)}
        return {"seconds": seconds, "cpu": used, "latencies": latencies, "answers": counted}

    def _serve(self, arrived: float) -> None:
        try:
            answer = self._pay(new_key())
        except Exception as error:
            answer = type(error).__name__
        with self._lock:
            self.customers.append((arrived, time.monotonic() - arrived, answer))

    def _look_at_pages(self, over: threading.Event) -> None:
        while not over.wait(1 / PAGES):
            asked = time.monotonic()
            self._asked.append(asked)
            self._threads.submit(self._page, asked)

    def _page(self, asked: float) -> None:
        with self._lock:
            self.pages.append((asked, time.monotonic() - asked))

    def _wait_for(self, customers: int, drain: float) -> None:
        deadline = time.monotonic() + drain
        while len(self.customers) < customers and time.monotonic() < deadline:
            time.sleep(0.02)

    def _result(self, arrivals: list[float]) -> dict[str, Any]:
        """Who was not served yet has waited until now."""
        now = time.monotonic()
        with self._lock:
            served, shown = {at for at, _, _ in self.customers}, {at for at, _ in self.pages}
            left = [(at, now - at, "none") for at in arrivals if at not in served]
            unseen = [(at, now - at) for at in self._asked if at not in shown]
            return {"customers": [*self.customers, *left], "pages": [*self.pages, *unseen]}


def arrival_times(steps: list[list[float]]) -> Iterator[float]:
    """Seconds from the beginning at which a customer comes, evenly for a rate that changes evenly."""
    offset, owed = 0.0, 0.0
    tick = 0.002
    for seconds, first, last in steps:
        for number in range(round(seconds / tick)):
            owed += tick * (first + (last - first) * number * tick / seconds)
            if owed >= 1:
                owed -= 1
                yield offset + number * tick
        offset += seconds


def _in_time(offsets: Iterator[float]) -> Iterator[float]:
    """Each moment of the monotonic clock, when it has come."""
    began = time.monotonic()
    for offset in offsets:
        pause = began + offset - time.monotonic()
        if pause > 0:
            time.sleep(pause)
        yield began + offset


def payer(contender: str, url: str, options: dict[str, Any]) -> Pay:
    """How a contender pays. Loads only that contender's packages."""
    if contender == "direct":
        from bench.peers import direct

        return lambda key: direct.charge(key, url) and "paid"
    if contender == "pybreaker":
        from bench.peers import guarded

        return lambda key: guarded.charge(key, url) and "paid"
    if contender == "celery":
        from bench.peers.celery_app import with_result

        return lambda key: with_result.delay(key).get(timeout=PATIENCE) and "paid"
    if contender == "celery-delay":
        from bench.peers.celery_app import plain

        return lambda key: plain.delay(key).id and "queued"
    return _ours()[1]


def _ours() -> tuple[Any, Pay]:
    from breakwall.producers import Order, OrderProducer

    producer = OrderProducer.from_settings()

    def pay(key: str) -> str:
        order = Order(user_id="u1", amount=10_000, currency="KRW", idempotency_key=key)
        return str(producer.place(order).status.value)

    return producer, pay


def enqueue(count: int) -> dict[str, Any]:
    """Enqueue so many orders."""
    from breakwall.producers import Order, OrderProducer

    with OrderProducer.from_settings() as producer:
        orders = [
            Order(user_id="u1", amount=10_000, currency="KRW", idempotency_key=new_key())
            for _ in range(count)
        ]
        began, cpu = time.perf_counter(), time.process_time()
        accepted = producer.enqueue(orders)
        seconds, used = time.perf_counter() - began, time.process_time() - cpu
    return {"seconds": seconds, "cpu": used, "accepted": len(accepted)}


def main() -> None:
    options = json.loads(sys.argv[1])
    shop = Shop(payer(options["contender"], options["url"], options), options["threads"])
    answers = {"load": shop.load, "rush": shop.rush, "enqueue": enqueue}
    _say({"ready": True})
    for line in sys.stdin:
        request = json.loads(line)
        _say(answers[request.pop("do")](**request))


def _say(document: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(document) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
