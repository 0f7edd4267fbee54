"""The ledger and its neighbours over one database, with shorthand for what most tests do first."""

from __future__ import annotations

from sqlalchemy import select

from breakwall.payments.db.database import Database
from breakwall.payments.db.schema import incidents
from breakwall.payments.decisions import Decision
from breakwall.payments.gateways.base import ChargeAnswer, Health, Outcome
from breakwall.payments.ledger.claim import Attempt, Claim
from breakwall.payments.ledger.dispatch_queue import DispatchQueue
from breakwall.payments.ledger.ledger import Ledger
from breakwall.payments.ledger.queries import get_order, list_attempts
from breakwall.payments.orders import Order, OrderStatus, StoredOrder
from tests import migrated
from tests.manual_clock import ManualClock
from tests.people import People

LEASE = 15.0
PAID = ChargeAnswer(Outcome.SUCCEEDED, Health.SUCCESS, charge_id="ch_1")
UNKNOWN = ChargeAnswer(Outcome.UNKNOWN, Health.FAILURE, code="ReadTimeout")
REFUSED = ChargeAnswer(Outcome.NOT_SENT, Health.FAILURE, code="ConnectError")
AGAIN = Decision(OrderStatus.QUEUED, 5.0)


def order(key: str = "cart-1", amount: int = 10_000) -> Order:
    return Order(user_id="u1", amount=amount, currency="KRW", idempotency_key=key)


class Book:
    """The orders of one site, and a clock turned by hand."""

    def __init__(self, url: str) -> None:
        self.database = Database(url)
        migrated.prepare(self.database)
        self.clock = ManualClock()
        self.ledger = Ledger(self.database, lease=LEASE, clock=self.clock)
        self.dispatch_queue = DispatchQueue(self.database, clock=self.clock)
        self.people = People(self.database, clock=self.clock)

    def queued(self, key: str = "cart-1") -> str:
        return self.ledger.accept_queued([order(key)]).new[key]

    def sending(self, key: str = "cart-1") -> Attempt:
        attempt = self.ledger.accept_sending(order(key))
        assert isinstance(attempt, Attempt)
        return attempt

    def claimed(self, key: str = "cart-1") -> Claim:
        claim = self.ledger.claim(self.queued(key))
        assert claim is not None
        return claim

    def retrying(self, key: str = "cart-1") -> Attempt:
        attempt = self.ledger.begin_attempt(self.claimed(key))
        assert attempt is not None
        return attempt

    def crashed(self, key: str = "cart-1") -> str:
        attempt = self.sending(key)
        self.clock.advance(LEASE)
        assert self.dispatch_queue.reclaim_expired() == [attempt.claim.order_id]
        return attempt.claim.order_id

    def reclaim(self, order_id: str) -> Claim:
        claim = self.ledger.claim(order_id)
        assert claim is not None
        return claim

    def get(self, name: str = "cart-1") -> StoredOrder:
        return get_order(self.database, name)

    def outcomes(self, name: str = "cart-1") -> list[Outcome | None]:
        return [attempt.outcome for attempt in list_attempts(self.database, self.get(name).id)]

    def incidents(self) -> list[str]:
        return self.database.read(lambda connection: list(connection.scalars(select(incidents.c.kind))))
