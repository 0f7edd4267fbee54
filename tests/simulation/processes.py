"""The simulated processes. Each builds the product's own parts at its start."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from breakwall.breaker import CircuitBreakerConfig
from breakwall.crashpoints import reach
from breakwall.host.exhaustion import ResourceExhaustion
from breakwall.payments.charging import Charger
from breakwall.payments.db.database import DatabaseUnavailableError
from breakwall.payments.ledger.batch_claiming import Exchanged, Payment
from breakwall.payments.ledger.claim import Attempt, Claim
from breakwall.payments.ledger.dispatch_queue import DispatchQueue
from breakwall.payments.ledger.ledger import Ledger
from breakwall.payments.orders import OrderStatus
from breakwall.payments.retry_policy import RetryPolicy
from breakwall.producers.producer import OrderProducer
from breakwall.settings import DispatchSettings
from breakwall.worker.dispatcher import Dispatcher
from breakwall.worker.drain.exchange import Exchange
from breakwall.worker.drain.jobs import Event, Job, Submitted
from breakwall.worker.drain.log import DrainLog
from breakwall.worker.drain.slot import Slot
from breakwall.worker.exhaustion import ExhaustionRetry
from breakwall.worker.log.orders import OrderLog
from breakwall.worker.retry import Retrier
from tests.simulation.broker import Broker, SimulatedPublisher
from tests.simulation.circuit import ProcessStore, SharedCircuit, WatchedBreaker
from tests.simulation.engine import EndedError, Process
from tests.simulation.network import Network, SimulatedGateway
from tests.simulation.observer import RunObserver
from tests.simulation.scenario import LEASE, TIMEOUT, Scenario
from tests.simulation.storage import Storage
from tests.simulation.task_queue import TaskQueue
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


class WatchedLedger(Ledger):
    """The real one, which reports each charge that is proven absent."""

    on_absence: Callable[[str], None]
    observer: RunObserver

    def prove_absent(self, claim: Claim) -> Claim | None:
        proven = super().prove_absent(claim)
        if proven is not None:
            self.on_absence(claim.order_id)
        return proven

    def exchange(
        self, payments: Sequence[Payment], order_ids: Sequence[str], *, max_attempts: int | None
    ) -> Exchanged:
        self.observer.may_begin(order_ids)
        done = super().exchange(payments, order_ids, max_attempts=max_attempts)
        begun = {one.claim.order_id for one in done.attempts}
        self.observer.did_not_begin([one for one in order_ids if one not in begun])
        return done

    def undo_attempts(
        self, unsent: Sequence[Attempt], delay: float, *, deferred: bool
    ) -> dict[str, OrderStatus]:
        undone = super().undo_attempts(unsent, delay, deferred=deferred)
        self.observer.did_not_begin(list(undone))
        return undone


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
        ledger.observer = context.observer
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
    """Consumers of messages, the exchange with its slots, and the dispatcher."""

    def __init__(self, name: str, context: Context) -> None:
        super().__init__(name, context)
        database = context.storage.database
        self.retrier = Retrier(self.charger, self.breaker, timeout=TIMEOUT, monotonic=self.read_clock)
        settings = DispatchSettings(
            batch=context.rng.choice((1, 200)),
            window=context.rng.choice((2, 1000)),
            republish_after=context.scenario.republish_after,
        )
        due = DispatchQueue(database)
        self.dispatcher = Dispatcher(due, self.breaker, self.publisher, context.broker.depth, settings)
        self.order_log = OrderLog(database, self.breaker)
        self._open_drain(due)
        for number in range(context.scenario.consumers):
            context.engine.spawn(f"{name}.slot-{number + 1}", self, self._fill_slot)
        # More messages than slots, so that some orders are begun before a slot is free.
        for number in range(2 * context.scenario.consumers):
            context.engine.spawn(f"{name}.{number + 1}", self, self._consume)
        context.engine.spawn(f"{name}.exchange", self, self._exchange_for_ever)
        context.engine.spawn(f"{name}.dispatcher", self, self._dispatch, context.rng.uniform(0.0, 2.0))

    def _open_drain(self, due: DispatchQueue) -> None:
        engine, drain_log = self.context.engine, DrainLog(self.order_log, lambda: None)
        self.inbox: TaskQueue[Event] = TaskQueue(engine)
        self.jobs: TaskQueue[Job | None] = TaskQueue(engine)
        exhaustion = ResourceExhaustion(self.monotonic)
        self.slot = Slot(
            *(self.charger, self.breaker, self.retrier, ExhaustionRetry(exhaustion)),
            timeout=TIMEOUT,
            on_finished=drain_log.finished,
            monotonic=self.monotonic,
            sleep=engine.sleep,
        )
        self.exchange = Exchange(
            *(self.charger, self.breaker, due, drain_log, exhaustion),
            inbox=self.inbox,
            jobs=self.jobs,
            monotonic=self.read_clock,
        )
        self.exchange.slots = self.context.scenario.consumers

    def _exchange_for_ever(self) -> None:
        while True:
            self.exchange.run_once()

    def _fill_slot(self) -> None:
        while True:
            job = self.jobs.get()
            assert job is not None
            with self.context.observer.doing(job) as finished:
                finished(result := self.slot.run(job))
            self.inbox.put(result)

    def _consume(self) -> None:
        context = self.context
        task = context.engine.task
        while True:
            message = context.broker.take()
            task.about = message.order_id
            finished: list[bool] = []

            def finish(finished: list[bool] = finished) -> None:
                finished.append(True)
                context.engine.wake(task)

            try:
                self.inbox.put(Submitted([message.order_id], finish))
                while not finished:
                    context.engine.park()
                reach("before", "acknowledge")
                context.broker.acknowledge(message)
                reach("after", "acknowledge")
            except EndedError:
                context.broker.abandon(message)
                raise

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
