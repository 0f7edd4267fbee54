"""The drain without threads: each step of the exchange and of a slot happens when the test says so."""

from collections import deque
from collections.abc import Callable, Sequence
from queue import Empty
from typing import Generic, TypeVar

from breakwall.breaker import CircuitBreaker
from breakwall.host.exhaustion import ResourceExhaustion
from breakwall.payments.charging import Charger
from breakwall.payments.ledger.claim import Attempt
from breakwall.payments.ledger.dispatch_queue import DispatchQueue
from breakwall.payments.orders import OrderStatus
from breakwall.worker.control.hold import Hold
from breakwall.worker.drain.exchange import Exchange
from breakwall.worker.drain.jobs import Event, Job, Stop, Submitted
from breakwall.worker.drain.slot import Places, Slot
from breakwall.worker.exhaustion import ExhaustionRetry
from breakwall.worker.retry import Retrier

T = TypeVar("T")

MOST_STEPS = 1000


class SleptAtPlaces(Places):
    """A wait for a place is a sleep."""

    def __init__(self, sleep: Callable[[float], object]) -> None:
        super().__init__()
        self._sleep = sleep

    def wait(self, freed: int, seconds: float) -> None:
        self._sleep(seconds)


class Line(Generic[T]):
    """A queue that never waits."""

    def __init__(self) -> None:
        self.items: deque[T] = deque()
        self.timeouts: list[float | None] = []  # How long each `get` would have waited.

    def put(self, item: T, /) -> None:
        self.items.append(item)

    def get(self, block: bool = True, timeout: float | None = None, /) -> T:
        if block:
            self.timeouts.append(timeout)
        if not self.items:
            raise Empty
        return self.items.popleft()


class Told:
    """What the drain logs."""

    def __init__(self) -> None:
        self.paid_ids: list[list[str]] = []
        self.idle_ids: list[str] = []
        self.deferred_ids: list[tuple[str, str]] = []
        self.finished_ids: list[tuple[str, OrderStatus | None]] = []

    def paid(self, attempts: Sequence[Attempt]) -> None:
        self.paid_ids.append([one.claim.order_id for one in attempts])

    def deferred(self, order_ids: Sequence[str], seconds: float, why: str) -> None:
        self.deferred_ids += [(one, why) for one in order_ids]

    def nothing_to_do(self, order_ids: Sequence[str]) -> None:
        self.idle_ids += order_ids

    def finished(self, order_id: str, status: OrderStatus | None, took: float) -> None:
        self.finished_ids.append((order_id, status))


class SteppedDrain:
    """An exchange with ``slots`` slots over a site's parts. ``monotonic`` is the process's clock."""

    def __init__(
        self,
        charger: Charger,
        breaker: CircuitBreaker,
        retrier: Retrier,
        due: DispatchQueue,
        *,
        timeout: float,
        monotonic: Callable[[], float],
        slots: int = 4,
        hold: Hold | None = None,
    ) -> None:
        self.inbox: Line[Event] = Line()
        self.jobs: Line[Job | None] = Line()
        self.told = Told()
        self.submitted = 0
        self.acknowledged: list[str] = []
        self.slept: list[float] = []
        self.gathered: list[float] = []  # How long the exchange let results gather, each time.
        exhaustion = ResourceExhaustion(monotonic)
        self.slot = Slot(
            *(charger, breaker, retrier, ExhaustionRetry(exhaustion)),
            timeout=timeout,
            on_finished=self.told.finished,
            monotonic=monotonic,
            places=SleptAtPlaces(self.slept.append),
        )
        self.exchange = Exchange(
            *(charger, breaker, due, self.told, exhaustion, hold or Hold(lambda: False)),
            inbox=self.inbox,
            jobs=self.jobs,
            monotonic=monotonic,
            sleep=self.gathered.append,
        )
        self.exchange.slots = slots

    def submit(self, order_ids: Sequence[str], done: Callable[[], None] | None = None) -> None:
        """A message arrives."""
        self.submitted += len(order_ids)
        name = ",".join(order_ids)
        self.inbox.put(Submitted(order_ids, done or (lambda: self.acknowledged.append(name))))

    def step(self) -> None:
        """One exchange."""
        self.exchange.run_once()

    def work(self, jobs: int = 1_000_000) -> int:
        """Let slots do so many of the jobs that wait; returns how many there were."""
        done = 0
        while done < jobs and self.jobs.items:
            job = self.jobs.get()
            assert job is not None
            self.inbox.put(self.slot.run(job))
            done += 1
        return done

    def run(self) -> None:
        """Exchange and work until every message is acknowledged."""
        for _ in range(MOST_STEPS):
            self.step()
            self.work()
            if self.exchange.messages.finished == self.submitted:
                return
        raise AssertionError(f"the drain came to no end in {MOST_STEPS} steps")

    def stop(self) -> None:
        """As at the end of a process; the calls in hand have ended."""
        self.inbox.put(Stop())
        while not self.exchange.is_over:
            self.step()
            self.work()
