"""What can be seen of the demo at one moment, and looking at it. Looking changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Self

from sqlalchemy import func, or_, select

from breakwall.breaker import CircuitState
from breakwall.demo.acknowledgements import PromiseReader
from breakwall.monitor.backlog import Monitor
from breakwall.payments.db.database import Database
from breakwall.payments.db.schema import IN_FLIGHT, SettledBy, attempts, orders
from breakwall.payments.ledger.queries import list_orders
from breakwall.payments.orders import OrderStatus, StoredOrder
from breakwall.settings import Settings

RECENT = 20
"""Answers whose waiting time is looked at for "a customer now waits": about a second's worth."""


class ServiceState(StrEnum):
    """What the payment service is doing, as the one who does it to the service knows."""

    STARTING = "starting"
    UP = "up"
    FAILING = "failing"
    DEAD = "dead"


@dataclass(frozen=True, slots=True)
class Scene:
    """One moment. Durations are seconds, the others numbers of orders unless they say otherwise.

    Attributes:
        at: since the demo began.
        service: the payment service.
        worker_alive: whether there is a worker.
        accepted: orders that customers were promised.
        told: how many customers were told which state.
        refused: customers who were told that nothing was accepted.
        customers_done: whether every customer has been there.
        wait: how long a customer waits for an answer now; None before the first.
        paid, declined: settled so.
        waiting: in the queue, or taken out of it by a worker and not settled.
        unsettled: these, and those that are being charged while their customers wait for the answer.
        stuck: given up on, or for a person to look at.
        oldest: how long the oldest waiting order has waited.
        circuit: the breaker's state.
        retry_after: until the breaker lets a probe through.
        opened_at: when the circuit opened, by the database's clock; None while closed.
        failures: those that opened the circuit, or are in its window.
    """

    at: float
    service: ServiceState
    worker_alive: bool
    accepted: int
    told: Mapping[str, int]
    refused: int
    customers_done: bool
    wait: float | None
    paid: int
    declined: int
    waiting: int
    unsettled: int
    stuck: int
    oldest: float
    circuit: CircuitState
    retry_after: float
    opened_at: float | None
    failures: int


@dataclass(frozen=True, slots=True)
class LookUps:
    """What became of answers that were lost: look-ups found the charge, or proved that there was none."""

    found: int
    absent: int

    @property
    def total(self) -> int:
        return self.found + self.absent


class Lookout:
    """Looks at the demo's Breakwall as its own operator would, and at the customers' record.

    Args:
        settings: whose Breakwall.
        promises: the customers' record.
        clock: seconds since the demo began.
    """

    def __init__(self, settings: Settings, promises: PromiseReader, clock: Callable[[], float]) -> None:
        from breakwall.wiring import open_breaker, open_database

        self._promises = promises
        self._clock = clock
        self._database: Database = open_database(settings)
        self._monitor = Monitor(self._database, open_breaker(settings), _UnaskedBroker())

    def look(self, service: ServiceState, *, worker_alive: bool) -> Scene:
        """See everything once."""
        self._promises.follow()
        backlog, settled = self._monitor.snapshot(), self._count_by_status()
        promises = self._promises
        return Scene(
            at=self._clock(),
            service=service,
            worker_alive=worker_alive,
            accepted=len(promises.promises),
            told=dict(promises.told),
            refused=len(promises.refusals),
            customers_done=promises.done,
            wait=promises.usual_wait(since=max(0, len(promises.promises) - RECENT)),
            paid=settled.get(OrderStatus.PAID, 0),
            declined=settled.get(OrderStatus.DECLINED, 0),
            waiting=backlog.queued + self.in_hands(),
            unsettled=backlog.queued + backlog.in_flight,
            stuck=backlog.review + backlog.dead,
            oldest=backlog.oldest_age_seconds,
            circuit=backlog.breaker.state,
            retry_after=backlog.breaker.retry_after,
            opened_at=backlog.breaker.opened_at,
            failures=backlog.breaker.failure_count,
        )

    def calls_since(self, moment: float) -> int:
        """Calls to the payment service that were begun after a moment of the database's clock.

        Charges, and look-ups that no answer came back to: right for a time in which none came.
        """
        begun = attempts.c.started_at >= datetime.fromtimestamp(moment, UTC)
        charges = select(func.count()).select_from(attempts).where(begun)
        look_ups = select(func.coalesce(func.sum(orders.c.look_up_count), 0))
        number: int = self._database.read(
            lambda connection: connection.scalars(charges).one() + connection.scalars(look_ups).one()
        )
        return number

    def in_hands(self) -> int:
        """Orders that a worker has taken out of the queue, and that are not settled."""
        was_queued = or_(orders.c.deferral_count > 0, orders.c.fence > 1)
        held = select(func.count()).where(orders.c.status == IN_FLIGHT, was_queued)
        number: int = self._database.read(lambda connection: connection.scalars(held).one())
        return number

    def look_ups(self) -> LookUps:
        """What became of the answers that were lost."""
        told = select(attempts.c.outcome, func.count().label("number")).where(
            attempts.c.settled_by == SettledBy.LOOK_UP
        )
        rows = self._database.read(
            lambda connection: connection.execute(told.group_by(attempts.c.outcome)).all()
        )
        numbers = {row.outcome: row.number for row in rows}
        return LookUps(
            found=numbers.get("succeeded", 0) + numbers.get("declined", 0), absent=numbers.get("failed", 0)
        )

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

    def _count_by_status(self) -> Mapping[Any, int]:
        wanted = select(orders.c.status, func.count().label("number")).group_by(orders.c.status)
        rows = self._database.read(lambda connection: connection.execute(wanted).all())
        return {row.status: row.number for row in rows}


class _UnaskedBroker:
    """The broker's depth says nothing here that the orders do not; asking would load Celery."""

    def __call__(self) -> None:
        return None

    def close(self) -> None:
        return
