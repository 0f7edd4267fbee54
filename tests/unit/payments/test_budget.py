"""How long the ways of an order are: calls of product functions, and changes from one module to another.

A budget is what was measured when it was written, and ten calls. SQLite, a gateway that answers at once, and a circuit
that no other process shares. About 30 of the calls are the database's for each transaction that writes.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest

from breakwall.breaker import CircuitBreaker, CircuitBreakerConfig, MemoryStore
from breakwall.payments.charging import Charger
from breakwall.payments.db.database import Database
from breakwall.payments.db.migrate import upgrade
from breakwall.payments.ledger.ledger import Ledger
from breakwall.payments.orders import Order, OrderStatus
from breakwall.payments.retry_policy import RetryPolicy
from breakwall.producers.producer import OrderProducer
from breakwall.worker.retry import Retrier
from tests.gateway import PAID, ScriptedGateway
from tests.in_this_thread import InThisThread
from tests.manual_clock import MonotonicClock
from tests.walk import walk


class NoPublisher:
    def publish_many(self, order_ids: list[str]) -> int:
        return len(order_ids)

    def publish_soon(self, order_ids: list[str]) -> None:
        pass

    def close(self) -> None:
        pass


class Walker:
    """A producer and a worker over one database, which is prepared."""

    def __init__(self, path: Path) -> None:
        self.database = Database(f"sqlite:///{path}")
        upgrade(self.database.engine)
        self._numbers = count(1)
        self._gateway = ScriptedGateway()
        charger = Charger(self._gateway, Ledger(self.database, lease=15.0), RetryPolicy(), random.random)
        clock = MonotonicClock()  # It stands still, so that no call renews the circuit's copy.
        self.breaker = CircuitBreaker("payment", CircuitBreakerConfig(), MemoryStore(clock), clock=clock)
        self.producer = OrderProducer(
            charger.ledger,
            charger,
            self.breaker,
            NoPublisher(),
            timeout=10.0,
            jitter=random.random,
            executor=InThisThread(),
        )
        self._retrier = Retrier(charger, self.breaker, timeout=10.0)

    def place_paid(self) -> Callable[[], object]:
        order = self._answered_order()
        return lambda: _check(self.producer.place(order).status, OrderStatus.PAID)

    def place_queued(self) -> Callable[[], object]:
        order = self._answered_order()
        self.breaker.force_open("test", "test")
        return lambda: _check(self.producer.place(order).status, OrderStatus.QUEUED)

    def retry_paid(self) -> Callable[[], object]:
        (queued,) = self.producer.enqueue([self._answered_order()])
        return lambda: _check(self._retrier.run(queued.order_id), OrderStatus.PAID)

    def _answered_order(self) -> Order:
        number = next(self._numbers)
        self._gateway.answers.append(replace(PAID, charge_id=f"ch_{number}"))
        return Order(user_id="u1", amount=10_000, currency="KRW", idempotency_key=f"cart-{number}")


def _check(status: OrderStatus | None, expected: OrderStatus) -> None:
    assert status is expected


WAYS: dict[str, tuple[Callable[[Walker], Callable[[], object]], int, int]] = {
    "place, paid": (Walker.place_paid, 248, 154),
    "place, queued because the circuit is open": (Walker.place_queued, 190, 109),
    "retry, paid": (Walker.retry_paid, 318, 171),
}


@pytest.fixture
def walker(tmp_path: Path) -> Iterator[Walker]:
    walker = Walker(tmp_path / "orders.db")
    yield walker
    walker.producer.close()


@pytest.mark.parametrize("way", WAYS)
def test_it_keeps_within_its_budget(walker: Walker, way: str) -> None:
    begin, calls, changes = WAYS[way]
    for _ in range(2):  # The first ones prepare the database, and build the statements.
        begin(walker)()
    walked = walk(begin(walker))
    assert walked[0] <= calls, f"{walked[0]} calls"
    assert walked[1] <= changes, f"{walked[1]} changes of module"
