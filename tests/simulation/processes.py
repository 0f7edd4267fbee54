"""The simulated processes, each with the product's own parts in it, built anew at each start."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from types import SimpleNamespace

from breakwall.breaker import CircuitBreakerConfig
from breakwall.crashpoints import reach
from breakwall.host.exhaustion import Lacks
from breakwall.payments.charging import Charger
from breakwall.payments.db.database import DatabaseUnavailableError
from breakwall.payments.decisions import RetryPolicy
from breakwall.payments.ledger.claims import Claim
from breakwall.payments.ledger.dispatch_queue import DueOrders
from breakwall.payments.ledger.ledger import Ledger
from breakwall.producers.producer import OrderProducer
from breakwall.settings import DispatchSettings
from breakwall.worker.app import retry_payment
from breakwall.worker.dispatcher import Dispatcher
from breakwall.worker.exhaustion import Patience
from breakwall.worker.outcome_log import Telling
from breakwall.worker.retry import Retrier
from tests.simulation.broker import Broker, SimulatedPublisher
from tests.simulation.circuit import ProcessStore, SharedCircuit, WatchedBreaker
from tests.simulation.engine import EndedError, Engine, Process
from tests.simulation.faults import Faults
from tests.simulation.network import Network, SimulatedGateway
from tests.simulation.scenario import LEASE, TIMEOUT, Scenario
from tests.simulation.storage import Storage
from tests.simulation.story import Story
from tests.simulation.witness import Witness

LONGEST_LOOK = 30.0
"""Seconds between two looks of a dispatcher, at most, after looks that came to nothing."""


@dataclass(frozen=True)
class Surroundings:
    """What every process of a run works with, and what outlives it."""

    scenario: Scenario
    engine: Engine
    faults: Faults
    rng: Random
    story: Story
    storage: Storage
    network: Network
    broker: Broker
    circuit: SharedCircuit
    witness: Witness


class WatchedLedger(Ledger):
    """The real one, which reports each charge that is proven absent."""

    on_absence: Callable[[str], None]

    def prove_absent(self, claim: Claim) -> Claim | None:
        proven = super().prove_absent(claim)
        if proven is not None:
            self.on_absence(claim.order_id)
        return proven


class PipelineProcess(Process):
    """What producers and workers have in common: a charger, a breaker and a publisher of their own."""

    def __init__(self, name: str, around: Surroundings) -> None:
        super().__init__(name)
        self.around = around
        # What its clock showed when the run began: no two machines' clocks compare.
        self._boot = around.rng.uniform(0.0, 1e6)
        config: CircuitBreakerConfig = around.circuit.config
        self.breaker = WatchedBreaker(
            "payment",
            config,
            ProcessStore(around.circuit, self),
            clock=self.monotonic,
            jitter=around.rng.random,
        )
        self.breaker.on_permit = lambda permit: around.witness.permit_given(self, permit)
        gateway = SimulatedGateway(self, around.network, around.witness)
        ledger = WatchedLedger(
            around.storage.database, lease=LEASE, keys_as_they_are=around.scenario.keys_as_they_are
        )
        ledger.on_absence = around.witness.believed_absent
        policy = RetryPolicy(base=1.0, cap=60.0, max_attempts=around.scenario.max_attempts)
        self.charger = Charger(gateway, ledger, policy, around.rng.random)
        self.publisher = SimulatedPublisher(around.engine, around.broker, around.faults, around.rng)

    def monotonic(self) -> float:
        """This process's clock."""
        return self._boot + self.around.engine.now

    def glance(self) -> float:
        """Look at the clock, and perhaps be interrupted just before or just after."""
        self.around.witness.interrupt(self)
        seen = self.monotonic()
        self.around.witness.interrupt(self)
        return seen


class ProducerProcess(PipelineProcess):
    """Runs one task for each call of a customer."""

    def __init__(self, name: str, around: Surroundings) -> None:
        super().__init__(name, around)
        self.producer = OrderProducer(
            self.charger.ledger,
            self.charger,
            self.breaker,
            self.publisher,
            timeout=TIMEOUT,
            draw=around.rng.random,
            monotonic=self.glance,
        )


class WorkerProcess(PipelineProcess):
    """A few consumers of messages, and the dispatcher."""

    def __init__(self, name: str, around: Surroundings) -> None:
        super().__init__(name, around)
        database = around.storage.database
        self.retrier = Retrier(self.charger, self.breaker, timeout=TIMEOUT, monotonic=self.glance)
        settings = DispatchSettings(
            batch=around.rng.choice((1, 200)),
            window=around.rng.choice((2, 1000)),
            republish_after=around.scenario.republish_after,
        )
        due = DueOrders(database)
        self.dispatcher = Dispatcher(due, self.breaker, self.publisher, around.broker.depth, settings)
        self.telling = Telling(database, self.breaker, monotonic=self.glance)
        self.patience = Patience(Lacks(self.monotonic))
        # Heartbeats are no order's affair.
        self.heartbeat = SimpleNamespace(busy=lambda: None)
        # What the task finds behind `task.app`.
        self.celery_task = SimpleNamespace(app=SimpleNamespace(breakwall=self))
        for number in range(around.scenario.consumers):
            around.engine.spawn(f"{name}.{number + 1}", self, self._consume)
        around.engine.spawn(f"{name}.dispatcher", self, self._dispatch, around.rng.uniform(0.0, 2.0))

    def _consume(self) -> None:
        around = self.around
        while True:
            message = around.broker.take()
            try:
                with around.witness.busy_with(message.order_id):
                    retry_payment(self.celery_task, message.order_id)
                    reach("before", "acknowledge")
                    around.broker.acknowledge(message)
                    reach("after", "acknowledge")
            except EndedError:
                around.broker.abandon(message)
                raise

    def _dispatch(self) -> None:
        """`DispatchLoop`, except that it sleeps through looks that would change nothing."""
        pause = 1.0
        while True:
            published = self._look() if self._has_work() else 0
            pause = 1.0 if published else min(pause * 1.5, LONGEST_LOOK)
            self.around.engine.sleep(max(pause, min(self._next_due() - self.around.engine.now, LONGEST_LOOK)))

    def _has_work(self) -> bool:
        storage = self.around.storage
        expired, due = storage.values("SELECT min(lease_until) <= :now, min(dispatch_at) <= :now FROM orders")
        return bool(expired or (due and self.breaker.status().slots != 0))

    def _look(self) -> int:
        try:
            return self.dispatcher.run_once()
        except DatabaseUnavailableError as error:
            self.around.story.tell(self.name, f"cannot dispatch: {error}")
            return 0

    def _next_due(self) -> float:
        """When the next order is to be published or taken back."""
        storage = self.around.storage
        (first,) = storage.values("SELECT min(coalesce(dispatch_at, lease_until)) FROM orders")
        return float("inf") if first is None else storage.moment(first)
