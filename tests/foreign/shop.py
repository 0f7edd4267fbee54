"""A shop in one process: every part as it is, over HTTP to a foreign service; only the clock is set by the test."""

from __future__ import annotations

import uuid
from typing import Any

from sqlalchemy import insert

from breakwall.breaker import CircuitBreaker, CircuitBreakerConfig
from breakwall.breaker.stores.memory import MemoryStore
from breakwall.payments.charging import Charger
from breakwall.payments.db.database import Database
from breakwall.payments.db.migrate import upgrade
from breakwall.payments.db.schema import attempts, orders
from breakwall.payments.gateways import GatewayProfile
from breakwall.payments.gateways.http import HttpGateway
from breakwall.payments.incidents import StoredIncident
from breakwall.payments.ledger.ledger import Ledger
from breakwall.payments.ledger.queries import get_order
from breakwall.payments.operator.incidents import newest_incidents
from breakwall.payments.orders import Order, StoredOrder
from breakwall.payments.retry_policy import RetryPolicy
from breakwall.producers.pending import PlaceResult
from breakwall.producers.producer import OrderProducer
from breakwall.worker.retry import Retrier
from tests.contract.site import LEASE, TIMEOUT, RecordingPublisher
from tests.manual_clock import ManualClock
from tests.people import People

MAX_RUNS = 20


class OneProcessShop:
    """One producer and one worker."""

    def __init__(
        self,
        database_url: str,  # of an empty database
        payment_url: str,
        *,
        name: str = "shop",  # the site's
        callers_keys: bool = False,  # as with PAYMENT_KEYS=caller
        deduplicates: bool = False,  # as with PAYMENT_DEDUPLICATES
    ) -> None:
        self.database = Database(database_url)
        upgrade(self.database.engine, site=name)
        self.clock, self._seconds = ManualClock(), 0.0
        profile = GatewayProfile(deduplicates=deduplicates, key_life=86_400, looks_up=True, absent_after=30)
        self.gateway = HttpGateway(payment_url, profile=profile)
        config = CircuitBreakerConfig(timeout=TIMEOUT, jitter=0.0)
        breaker = CircuitBreaker(
            "payment", config, MemoryStore(lambda: self._seconds), clock=lambda: self._seconds
        )
        ledger = Ledger(self.database, lease=LEASE, clock=self.clock, send_caller_keys=callers_keys)
        policy = RetryPolicy(base=1.0, cap=60.0, max_attempts=5)
        charger = Charger(self.gateway, ledger, policy, lambda: 1.0)
        self.producer = OrderProducer(
            ledger,
            charger,
            breaker,
            RecordingPublisher(),  # type: ignore[arg-type]
            timeout=TIMEOUT,
            jitter=lambda: 0.0,
            wait=30.0,
        )
        self.retrier = Retrier(charger, breaker, timeout=TIMEOUT)
        self.people = People(self.database, clock=self.clock)

    def place(self, key: str, amount: int = 10_000) -> PlaceResult:
        return self.producer.place(Order("u1", amount, "KRW", key))

    def know(self, *keys: str) -> None:
        """Have orders under these keys paid, long enough ago for look-ups to be trusted."""
        for key in keys:
            assert self.place(key).status == "paid"
        self.advance(60)

    def work_off(self, key: str) -> StoredOrder:
        """Have the worker process an order until it is not queued any more."""
        for _ in range(MAX_RUNS):
            order = self.get(key)
            if order.status != "queued":
                break
            self.advance(61)
            self.retrier.run(order.id)
        return self.get(key)

    def run_once(self, key: str) -> StoredOrder:
        """Have the worker process an order once, now."""
        self.retrier.run(self.get(key).id)
        return self.get(key)

    def accepted_before(self, key: str, charge_key: str | None = None, **attempt: Any) -> str:
        """An order of the version before: a random id, the caller's own key, an attempt whose answer was lost."""
        order_id = uuid.uuid4().hex
        now = self.clock.now
        row = {
            "id": order_id,
            "idempotency_key": key,
            "user_id": "u1",
            "amount": 10_000,
            "currency": "KRW",
            "status": "queued",
            "charge_key": charge_key or key,
            "attempt_count": 1,
            "fence": 1,
            "next_attempt_at": now,
            "dispatch_at": now,
            "created_at": now,
        }
        sent = {
            "order_id": order_id,
            "number": 1,
            "source": "producer",
            "fence": 1,
            "gateway_key": charge_key or key,
            "started_at": now,
            "finished_at": now,
            "outcome": "unknown",
            **attempt,
        }
        self.database.write(
            lambda connection: (
                connection.execute(insert(orders), row),
                connection.execute(insert(attempts), sent),
            )
        )
        return order_id

    def get(self, key: str) -> StoredOrder:
        return get_order(self.database, key)

    def incidents(self) -> list[StoredIncident]:
        return self.database.read(lambda connection: newest_incidents(connection, limit=100))

    def advance(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self._seconds += seconds

    def close(self) -> None:
        self.producer.close()
