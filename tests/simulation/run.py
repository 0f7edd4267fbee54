"""One run: faults, then none, then rest, and the final checks."""

from collections import Counter
from dataclasses import dataclass
from random import Random

from breakwall.breaker import CircuitBreakerConfig
from breakwall.payments.charge_lookup import DISTRUST_SECONDS
from breakwall.payments.orders import Order
from tests.simulation.broker import Broker
from tests.simulation.circuit import SharedCircuit
from tests.simulation.customers import Customers
from tests.simulation.engine import Engine, Process
from tests.simulation.fault_schedule import FaultSchedule
from tests.simulation.faults import FaultInjector
from tests.simulation.final_checks import FinalChecks
from tests.simulation.limits import LimitObserver
from tests.simulation.network import Network
from tests.simulation.observer import RunObserver
from tests.simulation.operators import Operators
from tests.simulation.outcome_checks import OutcomeChecks
from tests.simulation.patches import breaker_time, few_tries, no_logging, observed_crash_points, seeded_names
from tests.simulation.pauses import PauseObserver
from tests.simulation.previous_version import PreviousVersion
from tests.simulation.processes import Context, PipelineProcess, ProducerProcess, WorkerProcess
from tests.simulation.rates import RateObserver
from tests.simulation.recovery import Recovery
from tests.simulation.scenario import TIMEOUT, Scenario
from tests.simulation.service import SimulatedService
from tests.simulation.shop import Shop
from tests.simulation.shop_operator import ShopOperator
from tests.simulation.storage import Storage
from tests.simulation.trace import Trace, Violation
from tests.simulation.world import World

LONGEST_RECOVERY = 12 * 3600.0
"""Virtual seconds within which everything comes to rest. Most runs take minutes. The longest are those of a service
that stores its errors and has no look-up: each order replays its error until its attempts are used up, and each
replay is a probe that opens the circuit again for two minutes."""

LONGEST_PAUSE_OF_ALL = 300.0
"""Virtual seconds in which orders may be open, the circuit closed, and nothing sent. A backoff, a lost message and a
dispatcher that has found nothing for a while take a minute each."""

OPERATOR_ROUNDS = 3
"""How often operators retry all orders and resolve the rest; after that no order may wait for them. The second round
is for a service that stored an error whose answer was lost, the third is a reserve."""


@dataclass(frozen=True)
class RunResult:
    """How a run ended."""

    seed: int
    violation: str | None  # What must never happen and did; None for a good run.
    seen: Counter[str]  # How often each fault occurred.
    killed_at: Counter[str]  # How often a process died at each crash point.
    kind: str | None  # The kind of payment service, if orders that wait for a person are left as they are.
    orders: Counter[str]  # By status.
    charged: int  # How often money moved.
    seconds: float  # Of virtual time.
    rested_after: float  # Seconds from the last fault until no order was open any more.
    lines: list[str]  # The trace, if it was kept.


def simulate(seed: int, storage: Storage, *, keep_trace: bool = False) -> RunResult:
    """Run one seed. The same seed gives the same run, step by step."""
    run = Run(seed, storage, keep_trace=keep_trace)
    violation = None
    try:
        with (
            breaker_time(run.engine),
            seeded_names(run.rng),
            few_tries(run.scenario.max_tries),
            no_logging(),
            observed_crash_points(run.observer),
        ):
            run.execute()
    except (Exception, Violation) as error:
        violation = f"{type(error).__name__}: {error}"
        run.trace.record("the end", violation)
    finally:
        storage.end()
    return run.outcome(violation)


class Run:
    """All parts of one run."""

    def __init__(self, seed: int, storage: Storage, *, keep_trace: bool) -> None:
        self.seed = seed
        self.storage = storage
        self.rng = rng = Random(seed)
        self.scenario = scenario = Scenario.random(rng)
        self.engine = engine = Engine(rng)
        self.faults = faults = FaultInjector(rng)
        self.trace = trace = Trace(lambda: engine.now, kept=keep_trace)
        self.world = world = World(engine, faults, rng, trace)
        storage.begin(world)
        config = CircuitBreakerConfig(
            failure_threshold=3,
            half_open_max_calls=scenario.half_open_max_calls,
            timeout=TIMEOUT,
            adaptive_limit=scenario.adaptive_limit,
        )
        circuit = SharedCircuit(world, config)
        self.service = SimulatedService(world, scenario.behavior, scenario.load, storage.owns)
        self.observer = RunObserver(world, storage, circuit, self.service.ledger, scenario.deadly_point)
        self.pauses = PauseObserver(world, storage)
        self.broker = Broker(world)
        network = Network(world, self.service)
        self.context = Context(
            *(engine, faults, rng, trace, scenario, storage, network, self.broker, circuit, self.observer),
            *(self.pauses, LimitObserver(world), RateObserver(world, circuit), Shop(world)),
        )
        self.observer.on_death = self._supervise
        self.processes: list[PipelineProcess] = []
        self.checks = FinalChecks(
            storage,
            scenario,
            self.service,
            self.observer,
            OutcomeChecks(storage, scenario, self.context.shop),
        )
        self.closed = False
        self._retried = False
        self._retried_at = 0.0
        self._rounds = 0
        self._started = 0
        self._rested_after: float | None = None

    def execute(self) -> None:
        """Raises `Violation`, or any other error of the run."""
        scenario = self.scenario
        self.trace.record("scenario", repr(scenario))
        self.customers = self._customers()
        self._start_all()
        schedule = FaultSchedule(self.world, self.broker, self.observer, self._pick)
        schedule.start(scenario.scheduled_faults)
        self.operators = Operators(self.world, self.storage, self.service, self.pauses)
        self.shop_operator = ShopOperator(self.world, self.storage, self.operators, scenario.ways)
        if scenario.helps_the_shop:
            self.shop_operator.act_at_random(scenario.faults_from, scenario.faults_until)
        if scenario.operators:
            self.operators.act_at_random(scenario.faults_from, scenario.faults_until)
        if scenario.prunes is not None:
            self.operators.prune(scenario.prunes, scenario.faults_from, scenario.faults_until)
        if scenario.pauses:
            self.operators.pause_at_random(scenario.faults_from, scenario.faults_until)
        if scenario.rates:
            self.operators.limit_at_random(scenario.faults_from, scenario.faults_until)
        if scenario.restore is not None:
            Recovery(self).schedule(scenario.restore)
        self.faults.active = scenario.faults_from == 0
        self.engine.at(scenario.faults_from, self.faults.activate)
        self.engine.at(scenario.faults_until, self._end_faults)
        self.engine.run()

    def _customers(self) -> Customers:
        scenario = self.scenario
        lasting = scenario.from_previous_version + scenario.paid_first
        orders = [
            self._order(number, key, None if number < lasting else self.rng.choice(scenario.times_left))
            for number, key in enumerate(scenario.keys)
        ]
        before, rest = orders[: scenario.from_previous_version], orders[scenario.from_previous_version :]
        previous = PreviousVersion(self.rng, self.storage, self.service)
        due = [scenario.faults_from + self.rng.uniform(0.0, 30.0) for _ in before]
        accepted = [(order, previous.accept(order, at)) for order, at in zip(before, due, strict=True)]
        self.observer.forget()
        return Customers(
            self.world,
            self._producers,
            orders=rest[: scenario.paid_first],
            more=rest[scenario.paid_first : len(rest) - scenario.crowd],
            crowd=rest[len(rest) - scenario.crowd :],
            accepted=accepted,
            since=scenario.faults_from,
            until=scenario.last_customer,
            waits=scenario.waits,
        )

    def _order(self, number: int, key: str, time_left: float | None) -> Order:
        """No two orders of a run are of the same amount."""
        currency = self.rng.choice(("KRW", "USD", "EUR"))
        amount = 10 * self.rng.randint(1, 10_000) + number
        return Order(f"user-{number}", amount, currency, key, charge_before=time_left)

    def outcome(self, violation: str | None) -> RunResult:
        """The result of the run at its end."""
        statuses = self.storage.rows("SELECT status FROM orders")
        (self.faults.seen["event given up"],) = self.storage.values("SELECT count(*) FROM gave_up")
        return RunResult(
            seed=self.seed,
            violation=violation,
            seen=self.faults.seen,
            killed_at=self.observer.killed_at,
            kind=None if self.scenario.operators else self.scenario.behavior.name,
            orders=Counter(status for (status,) in statuses),
            charged=sum(map(len, self.service.ledger.charges.values())),
            seconds=self.engine.now,
            rested_after=self._rested_after or 0.0,
            lines=self.trace.lines,
        )

    # --- processes

    def close(self) -> None:
        """End every process, and start none."""
        self.closed = True
        self.operators.away = True
        self.operators.leave()
        for process in list(self.processes):
            self.observer.kill(process, "is stopped")

    def open(self) -> None:
        """Start again after `close`."""
        self.closed = False
        self.operators.away = False
        self._start_all()

    def _start_all(self) -> None:
        for kind, number in (
            (ProducerProcess, self.scenario.producers),
            (WorkerProcess, self.scenario.workers),
        ):
            for _ in range(number):
                self._start(kind)

    def _start(self, kind: type[PipelineProcess]) -> None:
        self._started += 1
        name = f"{'worker' if kind is WorkerProcess else 'producer'}-{self._started}"
        self.trace.record(name, "starts")
        self.processes.append(kind(name, self.context))

    def _producers(self) -> list[ProducerProcess]:
        return [process for process in self.processes if isinstance(process, ProducerProcess)]

    def _pick(self, name: str) -> Process | None:
        chosen = [process for process in self.processes if process.name.startswith(name)]
        return self.rng.choice(chosen) if chosen else None

    def _supervise(self, process: Process) -> None:
        """Start a dead process again a little later."""
        if isinstance(process, PipelineProcess):
            kind = type(process)
            self.processes.remove(process)
            if not self.closed:
                self.engine.after(self.rng.uniform(0.5, 10.0), lambda: self._start_again(kind))

    def _start_again(self, kind: type[PipelineProcess]) -> None:
        wanted = self.scenario.producers if kind is ProducerProcess else self.scenario.workers
        # All processes may have been stopped and started meanwhile.
        if not self.closed and sum(isinstance(process, kind) for process in self.processes) < wanted:
            self._start(kind)

    # --- after the last fault

    def _end_faults(self) -> None:
        self.trace.record("faults", "none from now on")
        self.faults.deactivate()
        self.broker.wake_up()
        self.operators.end_interventions(lambda: self.engine.after(5.0, self._wait_for_rest))

    def _wait_for_rest(self) -> None:
        if self.engine.now > self.scenario.faults_until + LONGEST_RECOVERY:
            raise Violation(f"not at rest {LONGEST_RECOVERY / 3600:.0f} hours after the last fault")
        self._check_progress()
        if not self._is_at_rest():
            self.engine.after(5.0, self._wait_for_rest)
            return
        if self._rested_after is None:
            self._rested_after = self.engine.now - self.scenario.faults_until
        if self.shop_operator.sees_undelivered():
            self.shop_operator.help()
            self.engine.after(5.0, self._wait_for_rest)
        else:
            self.service.load.relieve()
            # By then every late charge can be looked up.
            late = self.scenario.behavior.profile.absent_after + TIMEOUT
            # A worker that got the answer of a lost route distrusts look-ups until then. Each counts as an attempt, and
            # a scenario may have only two.
            doubted_until = self.scenario.faults_until + TIMEOUT + DISTRUST_SECONDS
            self.engine.after(max(late, doubted_until - self.engine.now), self._check)

    def _check_progress(self) -> None:
        """While the circuit is closed, some open order is always worked on: its backoff is a minute at most."""
        closed_since = self.context.circuit.closed_since
        if closed_since is None or not self._open_orders():
            return
        since = max(closed_since, self.observer.last_request_at, self.scenario.faults_until, self._retried_at)
        if self.engine.now - since > LONGEST_PAUSE_OF_ALL:
            raise Violation(f"orders wait, nothing holds them, and nothing is sent since {since:.3f}")

    def _open_orders(self) -> int:
        (number,) = self.storage.values("SELECT count(*) FROM orders WHERE status IN ('queued', 'in_flight')")
        return int(number)

    def _open_bulk_retries(self) -> int:
        """Those that a worker still makes orders due for, after their operator has ended."""
        (number,) = self.storage.values("SELECT count(*) FROM bulk_retries WHERE ended_at IS NULL")
        return int(number)

    def _is_at_rest(self) -> bool:
        # A paused process may still hold an old claim: the run has to show that it comes to nothing.
        asleep = any(process.paused_until > self.engine.now for process in self.processes)
        ending = any(isinstance(process, WorkerProcess) and process.is_stopping for process in self.processes)
        open_orders = self._open_orders() or self._open_bulk_retries()
        return self.customers.served and not open_orders and not (asleep or ending or self.closed)

    def _check(self) -> None:
        """Check the run at rest. Then operators, if there are any, act until no order waits for them."""
        if not self._is_at_rest() or self.shop_operator.sees_undelivered():
            # An earlier action of an operator has retried an order meanwhile.
            self._wait_for_rest()
            return
        found = self.checks.violations(
            self.customers,
            retried_at=self._retried_at if self._retried else None,
            all_rounds_done=self._rounds > OPERATOR_ROUNDS,
        )
        if found:
            raise Violation("; ".join(found))
        (waiting,) = self.storage.values("SELECT count(*) FROM orders WHERE status IN ('dead', 'review')")
        if not waiting or not self.scenario.operators:
            self.engine.stop()
            return
        self._retried = not self._retried
        self._rounds += self._retried
        if self._retried:
            self._retried_at = self.engine.now
            self.operators.retry_all_orders()
        else:
            self.operators.resolve_all_orders()
        self.engine.after(5.0, self._wait_for_rest)
