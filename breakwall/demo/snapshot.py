"""What can be seen of the demo at one moment."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from sqlalchemy import Select, func, or_, select

from breakwall.breaker import CircuitState
from breakwall.demo.acknowledgements import AcknowledgementReader
from breakwall.monitor.backlog import Monitor
from breakwall.payments.db.database import Database
from breakwall.payments.db.schema import IN_FLIGHT, ResolvedBy, attempts, orders
from breakwall.payments.gateways.base import Outcome
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
    """One moment. Durations are seconds; numbers without a comment count orders."""

    at: float  # Since the demo began.
    service: ServiceState
    worker_alive: bool
    accepted: int  # By the customers' record.
    customers_done: bool  # Every customer has an answer.
    wait: float | None  # How long a customer waits for an answer now; None before the first answer.
    paid: int
    declined: int
    waiting: int  # In the queue, or claimed from it by a worker and not finished.
    unfinished: int  # These, and the orders whose customers wait for the answer to a charge.
    stuck: int  # Dead, or in review.
    oldest: float  # How long the oldest waiting order has waited.
    circuit: CircuitState
    retry_after: float  # Until the breaker permits a probe.
    opened_at: float | None  # By the database's clock; None while the circuit is closed.
    failures: int  # Calls: those that opened the circuit, or are in its window.


@dataclass(frozen=True, slots=True)
class LostAnswers:
    """Charges whose answer was lost: those that a look-up found, and those that it proved absent."""

    found: int
    absent: int

    @property
    def total(self) -> int:
        return self.found + self.absent


class DemoMonitor:
    """Observes the demo's Breakwall as an operator would, and reads the customers' record. Changes nothing."""

    def __init__(
        self, settings: Settings, acknowledgements: AcknowledgementReader, clock: Callable[[], float]
    ) -> None:
        self._acknowledgements = acknowledgements
        self._clock = clock
        self._database: Database = open_database(settings)
        # Without the number of messages at the broker: asking for it would load Celery.
        self._monitor = Monitor(self._database, open_breaker(settings), lambda: None)

    def take_snapshot(self, service: ServiceState, *, worker_alive: bool) -> DemoSnapshot:
        customers = self._acknowledgements
        customers.follow()
        accepted = len(customers.acknowledgements)
        backlog = self._monitor.snapshot()
        finished = self._counts(select(orders.c.status, func.count()).group_by(orders.c.status))
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
        """Calls to the payment service since a moment of the database's clock: charges and unanswered look-ups.

        While the service is dead, there are no other look-ups.
        """
        begun = attempts.c.started_at >= datetime.fromtimestamp(moment, UTC)
        charges = self._count(select(func.count()).select_from(attempts).where(begun))
        return charges + self._count(select(func.coalesce(func.sum(orders.c.look_up_count), 0)))

    def count_retried_now(self) -> int:
        """Orders that a worker has claimed from the queue and not finished."""
        was_queued = or_(orders.c.deferral_count > 0, orders.c.fence > 1)
        return self._count(select(func.count()).where(orders.c.status == IN_FLIGHT, was_queued))

    def lost_answers(self) -> LostAnswers:
        """What became of the charges whose answer was lost."""
        looked_up = attempts.c.settled_by == ResolvedBy.LOOK_UP
        query = select(attempts.c.outcome, func.count()).where(looked_up).group_by(attempts.c.outcome)
        counts = self._counts(query)
        found = sum(counts.get(outcome, 0) for outcome in Outcome if outcome.is_final)
        return LostAnswers(found=found, absent=counts.get(Outcome.FAILED, 0))

    def orders(self) -> list[StoredOrder]:
        """Every order that Breakwall has."""
        return list_orders(self._database, limit=10_000_000)

    def close(self) -> None:
        """Close the connections."""
        self._monitor.close()

    def _count(self, query: Select[int]) -> int:
        return self._database.read(lambda connection: connection.scalars(query).one())

    def _counts(self, query: Select[str, int]) -> dict[str, int]:
        rows = self._database.read(lambda connection: connection.execute(query).all())
        return dict(rows)
