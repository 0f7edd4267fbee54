"""A site in one process: the real parts around a scripted gateway, and a clock turned by hand."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

from breakwall.breaker import CircuitBreaker, CircuitBreakerConfig, CircuitBreakerError
from breakwall.breaker.stores.memory import MemoryStore
from breakwall.payments.charging import Charger
from breakwall.payments.db.database import Database
from breakwall.payments.decisions import Decision
from breakwall.payments.gateways.base import ChargeAnswer, Outcome
from breakwall.payments.interventions import Author
from breakwall.payments.ledger.dispatch_queue import DispatchQueue
from breakwall.payments.ledger.expiring import Expiring
from breakwall.payments.ledger.ledger import Ledger
from breakwall.payments.ledger.queries import get_order, list_attempts
from breakwall.payments.operator.suspect import Suspicion
from breakwall.payments.orders import Order, OrderStatus, StoredOrder
from breakwall.payments.retry_policy import RetryPolicy
from breakwall.producers.producer import OrderProducer
from breakwall.worker.retry import Retrier
from tests import migrated
from tests.gateway import PAID, ScriptedGateway
from tests.manual_clock import ManualClock
from tests.people import People

LEASE = 15.0
TIMEOUT = 10.0
LONG_WAIT = 30.0  # Seconds that callers wait for an outcome, so that a busy machine changes none.


class RecordingPublisher:
    """Records what it is asked to publish."""

    def __init__(self) -> None:
        self.published: list[str] = []

    def publish_many(self, order_ids: list[str]) -> int:
        self.published += order_ids
        return len(order_ids)

    def publish_soon(self, order_ids: list[str]) -> None:
        self.published += order_ids

    def close(self) -> None:
        pass


class Site:
    """One producer and one worker over one database."""

    def __init__(
        self, url: str, gateway: ScriptedGateway | None = None, *, adaptive_limit: bool = False
    ) -> None:
        self.database = Database(url)
        migrated.prepare(self.database)
        self.clock = ManualClock()
        self.seconds = 0.0
        self.gateway = gateway or ScriptedGateway()
        self.publisher = RecordingPublisher()
        config = CircuitBreakerConfig(
            failure_threshold=3,
            recovery_timeout=30.0,
            half_open_max_calls=3,
            timeout=TIMEOUT,
            jitter=0.0,
            adaptive_limit=adaptive_limit,
        )
        store = MemoryStore(lambda: self.seconds)
        self.breaker = CircuitBreaker("payment", config, store, clock=lambda: self.seconds)
        self.ledger = Ledger(self.database, lease=LEASE, clock=self.clock)
        policy = RetryPolicy(base=1.0, cap=60.0, max_attempts=3)
        self.charger = charger = Charger(self.gateway, self.ledger, policy, lambda: 1.0)  # type: ignore[arg-type]
        self.producer = OrderProducer(
            self.ledger,
            charger,
            self.breaker,
            self.publisher,
            timeout=TIMEOUT,
            jitter=lambda: 0.0,
            wait=LONG_WAIT,
        )
        self.retrier = Retrier(charger, self.breaker, timeout=TIMEOUT)
        self.dispatch_queue = DispatchQueue(self.database, clock=self.clock)
        self.expiring = Expiring(self.database, clock=self.clock)
        self.people = People(self.database, clock=self.clock)

    def know_a_charge(self, key: str = "paid-before") -> None:
        """Make one charge known, to test look-ups with, as any shop has one after its first order."""
        self.gateway.answers.appendleft(replace(PAID, charge_id=f"ch_of_{key}"))
        placed = self.producer.place(order(key))
        self.gateway.known[self.get(key).charge_key] = f"ch_of_{key}"
        assert placed.status == "paid"
        self.gateway.charged.clear()
        self.advance(self.gateway.profile.absent_after)

    def suspect(self) -> None:
        """Suspect every open order, as after a restore."""
        suspicion = Suspicion(self.database, clock=self.clock, sleep=lambda seconds: None)
        list(suspicion.run(self.clock.now, Author("anna", "restored")))

    def attempt(
        self, order_id: str, answer: ChargeAnswer, status: OrderStatus, delay: float = 0.0
    ) -> OrderStatus:
        """Claim an order and record an attempt with this answer."""
        claim = self.ledger.claim(order_id)
        assert claim is not None
        attempt = self.ledger.begin_attempt(claim)
        assert attempt is not None
        return self.ledger.record(attempt, answer, Decision(status, delay))[0]

    def advance(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.seconds += seconds

    def open_circuit(self) -> None:
        while self.breaker.status().retry_after == 0:
            self.breaker.acquire().record_failure()

    def open_circuit_again(self) -> None:
        """Let the open interval run out, and every probe fail."""
        self.advance(self.breaker.status().retry_after)
        self.open_circuit()

    def breaker_forgets(self) -> None:
        """Let probes succeed until the circuit is closed, with an empty window."""
        for _ in range(3):
            with suppress(CircuitBreakerError):
                self.breaker.acquire().record_success()

    def get(self, key: str = "cart-1") -> StoredOrder:
        return get_order(self.database, key)

    def outcomes(self, key: str = "cart-1") -> list[Outcome | None]:
        return [attempt.outcome for attempt in list_attempts(self.database, self.get(key).id)]


def order(key: str = "cart-1", amount: int = 10_000) -> Order:
    return Order(user_id="u1", amount=amount, currency="KRW", idempotency_key=key)
