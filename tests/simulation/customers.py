"""Customers place orders, sometimes twice or wrongly, and repeat until an answer comes."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from breakwall.payments.db.database import DatabaseUnavailableError
from breakwall.payments.orders import IdempotencyConflictError, Order, OrderStatus
from breakwall.producers.pending import PlaceResult
from tests.simulation.processes import ProducerProcess
from tests.simulation.trace import Violation
from tests.simulation.world import Part, World


@dataclass
class Customer:
    """One order, and the answers that its customer got."""

    order: Order
    answers: list[PlaceResult] = field(default_factory=list)
    calls: int = 0  # How often the order was placed.
    placed_again: bool = False  # The database had lost the order, which may have been charged.


class Customers(Part):
    """All customers of a run.

    Args:
        producers: returns the live ones.
        orders: are placed one by one at the beginning.
        more: are placed between the moments ``since`` and ``until``.
        crowd: are placed within a few seconds between these moments.
        accepted: were accepted before the run; with their ids.
        waits: for how many seconds they wait for the outcome; each call chooses one.
    """

    def __init__(
        self,
        world: World,
        producers: Callable[[], list[ProducerProcess]],
        *,
        orders: list[Order],
        more: list[Order],
        crowd: list[Order],
        accepted: list[tuple[Order, str]],
        since: float,
        until: float,
        waits: tuple[float, ...],
    ) -> None:
        super().__init__(world)
        rng = world.rng
        self._producers = producers
        self._calls = 0
        self._waits = waits
        served = [
            Customer(order, [PlaceResult(order_id, OrderStatus.QUEUED)]) for order, order_id in accepted
        ]
        first = [Customer(order) for order in orders]
        waiting = [Customer(order) for order in more]
        at_once = [Customer(order) for order in crowd]
        self.all = [*served, *first, *waiting, *at_once]
        for customer in served:
            if rng.random() < 0.3:
                self._schedule_call([customer], rng.uniform(since, until))
        for customer in first:
            self._place_soon(customer, 0.0)
        while waiting:
            size = rng.choice((1, 1, 1, 1, 2, 3))
            group, waiting = waiting[:size], waiting[size:]
            self._schedule_call(group, rng.uniform(since, until))
        self._schedule_crowd(at_once, rng.uniform(since, until))

    @property
    def served(self) -> bool:
        """Whether every customer has an answer."""
        return all(customer.answers for customer in self.all)

    def compare_with(self, statuses: dict[str, str]) -> None:
        """After a restore: place each order again whose answer the database has lost. ``statuses``: by key."""
        for customer in self.all:
            status = statuses.get(customer.order.idempotency_key)
            finished = {result.status for result in customer.answers} & {
                OrderStatus.PAID,
                OrderStatus.DECLINED,
            }
            if status is not None and finished <= {status}:
                continue
            if customer.answers:
                customer.answers.clear()
                self._place_soon(customer, self._rng.uniform(0.0, 20.0))
            customer.placed_again = customer.placed_again or status is None

    def _place_soon(self, customer: Customer, seconds: float) -> None:
        self._engine.after(seconds, lambda: self._call([customer], self._place))

    def _schedule_crowd(self, crowd: list[Customer], at: float) -> None:
        """Each places an order, or one enqueues all of them."""
        seconds = self._rng.choice((0.2, 3.0))
        if self._rng.random() < 0.6:
            for customer in crowd:
                self._schedule_call([customer], at + self._rng.uniform(0.0, seconds))
        elif crowd:
            self._schedule_call(crowd, at)

    def _schedule_call(self, group: list[Customer], at: float) -> None:
        """One customer places the order, or enqueues it in one case of five; several enqueue theirs together."""
        call = self._place if len(group) == 1 and self._rng.random() < 0.8 else self._enqueue
        for _ in range(2 if self._rng.random() < 0.15 else 1):
            self._engine.at(at, lambda: self._call(group, call))
        if self._rng.random() < 0.1:
            self._engine.at(at + self._rng.uniform(0.0, 60.0), lambda: self._call(group, self._reuse_key))

    def _call(self, group: list[Customer], call: Callable[[ProducerProcess, list[Customer]], None]) -> None:
        """Call a random producer, and again a random one if no answer comes."""
        alive = self._producers()
        if not alive:
            self._again(group, call)
            return
        process = self._rng.choice(alive)
        self._calls += 1
        for customer in group:
            customer.calls += call != self._reuse_key
        name = f"{process.name}/{self._calls}"
        self._engine.spawn(name, process, lambda: call(process, group))
        self._engine.after(self._rng.uniform(15.0, 40.0), lambda: self._again(group, call))

    def _again(self, group: list[Customer], call: Callable[[ProducerProcess, list[Customer]], None]) -> None:
        if call != self._reuse_key and not all(customer.answers for customer in group):
            self._engine.after(self._rng.uniform(0.5, 10.0), lambda: self._call(group, call))

    def _place(self, process: ProducerProcess, group: list[Customer]) -> None:
        (customer,) = group
        wait = self._rng.choice(self._waits)
        with self._checked_wait(process, wait):
            self._answer(group, lambda: [process.producer.place(customer.order, wait)])

    @contextmanager
    def _checked_wait(self, process: ProducerProcess, wait: float) -> Iterator[None]:
        """Nobody waits for longer than ``wait`` and half a second, unless the process was paused or has no threads."""
        # Asked before: the faults may end meanwhile.
        began, may_exhaust_threads = self._engine.now, self._faults.may_occur("no thread")
        yield
        lasted = self._engine.now - began
        paused = process.paused_until > began
        if lasted > wait + 0.5 and not paused and not may_exhaust_threads:
            raise Violation(f"a customer who waits for {wait} s waited for {lasted:.3f} s")

    def _enqueue(self, process: ProducerProcess, group: list[Customer]) -> None:
        orders = [customer.order for customer in group]
        self._answer(group, lambda: process.producer.enqueue(orders))

    def _reuse_key(self, process: ProducerProcess, group: list[Customer]) -> None:
        """Use the key for another order: Breakwall refuses a key that it knows."""
        customer = group[0]
        if not customer.answers:
            return
        order = customer.order
        other = Order(order.user_id, order.amount + 1, order.currency, order.idempotency_key)
        try:
            result = process.producer.place(other)
        except (IdempotencyConflictError, DatabaseUnavailableError):
            return
        raise Violation(f"another order was accepted under the key {order.idempotency_key}: {result}")

    def _answer(self, group: list[Customer], call: Callable[[], list[PlaceResult]]) -> None:
        task = self._engine.task
        task.about = ", ".join(customer.order.idempotency_key for customer in group)
        try:
            results = call()
        except DatabaseUnavailableError as error:
            self._trace.record(task.name, f"does not accept {task.about}: {error}")
            return
        for customer, result in zip(group, results, strict=True):
            self._trace.record(task.name, f"answers {customer.order.idempotency_key}: {result.status}")
            customer.answers.append(result)

    def wrong_acknowledgements(self, statuses: dict[str, tuple[str, OrderStatus]]) -> list[str]:
        """Answers that contradict the order at the end. ``statuses``: id and final state, by key."""
        found = []
        for customer in self.all:
            key = customer.order.idempotency_key
            order_id, status = statuses.get(key, ("", None))
            for answer in customer.answers:
                finished = answer.status in {OrderStatus.PAID, OrderStatus.DECLINED}
                if answer.order_id != order_id or (finished and answer.status is not status):
                    found.append(f"{key} is {order_id} {status}, its customer was answered {answer}")
        return found
