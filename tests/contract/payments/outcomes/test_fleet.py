"""Two workers with real threads at once: every event arrives, and each order's events arrive in their order."""

from __future__ import annotations

import random
import threading
from collections import defaultdict
from datetime import UTC, datetime, timedelta

from breakwall.breaker import CircuitBreaker, CircuitBreakerConfig, MemoryStore
from breakwall.payments.orders import OrderStatus
from breakwall.payments.outcomes.channel import Channel
from breakwall.payments.outcomes.delivering import Delivering
from breakwall.payments.outcomes.destination import DELIVERED, Result
from breakwall.payments.outcomes.event import Event
from tests.contract.payments.outcomes.outbox_site import OutboxSite
from tests.waiting import wait_until

ORDERS = 10
ENDS = (OrderStatus.REVIEW, OrderStatus.DEAD, OrderStatus.REVIEW, OrderStatus.PAID)
NEVER_OPENS = CircuitBreakerConfig(failure_threshold=1_000_000)


class UnreliableShop:
    """Fails the first try of some events, and knows the first delivery of each."""

    name, endpoint = "webhook", None

    def __init__(self, seed: int) -> None:
        self._random, self._lock = random.Random(seed), threading.Lock()
        self._asked: set[str] = set()
        self.took: list[Event] = []

    def deliver(self, event: Event, *, deadline: float) -> Result:
        with self._lock:
            is_first = event.id not in self._asked
            self._asked.add(event.id)
            if is_first and self._random.random() < 0.2:
                return Result("HTTP 503")
            if event.id not in {known.id for known in self.took}:
                self.took.append(event)
            return DELIVERED

    def close(self) -> None:
        pass


class Worker:
    """Delivers in a thread of its own until it is stopped."""

    def __init__(self, site: OutboxSite, shop: UnreliableShop, store: MemoryStore, seed: int) -> None:
        channel = Channel(shop, CircuitBreaker("shop", NEVER_OPENS, store=store))
        self._delivering = Delivering(site.database, [channel], batch=7)
        self._random, self._stopped = random.Random(seed), threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join(60)

    def _run(self) -> None:
        while not self._stopped.is_set():
            self._delivering.run_once()
            self._stopped.wait(self._random.random() / 100)
        self._delivering.stop(60)


def test_two_workers_tell_each_order_in_its_order(outbox_site: OutboxSite) -> None:
    shop, store = UnreliableShop(7), MemoryStore()
    outbox_site.clock.now = datetime.now(UTC) + timedelta(
        days=1
    )  # All orders end after the workers have begun.
    workers = [Worker(outbox_site, shop, store, seed) for seed in range(2)]
    try:
        wait_until(lambda: "webhook" in outbox_site.known_destinations(), 60)
        for status in ENDS:
            for number in range(ORDERS):
                outbox_site.end(f"k{number}", status)
        wait_until(lambda: len(shop.took) == ORDERS * len(ENDS), 300)
    finally:
        for worker in workers:
            worker.stop()
    told = defaultdict(list)
    for event in shop.took:
        told[event.idempotency_key].append(event.status)
    assert set(map(tuple, told.values())) == {tuple(status.value for status in ENDS)}
