"""A site whose orders end by hand, and a shop that takes events, both without a network."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

from sqlalchemy import insert, select, update

from breakwall.breaker import CircuitBreaker, MemoryStore
from breakwall.payments.db.database import Database
from breakwall.payments.db.schema import deliveries, destinations, incidents, orders
from breakwall.payments.orders import OrderStatus
from breakwall.payments.outcomes.call_pool import CallPool, PooledCall
from breakwall.payments.outcomes.channel import CIRCUIT, Channel, circuit_name
from breakwall.payments.outcomes.delivering import Delivering
from breakwall.payments.outcomes.destination import DELIVERED, Result
from breakwall.payments.outcomes.event import Event
from tests.manual_clock import ManualClock, MonotonicClock


class PoolInThisThread(CallPool):
    """Runs each call at once, or keeps it until `run_kept`."""

    def __init__(self, clock: Callable[[], float], *, keeps: bool = False) -> None:
        super().__init__("test", threads=1, depth=1000, bound=16, clock=clock)
        self.keeps, self.kept = keeps, list[PooledCall]()
        self.blocked = False

    @property
    def is_blocked(self) -> bool:
        return self.blocked

    def submit(self, call: PooledCall) -> None:
        self.kept.append(call)
        if not self.keeps:
            self.run_kept()

    @property
    def kept_keys(self) -> list[str]:
        """The orders' keys of the calls that it keeps."""
        return [call._claimed.event.idempotency_key for call in self.kept]  # type: ignore[attr-defined]

    def run_kept(self) -> None:
        while self.kept:
            self.kept.pop(0).run()


class Shop:
    """Takes events, or answers with ``answers`` first."""

    endpoint: str | None = "digest"

    def __init__(self, name: str = "webhook") -> None:
        self.name = name
        self.asked: list[Event] = []
        self.took: list[Event] = []
        self.answers: list[Result] = []
        self.always: Result = DELIVERED
        self.needs_body = False

    def deliver(self, event: Event, *, deadline: float) -> Result:
        self.asked.append(event)
        if self.needs_body:
            _ = event.body
        result = self.answers.pop(0) if self.answers else self.always
        if result.delivered:
            self.took.append(event)
        return result

    def close(self) -> None:
        pass

    @property
    def told(self) -> list[tuple[str, str]]:
        """The order's key and the type of each event that it took, in their order."""
        return [(event.idempotency_key, event.type) for event in self.took]


class OutboxSite:
    def __init__(self, url: str) -> None:
        self.database = Database(url)
        self.clock, self.monotonic = ManualClock(), MonotonicClock()
        self.store = MemoryStore(self.monotonic)
        self._numbers = itertools.count(1)

    def worker(self, *shops: Shop, keeps: bool = False, batch: int = 200) -> Worker:
        return Worker(self, shops, keeps=keeps, batch=batch)

    def advance(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.monotonic.advance(seconds)

    def place(self, key: str) -> str:
        now = self.clock.now
        row = {
            "id": f"order-{key}",
            "idempotency_key": key,
            "user_id": "u1",
            "amount": 10_000,
            "currency": "KRW",
            "charge_key": key,
            "created_at": now,
            "status": "queued",
            "next_attempt_at": now,
            "dispatch_at": now,
            "payment_method": "pm_secret",
            "description": "secret words",
            "metadata": '{"cart":"secret"}',
        }
        self.database.write(lambda connection: connection.execute(insert(orders).values(row)))
        return f"order-{key}"

    def end(self, key: str, status: OrderStatus = OrderStatus.PAID) -> str:
        """The order ends like that, whatever it was; it is placed first if it is new."""
        order_id = f"order-{key}"
        known = self.database.read(
            lambda connection: connection.scalar(select(orders.c.id).where(orders.c.id == order_id))
        )
        if known is None:
            self.place(key)
        values = {
            "status": status.value,
            "next_attempt_at": None,
            "dispatch_at": None,
            "settled_at": self.clock.now,
            "charge_id": f"ch_{next(self._numbers)}" if status is OrderStatus.PAID else None,
            "retry_count": 2,
        }
        ended = update(orders).where(orders.c.id == order_id).values(values)
        self.database.write(lambda connection: connection.execute(ended))
        return order_id

    def row(self, destination: str = "webhook") -> tuple[int, bool, bool, str | None]:
        """The tries of the newest delivery, whether it was delivered, whether it was given up, and its error."""
        newest = (
            select(
                deliveries.c.tries,
                deliveries.c.delivered_at,
                deliveries.c.given_up_at,
                deliveries.c.last_error,
            )
            .where(deliveries.c.destination == destination)
            .order_by(deliveries.c.outcome_id.desc())
        )
        found = self.database.read(lambda connection: connection.execute(newest).first())
        assert found is not None
        return found.tries, found.delivered_at is not None, found.given_up_at is not None, found.last_error

    def known_destinations(self) -> set[str]:
        return self.database.read(lambda connection: set(connection.scalars(select(destinations.c.name))))

    def incidents(self) -> list[tuple[str, str]]:
        wanted = select(incidents.c.kind, incidents.c.detail).order_by(incidents.c.id)
        return self.database.read(
            lambda connection: [(row.kind, row.detail) for row in connection.execute(wanted)]
        )


class Worker:
    """A worker that delivers, as far as this has to do with it."""

    def __init__(self, site: OutboxSite, shops: Sequence[Shop], *, keeps: bool, batch: int) -> None:
        self.site = site
        self.pools = [PoolInThisThread(site.monotonic, keeps=keeps) for _ in shops]
        channels = [
            Channel(
                shop,
                CircuitBreaker(circuit_name(shop.name), CIRCUIT, store=site.store, clock=site.monotonic),
                pool=pool,
                clock=site.monotonic,
            )
            for shop, pool in zip(shops, self.pools, strict=True)
        ]
        self.delivering = Delivering(
            site.database,
            channels,
            clock=site.clock,
            jitter=lambda: 0.0,
            monotonic=site.monotonic,
            batch=batch,
        )
        self.run()

    def run(self, rounds: int = 3) -> None:
        for _ in range(rounds):
            self.delivering.run_once()
