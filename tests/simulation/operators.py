"""Operators retry, cancel, prune and resolve orders, pause the queue and release orders."""

from collections.abc import Callable
from functools import partial

from sqlalchemy import Connection, text

from breakwall.payments.db.database import DatabaseUnavailableError
from breakwall.payments.fleet.drain_control import DrainControl
from breakwall.payments.interventions import Author
from breakwall.payments.ledger.pruning import Pruning
from breakwall.payments.ledger.queries import OrderNotFoundError
from breakwall.payments.operator.bulk_retry.record import BulkRetries
from breakwall.payments.operator.bulk_retry.runner import BulkRetryRunner
from breakwall.payments.operator.bulk_retry.selection import Selection
from breakwall.payments.operator.locking import RefusedError
from breakwall.payments.operator.retry_and_cancel import RETRYABLE
from breakwall.payments.orders import OrderStatus
from tests.people import People
from tests.simulation.engine import Process
from tests.simulation.pauses import PauseObserver
from tests.simulation.service import SimulatedService
from tests.simulation.storage import RESTORE_PRUNED, Storage
from tests.simulation.world import Part, World

IN_REVIEW = "SELECT id FROM orders WHERE status = 'review' ORDER BY idempotency_key"
DEAD = "SELECT id FROM orders WHERE status = 'dead' ORDER BY idempotency_key"
KEYS_FOR = 1e9  # Seconds: longer than any run.

OPERATOR = Author("operator", "looked it up in the payment service's own ledger")


class Operators(Part):
    """What operators record about a charge is true; when they do it is random."""

    away = False  # Whether no operator acts.

    def __init__(
        self, world: World, storage: Storage, service: SimulatedService, pauses: PauseObserver
    ) -> None:
        super().__init__(world)
        self._pauses = pauses
        self._control = DrainControl(storage.database)
        engine = world.engine
        self._storage = storage
        self._service = service
        looks_up = service.behavior.profile.looks_up
        self._people = People(storage.database, looks_up=looks_up)
        self._bulk_retries = BulkRetries(storage.database)
        self._new_runner = partial(
            BulkRetryRunner, storage.database, sleep=engine.sleep, timer=lambda: engine.now, looks_up=looks_up
        )
        self._pruning = Pruning(
            storage.database, keys_for=KEYS_FOR, sleep=engine.sleep, timer=lambda: engine.now
        )
        self._present: list[Process] = []
        # Those whose actions may not end after the last fault.
        self._pruning_or_pausing: list[Process] = []
        self._is_resumed_for_good = False

    def act_at_random(self, since: float, until: float) -> None:
        """Act a few times between two moments."""
        for _ in range(self._rng.randint(1, 8)):
            action = self._rng.choice(
                (self._retry_any, self._cancel_any, self._retry_all, self._resolve_any_as_paid)
            )
            self._engine.at(self._rng.uniform(since, until), partial(self.begin, action))

    def prune(self, age: float, since: float, until: float) -> None:
        """Prune orders that finished so many seconds ago, a few times between two moments."""
        for _ in range(self._rng.randint(3, 12)):
            self._engine.at(
                self._rng.uniform(since, until), partial(self._begin_lasting, partial(self._prune, age))
            )

    def pause_at_random(self, since: float, until: float) -> None:
        """Pause and resume the queue and release orders, a few times between two moments."""
        for _ in range(self._rng.randint(2, 10)):
            action = self._rng.choice((self._pause, self._pause, self._resume, self._release_any))
            self._engine.at(self._rng.uniform(since, until), partial(self._begin_lasting, action))

    def limit_at_random(self, since: float, until: float) -> None:
        """Set and lift the highest rate of the drain, a few times between two moments. The last one stays."""
        for _ in range(self._rng.randint(1, 5)):
            self._engine.at(self._rng.uniform(since, until), partial(self.begin, self._limit))

    def end_interventions(self, then: Callable[[], None]) -> None:
        """Resume the queue, and restore everything that was pruned, for the final checks.

        Nothing is paused or pruned any more.
        """
        self._is_resumed_for_good = True
        for process in self._pruning_or_pausing:
            self._engine.kill(process)
        self._engine.spawn("archivist", Process("archivist"), partial(self._end_interventions, then))

    def look_after_a_restore(self) -> None:
        """Retry every order that waits for a person. The queue may be paused again, as it was when it was saved."""
        self.begin(self._retry_all)
        if self._is_resumed_for_good:
            self.begin(self._resume)

    def retry_all_orders(self) -> None:
        """Retry every order that waits for a person."""
        self.begin(self._retry_all)

    def resolve_all_orders(self) -> None:
        """Resolve every order that waits for a person. Only once no request is late any more."""
        self.begin(self._resolve_all)

    def leave(self) -> None:
        """Stop in the middle of every action."""
        for process in self._present:
            self._engine.kill(process)
        self._present.clear()

    def begin(self, action: Callable[[], None]) -> None:
        """An operator does something now, if any is there."""
        if self.away:
            return
        operator = Process("operator")
        self._present.append(operator)
        self._engine.spawn("operator", operator, action)

    def _begin_lasting(self, action: Callable[[], None]) -> None:
        if not self.away:
            self.begin(action)
            self._pruning_or_pausing.append(self._present[-1])

    def _pause(self) -> None:
        lasting = self._rng.choice((None, self._rng.uniform(1.0, 60.0)))
        with self._pauses.decision():
            self.do("pause", "", lambda: self._control.pause(OPERATOR, lasting))

    def _resume(self) -> None:
        with self._pauses.decision():
            self.do("resume", "", lambda: self._control.resume(OPERATOR))

    def _limit(self) -> None:
        rate = self._rng.choice((None, 0.5, 2.0, self._rng.uniform(0.2, 20.0)))
        self.do("rate", "", lambda: self._control.set_rate(OPERATOR, rate))

    def _release_any(self) -> None:
        for order_id in self._any_of("SELECT id FROM orders WHERE status = 'queued' ORDER BY id"):
            self.do("release", order_id, partial(self._people.retry, order_id, OPERATOR))

    def _prune(self, age: float) -> None:
        try:
            for pruned, _ in self._pruning.run(age):
                self._faults.seen["order pruned"] += pruned
                self._trace.record("operator", f"has pruned {pruned} orders")
        except DatabaseUnavailableError as error:
            self._trace.record("operator", f"cannot prune: {error}")

    def _end_interventions(self, then: Callable[[], None]) -> None:
        def work(connection: Connection) -> None:
            for statement in RESTORE_PRUNED:
                connection.execute(text(statement))

        while True:
            try:
                with self._pauses.decision():
                    self._control.resume(OPERATOR)
                self._storage.database.write(work)
            except DatabaseUnavailableError:
                self._engine.sleep(1.0)
            else:
                then()
                return

    def _retry_any(self) -> None:
        for order_id in self._any_of("SELECT id FROM orders ORDER BY idempotency_key"):
            self.do("retry", order_id, partial(self._people.retry, order_id, OPERATOR))

    def _cancel_any(self) -> None:
        for order_id in self._any_of("SELECT id FROM orders ORDER BY idempotency_key"):
            self.do("cancel", order_id, partial(self._people.cancel, order_id, OPERATOR))

    def _resolve_any_as_paid(self) -> None:
        for order_id in self._any_of(IN_REVIEW):
            if self._service.ledger.charges[order_id]:
                self._resolve(order_id)

    def _retry_all(self) -> None:
        statuses = RETRYABLE if self._faults.active else (OrderStatus.DEAD, OrderStatus.REVIEW)
        self.do("retry of all", "", lambda: self._retry_all_in(statuses))

    def _retry_all_in(self, statuses: tuple[OrderStatus, ...]) -> None:
        """As the command does: make a bulk retry and work on it. If this process ends, a worker goes on."""
        made = self._bulk_retries.create(Selection(statuses), OPERATOR)
        list(self._new_runner().run(made.id))

    def _resolve_all(self) -> None:
        for (order_id,) in self._storage.rows(IN_REVIEW):
            self._resolve(order_id)
        for (order_id,) in self._storage.rows(DEAD):
            self._give_new_key(order_id)

    def _give_new_key(self, order_id: str) -> None:
        """Its key may be refused for ever, as that of another order's charge."""
        if not self._service.ledger.charges[order_id]:
            evidence = "the payment service's own ledger"
            self.do(
                "retry with a new key",
                order_id,
                lambda: self._people.retry(order_id, OPERATOR, uncharged=evidence),
            )

    def _resolve(self, order_id: str) -> None:
        charges = self._service.ledger.charges[order_id]
        if charges:
            charge_id = str(charges[0].charge_id)
            self.do("paid", order_id, lambda: self._people.resolve_paid(order_id, charge_id, OPERATOR))
        else:
            self.do("not charged", order_id, lambda: self._people.resolve_not_charged(order_id, OPERATOR))

    def _any_of(self, sql: str) -> list[str]:
        found = [order_id for (order_id,) in self._storage.rows(sql)]
        return [self._rng.choice(found)] if found else []

    def do(self, what: str, order_id: str, action: Callable[[], object]) -> None:
        """Do it, count it, and bear with a refusal."""
        try:
            action()
        except (RefusedError, OrderNotFoundError, DatabaseUnavailableError) as error:
            self._trace.record("operator", f"{what} {order_id}: {type(error).__name__}: {error}")
            return
        self._faults.seen[f"operator's {what}"] += 1
        self._trace.record("operator", f"{what} {order_id}: done")
