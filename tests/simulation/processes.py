"""The simulated processes. Each builds the product's own parts at its start."""

from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace

from breakwall.breaker import CircuitBreakerConfig
from breakwall.crashpoints import reach
from breakwall.host.exhaustion import ResourceExhaustion
from breakwall.payments.charging import Charger
from breakwall.payments.db.clock import DATABASE_CLOCK
from breakwall.payments.db.database import DatabaseUnavailableError
from breakwall.payments.fleet.released_orders import next_released
from breakwall.payments.ledger.claim import Claim
from breakwall.payments.ledger.dispatch_queue import DispatchQueue
from breakwall.payments.ledger.ledger import Ledger
from breakwall.payments.retry_policy import RetryPolicy
from breakwall.producers.producer import OrderProducer
from breakwall.settings import DispatchSettings
from breakwall.worker.app import retry_payment, work_on
from breakwall.worker.control.hold import Hold
from breakwall.worker.control.released import ReleasedOrders
from breakwall.worker.dispatcher import Dispatcher
from breakwall.worker.exhaustion import ExhaustionRetry
from breakwall.worker.log.orders import OrderLog
from breakwall.worker.retry import Retrier
from tests.simulation.broker import Broker, SimulatedPublisher
from tests.simulation.circuit import ProcessStore, SharedCircuit, WatchedBreaker
from tests.simulation.engine import EndedError, Process
from tests.simulation.network import Network, SimulatedGateway
from tests.simulation.observer import RunObserver
from tests.simulation.pauses import PauseObserver, WatchedReader
from tests.simulation.scenario import LEASE, TIMEOUT, Scenario
from tests.simulation.storage import Storage
from tests.simulation.world import World

LONGEST_PAUSE = 30.0  # Seconds at most between two runs of a dispatcher that finds nothing.


@dataclass(frozen=True)
class Context(World):
    """What every process of a run works with, and what outlives it."""

    scenario: Scenario
    storage: Storage
    network: Network
    broker: Broker
    circuit: SharedCircuit
    observer: RunObserver
    pauses: PauseObserver


class WatchedLedger(Ledger):
    """The real one, which reports each charge that is proven absent, and each claim."""

    on_absence: Callable[[str], None]
    on_claim: Callable[[str], None]

    def claim(self, order_id: str) -> Claim | None:
        self.on_claim(order_id)
        return super().claim(order_id)

    def prove_absent(self, claim: Claim) -> Claim | None:
        proven = super().prove_absent(claim)
        if proven is not None:
            self.on_absence(claim.order_id)
        return proven


class PipelineProcess(Process):
    """What producers and workers have in common: a charger, a breaker and a publisher of their own."""

    def __init__(self, name: str, context: Context) -> None:
        super().__init__(name)
        self.context = context
        # What its clock showed when the run began: monotonic clocks of two machines cannot be compared.
        self._boot = context.rng.uniform(0.0, 1e6)
        config: CircuitBreakerConfig = context.circuit.config
        self.breaker = WatchedBreaker(
            "payment",
            config,
            ProcessStore(context.circuit, self),
            clock=self.monotonic,
            jitter=context.rng.random,
        )
        self.breaker.on_permit = lambda permit: context.observer.permit_given(self, permit)
        gateway = SimulatedGateway(self, context.network, context.observer)
        ledger = WatchedLedger(
            context.storage.database, lease=LEASE, send_caller_keys=context.scenario.send_caller_keys
        )
        ledger.on_absence = context.observer.recorded_absent
        ledger.on_claim = context.pauses.claims
        policy = RetryPolicy(base=1.0, cap=60.0, max_attempts=context.scenario.max_attempts)
        self.charger = Charger(gateway, ledger, policy, context.rng.random)
        self.publisher = SimulatedPublisher(context, context.broker)

    def monotonic(self) -> float:
        """This process's clock."""
        return self._boot + self.context.engine.now

    def read_clock(self) -> float:
        """Read the clock; an interruption may come just before or just after."""
        self.context.observer.interrupt(self)
        seen = self.monotonic()
        self.context.observer.interrupt(self)
        return seen


class ProducerProcess(PipelineProcess):
    """Runs one task for each call of a customer."""

    def __init__(self, name: str, context: Context) -> None:
        super().__init__(name, context)
        self.producer = OrderProducer(
            self.charger.ledger,
            self.charger,
            self.breaker,
            self.publisher,
            timeout=TIMEOUT,
            jitter=context.rng.random,
            monotonic=self.read_clock,
        )


class WorkerProcess(PipelineProcess):
    """A few consumers of messages, the dispatcher, and what works on released orders."""

    def __init__(self, name: str, context: Context) -> None:
        super().__init__(name, context)
        database = context.storage.database
        self.drain_state = WatchedReader(self)
        hold = Hold(self.drain_state.is_paused, lambda: 0.0)
        self.retrier = Retrier(
            self.charger,
            self.breaker,
            timeout=TIMEOUT,
            hold=lambda: context.pauses.asked(self.drain_state, hold()),
            monotonic=self.read_clock,
        )
        self.released = ReleasedOrders(
            self.drain_state.is_paused, self._next_released, self._work_on_released
        )
        settings = DispatchSettings(
            batch=context.rng.choice((1, 200)),
            window=context.rng.choice((2, 1000)),
            republish_after=context.scenario.republish_after,
        )
        due = DispatchQueue(database)
        self.dispatcher = Dispatcher(
            due,
            self.breaker,
            self.publisher,
            context.broker.depth,
            settings,
            is_paused=self.drain_state.is_paused,
        )
        self.order_log = OrderLog(database, self.breaker)
        self.exhaustion_retry = ExhaustionRetry(ResourceExhaustion(self.monotonic))
        # Heartbeats concern no order.
        self.heartbeat = SimpleNamespace(mark_busy=lambda: None)
        # The task reads its runtime from `task.app.breakwall`.
        self.celery_task = SimpleNamespace(app=SimpleNamespace(breakwall=self))
        for number in range(context.scenario.consumers):
            context.engine.spawn(f"{name}.{number + 1}", self, self._consume)
        context.engine.spawn(f"{name}.dispatcher", self, self._dispatch, context.rng.uniform(0.0, 2.0))
        context.engine.spawn(f"{name}.control", self, self.drain_state.run)
        if context.scenario.pauses:
            context.engine.spawn(f"{name}.released", self, self._release)

    def _consume(self) -> None:
        context = self.context
        while True:
            message = context.broker.take()
            try:
                with context.observer.busy_with(message.order_id):
                    retry_payment(self.celery_task, message.order_id)
                    reach("before", "acknowledge")
                    context.broker.acknowledge(message)
                    reach("after", "acknowledge")
            except EndedError:
                context.broker.abandon(message)
                raise

    def _release(self) -> None:
        """Like the thread of `ReleasedOrders`, but without the runs that would change nothing."""
        released = "SELECT 1 FROM drain_control, released_orders WHERE paused_at IS NOT NULL LIMIT 1"
        while True:
            self.context.engine.sleep(1.0)
            if self.context.storage.rows(released):
                try:
                    self.released.run_once()
                except DatabaseUnavailableError as error:
                    self.context.trace.record(self.name, f"cannot read released orders: {error}")

    def _next_released(self) -> str | None:
        return self.context.storage.database.read(
            lambda connection: next_released(connection, DATABASE_CLOCK)
        )

    def _work_on_released(self, order_id: str) -> None:
        self.context.pauses.releases(order_id)
        with self.context.observer.busy_with(order_id):
            work_on(self, order_id, released=True)  # type: ignore[arg-type]  # what it uses of a runtime

    def _dispatch(self) -> None:
        """Like `DispatchLoop`, but without the runs that would change nothing."""
        pause = 1.0
        while True:
            published = self._run_dispatcher() if self._has_work() else 0
            pause = 1.0 if published else min(pause * 1.5, LONGEST_PAUSE)
            self.context.engine.sleep(
                max(pause, min(self._next_due() - self.context.engine.now, LONGEST_PAUSE))
            )

    def _has_work(self) -> bool:
        storage = self.context.storage
        expired, due = storage.values("SELECT min(lease_until) <= :now, min(dispatch_at) <= :now FROM orders")
        return bool(expired or (due and self.breaker.status().slots != 0))

    def _run_dispatcher(self) -> int:
        try:
            return self.dispatcher.run_once()
        except DatabaseUnavailableError as error:
            self.context.trace.record(self.name, f"cannot dispatch: {error}")
            return 0

    def _next_due(self) -> float:
        """When the next order is to be published or reclaimed."""
        storage = self.context.storage
        (first,) = storage.values("SELECT min(coalesce(dispatch_at, lease_until)) FROM orders")
        return float("inf") if first is None else storage.moment(first)
