"""All parts of one process that can die, over the state that survives it."""

import functools
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

from sqlalchemy import func, select

from breakwall.breaker import CircuitBreaker, CircuitBreakerConfig
from breakwall.breaker.stores.memory import MemoryStore
from breakwall.payments.charging import Charger
from breakwall.payments.db.database import Database
from breakwall.payments.db.schema import orders
from breakwall.payments.gateways.base import GatewayProfile, Prepared
from breakwall.payments.ledger.claim import Claim
from breakwall.payments.ledger.dispatch_queue import DispatchQueue
from breakwall.payments.ledger.expiring import Expiring
from breakwall.payments.ledger.ledger import Ledger
from breakwall.payments.ledger.queries import get_order
from breakwall.payments.operator.bulk_retry.record import BulkRetries
from breakwall.payments.outcomes.channel import Channel
from breakwall.payments.outcomes.delivering import Delivering
from breakwall.payments.retry_policy import RetryPolicy
from breakwall.producers.pending import PlaceResult
from breakwall.producers.producer import OrderProducer
from breakwall.settings import DispatchSettings
from breakwall.worker.dispatcher import Dispatcher
from breakwall.worker.gate import Gate
from breakwall.worker.retry import Retrier
from tests.chaos.crashes import worker
from tests.chaos.crashes.file_services import Behavior, File, FileBroker, FileGateway, FileShop
from tests.contract import bulk
from tests.contract.payments.outcomes.outbox_site import PoolInThisThread
from tests.contract.site import order
from tests.in_this_thread import InThisThread
from tests.manual_clock import ManualClock
from tests.people import People
from tests.stepped_drain import SteppedDrain

LEASE = 15.0
TIMEOUT = 10.0
LONGEST_REST = 600.0  # Seconds within which everything must be at rest.
MOST_RUNS = 40  # Runs of the dispatcher in that time.


@dataclass(frozen=True)
class DurableState:
    """What survives a process: the database, and a folder with the files of the service, the broker and the caller."""

    database: Database
    folder: Path
    profile: GatewayProfile
    behaviors: Sequence[Behavior] = ()
    max_attempts: int = 3
    begins: float = 0.0  # What the clock shows when the scenario begins.


class Pipeline:
    """A caller, a producer, a worker with its dispatcher, and an operator, all in this process.

    ``seconds`` is what the clock shows; by default the beginning of the scenario.
    """

    def __init__(self, durable: DurableState, seconds: float | None = None) -> None:
        self.database = durable.database
        self.seconds = durable.begins if seconds is None else seconds
        self.clock = ManualClock()
        self.clock.advance(self.seconds)
        self.broker = FileBroker(durable.folder / "broker")
        self.gateway = FileGateway(
            durable.folder / "charges", durable.profile, durable.behaviors, lambda: self.seconds
        )
        self.accepted = File(durable.folder / "accepted")
        self.breaker = _breaker(self)
        self.ledger = Ledger(self.database, lease=LEASE, clock=self.clock)
        policy = RetryPolicy(base=1.0, cap=60.0, max_attempts=durable.max_attempts)
        charger = Charger(self.gateway, self.ledger, policy, lambda: 1.0)
        self.producer = OrderProducer(
            self.ledger,
            charger,
            self.breaker,
            self.broker,
            timeout=TIMEOUT,
            jitter=lambda: 0.0,
            executor=InThisThread(),
        )
        self.retrier = Retrier(charger, self.breaker, timeout=TIMEOUT)
        due = DispatchQueue(self.database, clock=self.clock)
        gate = Gate(self.breaker)
        self.drain = SteppedDrain(
            *(charger, self.breaker, self.retrier, due), timeout=TIMEOUT, monotonic=time.monotonic
        )
        self.dispatcher = Dispatcher(
            *(due, gate, self.broker, self.broker.depth, DispatchSettings()),
            expire=Expiring(self.database, clock=self.clock).expire,
            monotonic=lambda: self.seconds,
        )
        self.operator = People(self.database, clock=self.clock)
        self.shop = FileShop(durable.folder / "shop")

    # What the caller does: it records which orders were accepted.

    def place(self, key: str = "cart-1") -> PlaceResult:
        result = self.producer.place(order(key))
        self.accepted.append(key=key)
        return result

    def enqueue(self, *keys: str, charge_before: float | None = None) -> list[PlaceResult]:
        results = self.producer.enqueue([replace(order(key), charge_before=charge_before) for key in keys])
        for key in keys:
            self.accepted.append(key=key)
        return results

    # What the worker does

    def dispatch(self) -> int:
        return self.dispatcher.run_once()

    def work(self, times: int = 1) -> None:
        """Work on every message that waits, delivered so many times."""
        for tag, order_id in self.broker.waiting() * times:
            worker.deliver(tag, order_id, self.drain, self.broker)

    def work_together(self) -> None:
        """Work on the orders of every message at once, and acknowledge these."""
        for tag, order_id in self.broker.waiting():
            self.drain.submit([order_id], functools.partial(self.broker.basic_ack, tag))
        self.drain.run()

    @functools.cached_property
    def delivering(self) -> Delivering:
        now = lambda: self.seconds  # noqa: E731 - three clocks
        circuit = CircuitBreaker("outcomes-webhook", store=MemoryStore(now), clock=now)
        channel = Channel(self.shop, circuit, pool=PoolInThisThread(now), clock=now)
        return Delivering(self.database, [channel], clock=self.clock, jitter=lambda: 0.0, monotonic=now)

    def tell_the_shop(self) -> None:
        """Deliver what is due, and record it."""
        for _ in range(3):
            self.delivering.run_once()

    def deliver_again(self, key: str = "cart-1", *, after: float) -> None:
        """Republish an order's message, as the dispatcher would, and work on every message."""
        self.advance(after)
        self.broker.publish_many([get_order(self.database, key).id])
        self.work()

    def hang(self, order_id: str) -> Claim:
        """Send an attempt and never come back to record its answer."""
        claim = self.ledger.claim(order_id)
        assert claim is not None
        request, prepares = claim.request, self.gateway.profile.prepares
        attempt = self.ledger.begin_attempt(claim, prepares=prepares)
        assert attempt is not None
        if prepares:
            prepared = self.gateway.prepare(request, deadline=0.0)
            assert isinstance(prepared, Prepared)
            assert self.ledger.confirm(attempt, prepared.id)
            request = replace(request, prepared=prepared.id)
        self.gateway.charge(request, deadline=0.0)
        return claim

    # What time does

    def advance(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.seconds += seconds

    def open_circuit(self) -> None:
        while self.breaker.status().retry_after == 0:
            self.breaker.acquire().record_failure()

    def end_bulk_retries(self) -> None:
        """Work on what another process has left behind, once that process's lease is over."""
        runner = bulk.runner(self.database, self.clock)
        while BulkRetries(self.database, clock=self.clock).oldest_open() is not None:
            self.advance(runner.run_once())

    def come_to_rest(self) -> bool:
        """Dispatch and work, and advance the clock to the next due moment, until nothing is due.

        Returns whether that took at most `MOST_RUNS` and `LONGEST_REST`.
        """
        latest = self.seconds + LONGEST_REST
        for _ in range(MOST_RUNS):
            self.dispatch()
            self.work()
            wait = self._next_due()
            if wait is None or self.seconds > latest:
                return self.seconds <= latest
            self.advance(max(wait, self.breaker.status().retry_after, 0.0))
        return False

    def _next_due(self) -> float | None:
        with self.database.engine.connect() as connection:
            moments = connection.execute(
                select(func.min(orders.c.dispatch_at), func.min(orders.c.lease_until))
            ).one()
        due = [moment - self.clock.now for moment in moments if moment is not None]
        return min(due, default=timedelta.max).total_seconds() if due else None


def _breaker(pipeline: Pipeline) -> CircuitBreaker:
    config = CircuitBreakerConfig(
        failure_threshold=3, recovery_timeout=30.0, half_open_max_calls=3, timeout=TIMEOUT, jitter=0.0
    )
    store = MemoryStore(lambda: pipeline.seconds)
    return CircuitBreaker("payment", config, store, clock=lambda: pipeline.seconds)
