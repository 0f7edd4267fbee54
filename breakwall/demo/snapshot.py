"""What can be seen of the demo at one moment. Looking changes nothing."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Self

from sqlalchemy import Select, func, or_, select

from breakwall.breaker import CircuitState
from breakwall.demo.acknowledgements import AcknowledgementReader
from breakwall.monitor.backlog import Monitor
from breakwall.payments.db.database import Database
from breakwall.payments.db.schema import IN_FLIGHT, ResolvedBy, attempts, orders
from breakwall.payments.ledger.queries import list_orders
from breakwall.payments.orders import OrderStatus, StoredOrder
from breakwall.settings import Settings
from breakwall.wiring import open_breaker, open_database

RECENT = 20  # Answers whose waiting time stands for "a customer now waits": about a second's worth.


class ServiceState(StrEnum):
    """What the payment service does, as the scenario that steers it knows."""

    STARTING = "starting"
    UP = "up"
    FAILING = "failing"
    DEAD = "dead"


@dataclass(frozen=True, slots=True)
class DemoSnapshot:
    """One moment. Durations are seconds; the others are numbers of orders unless they say otherwise.

    Attributes:
        at: since the demo began.
        service: the payment service.
        worker_alive: whether there is a worker.
        accepted: orders that customers were told are accepted.
        customers_done: whether every customer has an answer.
        wait: how long a customer waits for an answer now; None before the first answer.
        paid, declined: finished with that result.
        waiting: in the queue, or taken from it by a worker and not finished.
        unfinished: these, and the orders whose customers wait for the answer to a charge.
        stuck: dead, or for a person to look at.
        oldest: how long the oldest waiting order has waited.
        circuit: the breaker's state.
        retry_after: until the breaker permits a probe.
        opened_at: when the circuit opened, by the database's clock; None while it is closed.
        failures: those that opened the circuit, or are in its window.
    """

    at: float
    service: ServiceState
    worker_alive: bool
    accepted: int
    customers_done: bool
    wait: float | None
    paid: int
    declined: int
    waiting: int
    unfinished: int
    stuck: int
    oldest: float
    circuit: CircuitState
    retry_after: float
    opened_at: float | None
    failures: int


@dataclass(frozen=True, slots=True)
class LostAnswers:
    """Charges whose answer was lost: those that a look-up found, and those that it proved absent."""

    found: int
    absent: int

    @property
    def total(self) -> int:
        return self.found + self.absent


class DemoMonitor:
    """Observes the demo's Breakwall as an operator would, and the customers' record.

    Args:
        settings: the demo's.
        acknowledgements: the customers' record.
        clock: seconds since the demo began.
    """

    def __init__(
        self, settings: Settings, acknowledgements: AcknowledgementReader, clock: Callable[[], float]
    ) -> None:
        self._acknowledgements = acknowledgements
        self._clock = clock
        self._database: Database = open_database(settings)
        self._monitor = Monitor(self._database, open_breaker(settings), _NoDepth())

    def look(self, service: ServiceState, *, worker_alive: bool) -> DemoSnapshot:
        """Take a snapshot."""
        customers = self._acknowledgements
        customers.follow()
        accepted = len(customers.acknowledgements)
        backlog, finished = self._monitor.snapshot(), self._count_by_status()
        return DemoSnapshot(
            at=self._clock(),
            service=service,
            worker_alive=worker_alive,
            accepted=accepted,
            customers_done=customers.done,
            wait=customers.median_wait(since=max(0, accepted - RECENT)),
            paid=finished.get(OrderStatus.PAID, 0),
            declined=finished.get(OrderStatus.DECLINED, 0),
            waiting=backlog.queued + self.count_retried_now(),
            unfinished=backlog.queued + backlog.in_flight,
            stuck=backlog.review + backlog.dead,
            oldest=backlog.oldest_age_seconds,
            circuit=backlog.breaker.state,
            retry_after=backlog.breaker.retry_after,
            opened_at=backlog.breaker.opened_at,
            failures=backlog.breaker.failure_count,
        )

    def count_calls_since(self, moment: float) -> int:
        """Calls to the payment service since a moment of the database's clock.

        Counts charges, and the look-ups that got no answer: all there are while the service answers nothing.
        """
        begun = attempts.c.started_at >= datetime.fromtimestamp(moment, UTC)
        charges = self._count(select(func.count()).select_from(attempts).where(begun))
        return charges + self._count(select(func.coalesce(func.sum(orders.c.look_up_count), 0)))

    def count_retried_now(self) -> int:
        """Orders that a worker has taken from the queue and not finished."""
        was_queued = or_(orders.c.deferral_count > 0, orders.c.fence > 1)
        return self._count(select(func.count()).where(orders.c.status == IN_FLIGHT, was_queued))

    def lost_answers(self) -> LostAnswers:
        """What became of the charges whose answer was lost."""
        looked_up = attempts.c.settled_by == ResolvedBy.LOOK_UP
        query = select(attempts.c.outcome, func.count()).where(looked_up).group_by(attempts.c.outcome)
        counts = self._counts(query)
        found = counts.get("succeeded", 0) + counts.get("declined", 0)
        return LostAnswers(found=found, absent=counts.get("failed", 0))

    def orders(self) -> list[StoredOrder]:
        """Every order that Breakwall has."""
        return list_orders(self._database, limit=10_000_000)

    def close(self) -> None:
        """Close the connections."""
        self._monitor.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def _count_by_status(self) -> dict[str, int]:
        return self._counts(select(orders.c.status, func.count()).group_by(orders.c.status))

    def _count(self, query: Select[int]) -> int:
        return self._database.read(lambda connection: connection.scalars(query).one())

    def _counts(self, query: Select[str, int]) -> dict[str, int]:
        rows = self._database.read(lambda connection: connection.execute(query).all())
        return dict(rows)


class _NoDepth:
    """The number of messages at the broker adds nothing here, and asking for it would load Celery."""

    def __call__(self) -> None:
        return None

    def close(self) -> None:
        return
