"""One run: a storm, then calm, then rest, and the books compared."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from random import Random

from breakwall.breaker import CircuitBreakerConfig
from breakwall.payments.charge_lookup import DOUBT_SECONDS
from breakwall.payments.orders import Order
from tests.simulation.before import Predecessor
from tests.simulation.broker import Broker
from tests.simulation.circuit import SharedCircuit
from tests.simulation.customers import Customers
from tests.simulation.engine import Engine, Process
from tests.simulation.faults import Faults
from tests.simulation.network import Network
from tests.simulation.people import Operators
from tests.simulation.processes import PipelineProcess, ProducerProcess, Surroundings, WorkerProcess
from tests.simulation.recovery import Recovery
from tests.simulation.rest import Judge
from tests.simulation.scenario import TIMEOUT, Scenario
from tests.simulation.service import PaymentService
from tests.simulation.stage import nothing_is_logged, points_are, time_is
from tests.simulation.storage import Storage
from tests.simulation.story import Story, Violation
from tests.simulation.weather import Weather
from tests.simulation.witness import Witness

LONGEST_CALM = 4 * 3600.0
"""Virtual seconds within which everything comes to rest. Most runs take minutes. The longest are those of a service
that stores its errors and has no look-up: each order replays one until its attempts are used up, each replay is a
probe that opens the circuit anew, for two minutes."""


ROUNDS_OF_PEOPLE = 3
"""So often do people send all orders round and settle the rest; then none may wait for them any more. The second time
is for a service that stored an error whose answer was lost, the third for luck."""


@dataclass(frozen=True)
class Outcome:
    """How a run ended.

    Attributes:
        violation: what must never happen and did; None for a good run.
        seen: how often each fault struck.
        killed_at: how often a process died at each crash point.
        charged: money moved so often.
        seconds: virtual time.
        lines: the story, if it was kept.
    """

    seed: int
    violation: str | None
    seen: Counter[str]
    killed_at: Counter[str]
    orders: Counter[str]
    charged: int
    seconds: float
    lines: list[str]


def simulate(seed: int, storage: Storage, *, keep_story: bool = False) -> Outcome:
    """Run one seed. The same seed is the same run, step by step."""
    world = World(seed, storage, keep_story=keep_story)
    violation = None
    try:
        with (
            time_is(world.engine),
            nothing_is_logged(),
            points_are(world.witness),
        ):
            world.run()
    except Exception as error:
        violation = f"{type(error).__name__}: {error}"
        world.story.tell("the end", violation)
    finally:
        storage.end()
    return world.outcome(violation)


class World:
    """Everything of one run, put together."""

    def __init__(self, seed: int, storage: Storage, *, keep_story: bool) -> None:
        self.seed = seed
        self.storage = storage
        self.rng = rng = Random(seed)
        self.scenario = scenario = Scenario.draw(rng)
        self.engine = engine = Engine(rng)
        self.faults = faults = Faults(rng)
        self.story = story = Story(lambda: engine.now, kept=keep_story)
        storage.begin(engine, faults, rng, story)
        config = CircuitBreakerConfig(
            failure_threshold=3, half_open_max_calls=scenario.half_open_max_calls, timeout=TIMEOUT
        )
        circuit = SharedCircuit(engine, faults, story, config)
        self.service = PaymentService(engine, faults, rng, story, scenario.habits, storage.owns)
        books = self.service.books
        self.witness = Witness(engine, faults, rng, story, storage, circuit, books, scenario.deadly_point)
        self.broker = Broker(engine, faults, rng, story)
        network = Network(engine, faults, rng, story, self.service)
        self.around = Surroundings(
            scenario, engine, faults, rng, story, storage, network, self.broker, circuit, self.witness
        )
        self.witness.on_death = self._supervise
        self.processes: list[PipelineProcess] = []
        self.judge = Judge(storage, scenario, self.service, self.witness)
        self.closed = False
        self._redriven = False
        self._redriven_at = 0.0
        self._rounds = 0
        self._started = 0

    def run(self) -> None:
        """Raises `Violation`, or whatever went wrong."""
        scenario = self.scenario
        self.story.tell("scenario", repr(scenario))
        self.customers = self._customers()
        self._start_all()
        weather = Weather(self.engine, self.faults, self.story, self.broker, self.witness, self._pick)
        weather.forecast(scenario.spells)
        self.operators = Operators(self.engine, self.faults, self.rng, self.story, self.storage, self.service)
        if scenario.operators:
            self.operators.meddle(scenario.peace, scenario.storm)
        if scenario.prunes is not None:
            self.operators.prune(scenario.prunes, scenario.peace, scenario.storm)
        if scenario.restore is not None:
            Recovery(self).follow(scenario.restore)
        self.faults.calm = scenario.peace > 0
        self.engine.at(scenario.peace, self.faults.begin)
        self.engine.at(scenario.storm, self._calm_down)
        self.engine.run()

    def _customers(self) -> Customers:
        scenario = self.scenario
        orders = [self._order(number, key) for number, key in enumerate(scenario.keys)]
        before, rest = orders[: scenario.from_before], orders[scenario.from_before :]
        predecessor = Predecessor(self.rng, self.storage, self.service)
        due = [scenario.peace + self.rng.uniform(0.0, 30.0) for _ in before]
        accepted = [(order, predecessor.leave(order, at)) for order, at in zip(before, due, strict=True)]
        self.witness.forget()
        return Customers(
            self.engine,
            self.rng,
            self.story,
            self._producers,
            orders=rest[: scenario.paid_first],
            more=rest[scenario.paid_first :],
            accepted=accepted,
            since=scenario.peace,
            until=scenario.last_customer,
        )

    def _order(self, number: int, key: str) -> Order:
        """No two orders of a run are of the same amount."""
        currency = self.rng.choice(("KRW", "USD", "EUR"))
        return Order(f"user-{number}", 10 * self.rng.randint(1, 10_000) + number, currency, key)

    def outcome(self, violation: str | None) -> Outcome:
        """What is known of the run at its end."""
        statuses = self.storage.rows("SELECT status FROM orders")
        return Outcome(
            seed=self.seed,
            violation=violation,
            seen=self.faults.seen,
            killed_at=self.witness.killed_at,
            orders=Counter(status for (status,) in statuses),
            charged=sum(map(len, self.service.books.charges.values())),
            seconds=self.engine.now,
            lines=self.story.lines,
        )

    # --- processes

    def close(self) -> None:
        """End every process, and start none."""
        self.closed = True
        self.operators.away = True
        self.operators.leave()
        for process in list(self.processes):
            self.witness.kill(process, "is stopped")

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
        self.story.tell(name, "starts")
        self.processes.append(kind(name, self.around))

    def _producers(self) -> list[ProducerProcess]:
        return [process for process in self.processes if isinstance(process, ProducerProcess)]

    def _pick(self, name: str) -> Process | None:
        chosen = [process for process in self.processes if process.name.startswith(name)]
        return self.rng.choice(chosen) if chosen else None

    def _supervise(self, process: Process) -> None:
        """A dead process is started again a little later."""
        if isinstance(process, PipelineProcess):
            kind = type(process)
            self.processes.remove(process)
            if not self.closed:
                self.engine.after(self.rng.uniform(0.5, 10.0), lambda: self._start_again(kind))

    def _start_again(self, kind: type[PipelineProcess]) -> None:
        wanted = self.scenario.producers if kind is ProducerProcess else self.scenario.workers
        # All may have been stopped and started meanwhile.
        if not self.closed and sum(isinstance(process, kind) for process in self.processes) < wanted:
            self._start(kind)

    # --- after the storm

    def _calm_down(self) -> None:
        self.story.tell("weather", "is calm from now on")
        self.faults.cease()
        self.broker.wake_up()
        self.operators.unprune(lambda: self.engine.after(5.0, self._look_for_rest))

    def _look_for_rest(self) -> None:
        if self.engine.now > self.scenario.storm + LONGEST_CALM:
            raise Violation(f"not at rest {LONGEST_CALM / 3600:.0f} hours after the last fault")
        if self._is_at_rest():
            # A charge that comes in so late that nobody looks for it any more is seen by then.
            late = self.scenario.habits.profile.settle_seconds + TIMEOUT
            # And a worker that has met a lost way in the storm looks again: until then it uses look-ups up unasked,
            # of which a scenario may have two.
            doubted_until = self.scenario.storm + TIMEOUT + DOUBT_SECONDS
            self.engine.after(max(late, doubted_until - self.engine.now), self._compare_books)
        else:
            self.engine.after(5.0, self._look_for_rest)

    def _is_at_rest(self) -> bool:
        (going_on,) = self.storage.values(
            "SELECT count(*) FROM orders WHERE status IN ('queued', 'in_flight')"
        )
        # One that is stopped may still hold what it has begun: it must come to nothing, and be seen to.
        asleep = any(process.paused_until > self.engine.now for process in self.processes)
        return self.customers.served and not going_on and not asleep and not self.closed

    def _compare_books(self) -> None:
        """At rest. Then people do their part, where there are any, until nothing waits for them."""
        if not self._is_at_rest():
            # Somebody who had begun before has sent an order round meanwhile.
            self._look_for_rest()
            return
        found = self.judge.violations(
            self.customers,
            redriven_at=self._redriven_at if self._redriven else None,
            worked_up=self._rounds > ROUNDS_OF_PEOPLE,
        )
        if found:
            raise Violation("; ".join(found))
        (waiting,) = self.storage.values("SELECT count(*) FROM orders WHERE status IN ('dead', 'review')")
        if not waiting or not self.scenario.operators:
            self.engine.stop()
            return
        self._redriven = not self._redriven
        self._rounds += self._redriven
        if self._redriven:
            self._redriven_at = self.engine.now
            self.operators.send_all_round()
        else:
            self.operators.settle_all()
        self.engine.after(5.0, self._look_for_rest)
