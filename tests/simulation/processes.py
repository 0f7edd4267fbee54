"""The simulated processes. Each builds the product's own parts at its start."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from breakwall.breaker import CircuitBreakerConfig, Permit
from breakwall.crashpoints import reach
from breakwall.host.exhaustion import ResourceExhaustion
from breakwall.payments.charging import Charger
from breakwall.payments.db.clock import DATABASE_CLOCK
from breakwall.payments.db.database import DatabaseUnavailableError
from breakwall.payments.fleet.released_orders import next_released
from breakwall.payments.fleet.workers import HEARTBEAT_INTERVAL
from breakwall.payments.gateways import ChargeAnswer, ChargeRequest, GatewayProfile, LookupAnswer
from breakwall.payments.gateways.base import Prepared
from breakwall.payments.ledger.batch_claiming import Exchanged, Payment
from breakwall.payments.ledger.claim import Attempt, Claim
from breakwall.payments.ledger.dispatch_queue import DispatchQueue
from breakwall.payments.ledger.expiring import Expiring
from breakwall.payments.ledger.ledger import Ledger
from breakwall.payments.operator.bulk_retry.runner import MAX_WAIT, BulkRetryRunner
from breakwall.payments.orders import OrderStatus
from breakwall.payments.retry_policy import RetryPolicy
from breakwall.producers.producer import OrderProducer
from breakwall.settings import DispatchSettings
from breakwall.worker.background.heartbeat import RETRY_INTERVAL, Heartbeat
from breakwall.worker.control.released import ReleasedOrders
from breakwall.worker.dispatcher import Dispatcher
from breakwall.worker.drain.exchange import Exchange
from breakwall.worker.drain.jobs import Event, Job, Retry, Stop, Submitted
from breakwall.worker.drain.log import DrainLog
from breakwall.worker.drain.slot import Slot
from breakwall.worker.exhaustion import ExhaustionRetry
from breakwall.worker.gate import Gate
from breakwall.worker.log.orders import OrderLog
from breakwall.worker.retry import Retrier
from tests.simulation.background import TaskExecutor, TaskSignal
from tests.simulation.broker import Broker, SimulatedPublisher
from tests.simulation.circuit import ProcessStore, SharedCircuit, WatchedBreaker
from tests.simulation.engine import EndedError, Process
from tests.simulation.limits import LimitObserver
from tests.simulation.network import Network, SimulatedGateway
from tests.simulation.observer import RunObserver
from tests.simulation.outcome_rounds import SimulatedOutcomeLoop
from tests.simulation.pauses import PauseObserver, WatchedHold, WatchedReader
from tests.simulation.rates import RateObserver
from tests.simulation.scenario import LEASE, TIMEOUT, Scenario
from tests.simulation.shop import Shop
from tests.simulation.storage import Storage
from tests.simulation.task_queue import TaskQueue
from tests.simulation.trace import Violation
from tests.simulation.world import World
from tests.stepped_drain import SleptAtPlaces

# Seconds between two runs of a dispatcher that finds nothing, and between two looks at a closed gate.
SHORTEST_PAUSE = 0.2
LONGEST_PAUSE = 30.0


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
    limits: LimitObserver
    rates: RateObserver
    shop: Shop


class WatchedLedger(Ledger):
    """The real one, which reports each charge that is proven absent, and each claim."""

    on_absence: Callable[[str], None]
    on_claim: Callable[[str], None]
    observer: RunObserver

    def claim(self, order_id: str) -> Claim | None:
        self.on_claim(order_id)
        return super().claim(order_id)

    def prove_absent(self, claim: Claim, *, cancelled: bool = False) -> Claim | None:
        proven = super().prove_absent(claim, cancelled=cancelled)
        if proven is not None:
            self.on_absence(claim.order_id)
        return proven

    def exchange(
        self,
        payments: Sequence[Payment],
        order_ids: Sequence[str],
        *,
        max_attempts: int | None,
        prepares: bool = False,
    ) -> Exchanged:
        if order_ids and max_attempts is not None:
            self.on_claim(", ".join(order_ids))
        self.observer.may_begin(order_ids)
        done = super().exchange(payments, order_ids, max_attempts=max_attempts, prepares=prepares)
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
        self.breaker.on_permit = self._permit_given
        self.gateway = SimulatedGateway(self, context.network, context.observer)
        ledger = WatchedLedger(
            context.storage.database, lease=LEASE, send_caller_keys=context.scenario.send_caller_keys
        )
        ledger.on_absence = context.observer.recorded_absent
        ledger.on_claim = context.pauses.claims
        ledger.observer = context.observer
        policy = RetryPolicy(base=1.0, cap=60.0, max_attempts=context.scenario.max_attempts)
        self.charger = Charger(self.gateway, ledger, policy, context.rng.random, monotonic=self.monotonic)
        self.publisher = SimulatedPublisher(context, context.broker, context.scenario.ids_a_message)

    def _permit_given(self, permit: Permit, background: bool) -> None:
        self.context.observer.permit_given(self, permit)
        self.context.limits.permit_given(self, permit, self.breaker.status(), background=background)

    def monotonic(self) -> float:
        """This process's clock."""
        return self._boot + self.context.engine.now

    def read_clock(self) -> float:
        """Read the clock; an interruption may come just before or just after."""
        self.context.observer.interrupt(self)
        seen = self.monotonic()
        self.context.observer.interrupt(self)
        return seen


class BulkheadWatch:
    """The gateway of a producer, which counts its charges at the same time."""

    def __init__(self, gateway: SimulatedGateway, room: int) -> None:
        self._gateway = gateway
        self._room = room
        self._running = 0

    @property
    def profile(self) -> GatewayProfile:
        return self._gateway.profile

    def charge(self, request: ChargeRequest, *, deadline: float) -> ChargeAnswer:
        self._running += 1
        if self._running > self._room:
            raise Violation(f"{self._running} charges of one process, which has room for {self._room}")
        try:
            return self._gateway.charge(request, deadline=deadline)
        finally:
            self._running -= 1

    def look_up(self, idempotency_key: str, *, deadline: float) -> LookupAnswer:
        return self._gateway.look_up(idempotency_key, deadline=deadline)

    def prepare(self, request: ChargeRequest, *, deadline: float) -> Prepared | ChargeAnswer:
        return self._gateway.prepare(request, deadline=deadline)

    def look_up_prepared(self, prepared: str, *, deadline: float) -> LookupAnswer:
        return self._gateway.look_up_prepared(prepared, deadline=deadline)

    def close(self) -> None:
        """Nothing is open."""


class ProducerProcess(PipelineProcess):
    """Runs one task for each call of a customer, and more behind them."""

    def __init__(self, name: str, context: Context) -> None:
        super().__init__(name, context)
        self.charger.gateway = BulkheadWatch(self.gateway, context.scenario.concurrency)
        self.producer = OrderProducer(
            self.charger.ledger,
            self.charger,
            self.breaker,
            self.publisher,
            timeout=TIMEOUT,
            jitter=context.rng.random,
            monotonic=self.read_clock,
            concurrency=context.scenario.concurrency,
            executor=TaskExecutor(context, self),
            signal=lambda: TaskSignal(context.engine),
        )


class WorkerProcess(PipelineProcess):
    """Consumers of messages, the exchange with its slots, the dispatcher, and what works on released orders."""

    def __init__(self, name: str, context: Context) -> None:
        super().__init__(name, context)
        database = context.storage.database
        self.is_stopping = False
        self.breaker.on_cap = partial(context.rates.capped, self)
        self.drain_state = WatchedReader(self)
        self.hold = WatchedHold(context.pauses, self.drain_state)
        self.retrier = Retrier(
            self.charger,
            self.breaker,
            timeout=TIMEOUT,
            hold=self.hold,
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
        self.gate = Gate(self.breaker, self.drain_state.is_paused)
        self.dispatcher = Dispatcher(
            *(due, self.gate, self.publisher, context.broker.depth, settings),
            expire=Expiring(database).expire,
            monotonic=self.monotonic,
        )
        self.order_log = OrderLog(database, self.breaker)
        self._open_drain(due)
        for number in range(context.scenario.consumers):
            context.engine.spawn(f"{name}.slot-{number + 1}", self, self._fill_slot)
        # More messages than slots, so that some orders are begun before a slot is free.
        for number in range(2 * context.scenario.consumers):
            context.engine.spawn(f"{name}.{number + 1}", self, self._consume)
        context.engine.spawn(f"{name}.exchange", self, self._exchange_until_stopped)
        context.engine.spawn(f"{name}.dispatcher", self, self._dispatch, context.rng.uniform(0.0, 2.0))
        context.engine.spawn(f"{name}.control", self, self.drain_state.run)
        self.outcome_loop = SimulatedOutcomeLoop(self, context) if context.scenario.ways else None
        if self.outcome_loop is not None:
            self.outcome_loop.start()
        context.engine.spawn(f"{name}.bulk-retries", self, self._work_on_bulk_retries)
        if context.scenario.rates:
            context.engine.spawn(f"{name}.heartbeat", self, self._beat)
        if context.scenario.pauses:
            context.engine.spawn(f"{name}.released", self, self._release)

    def _permit_given(self, permit: Permit, background: bool) -> None:
        super()._permit_given(permit, background)
        if background:
            self.context.rates.permit_given(self, self.drain_state.known_rate)

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
            places=SleptAtPlaces(engine.sleep),
        )
        self.exchange = Exchange(
            *(self.charger, self.breaker, due, drain_log, exhaustion, self.hold),
            inbox=self.inbox,
            jobs=self.jobs,
            monotonic=self.read_clock,
            sleep=engine.sleep,
        )
        self.exchange.slots = self.context.scenario.consumers

    def stop(self) -> None:
        """SIGTERM: begin nothing more, end what is in hand, then end."""
        if not self.is_stopping:
            self.is_stopping = True
            self.inbox.put(Stop())

    def _exchange_until_stopped(self) -> None:
        while not self.exchange.is_over:
            self.exchange.run_once()
        if self.outcome_loop is not None:
            self.outcome_loop.stop()
        self.context.observer.kill(self, "ends")

    def _beat(self) -> None:
        heartbeat = Heartbeat(self.context.storage.database, monotonic=self.monotonic)
        heartbeat.identify(self.name, self.exchange.slots)
        while True:
            self.context.engine.sleep(HEARTBEAT_INTERVAL if heartbeat.run_once() else RETRY_INTERVAL)

    def _work_on_bulk_retries(self) -> None:
        """Go on with those whose operator has ended."""
        runner = BulkRetryRunner(
            self.context.storage.database,
            looks_up=self.charger.gateway.profile.looks_up,
            sleep=self.context.engine.sleep,
            timer=self.monotonic,
        )
        while True:
            try:
                wait = runner.run_once()
            except DatabaseUnavailableError:
                wait = MAX_WAIT
            self.context.engine.sleep(wait)

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
            message = context.broker.take(self._wait_for_gate)
            if self.is_stopping:
                context.broker.give_back(message)
                return
            task.about = ", ".join(message.order_ids)
            finished: list[bool] = []

            def finish(finished: list[bool] = finished) -> None:
                finished.append(True)
                context.engine.wake(task)

            try:
                self.inbox.put(Submitted(message.order_ids, finish))
                while not finished:
                    context.engine.park()
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
        job = Retry(order_id, released=True)
        with self.context.observer.doing(job) as finished:
            finished(self.slot.run(job))

    def _wait_for_gate(self) -> None:
        """Like `IntakeLoop`: fetch nothing while nothing may be sent."""
        while (allowance := self.gate.allowance()).slots == 0:
            self.context.engine.sleep(max(SHORTEST_PAUSE, min(allowance.retry_after, LONGEST_PAUSE)))

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
        expired, due, late = storage.values(
            "SELECT min(lease_until) <= :now, min(dispatch_at) <= :now,"
            " min(CASE status WHEN 'queued' THEN charge_before END) <= :now FROM orders"
        )
        return bool(expired or late or (due and self.gate.allowance().slots != 0))

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
