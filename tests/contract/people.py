"""Orders in the states that people act on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Select, insert, select, text, update
from sqlalchemy.dialects import postgresql, sqlite

from breakwall import crashpoints
from breakwall.payments.db.schema import incidents, orders
from breakwall.payments.decisions import Decision
from breakwall.payments.gateways.base import Advice, ChargeAnswer, Health, Outcome
from breakwall.payments.interventions import Author, StoredIntervention
from breakwall.payments.ledger.audit import list_interventions
from breakwall.payments.ledger.claim import Attempt
from breakwall.payments.ledger.dispatch_queue import POISON_CRASHES
from breakwall.payments.orders import OrderStatus
from tests.contract.site import LEASE, Site, order
from tests.gateway import ABSENT

ANNA = Author("anna", "the service is back")

FAILED = ChargeAnswer(
    Outcome.FAILED, Health.NEUTRAL, code="http_401", detail="No credentials.", advice=Advice.RECONFIGURE
)
UNCLEAR = ChargeAnswer(Outcome.UNKNOWN, Health.NEUTRAL, code="ReadTimeout")
OTHER_PAYLOAD = ChargeAnswer(
    Outcome.UNKNOWN, Health.SUCCESS, code="key_reused", advice=Advice.REVIEW, spends_key=True
)
STORED_ERROR = ChargeAnswer(Outcome.UNKNOWN, Health.NEUTRAL, code="http_500", spends_key=True)
REFUSED = ChargeAnswer(
    Outcome.UNKNOWN, Health.NEUTRAL, code="currency_not_enabled", advice=Advice.STOP, spends_key=True
)


class Crash(BaseException):
    """The process ends here."""


@contextmanager
def crashing_before_the_commit() -> Iterator[None]:
    def crash(point: str) -> None:
        if point.startswith("before"):
            raise Crash(point)

    crashpoints.arm(crash)
    try:
        yield
    finally:
        crashpoints.arm(None)


def queued(site: Site, *keys: str, amount: int = 10_000) -> list[str]:
    """Orders that wait, each accepted a second after the one before."""
    found = []
    for key in keys or ("cart-1",):
        found.append(site.producer.enqueue([order(key, amount)])[0].order_id)
        site.advance(1)
    return found


def dead(site: Site, *keys: str, answer: ChargeAnswer = FAILED) -> list[str]:
    """Orders whose attempts are used up, proven not charged."""
    order_ids = queued(site, *keys)
    for order_id in order_ids:
        die(site, order_id, answer)
    return order_ids


def die(site: Site, order_id: str, answer: ChargeAnswer = FAILED) -> None:
    """Have a due order's next attempt be its last."""
    claim = site.ledger.claim(order_id)
    assert claim is not None
    attempt = site.ledger.begin_attempt(claim)
    assert attempt is not None
    site.ledger.record(attempt, answer, Decision(OrderStatus.DEAD))


def in_review(site: Site, key: str = "cart-1", answer: ChargeAnswer = UNCLEAR) -> str:
    """An order in review: only a person can tell whether it was charged."""
    attempt = site.ledger.accept_sending(order(key))
    assert isinstance(attempt, Attempt)
    site.gateway.charged.append(attempt.claim.request)
    site.gateway.during()
    assert site.ledger.record(attempt, answer, Decision(OrderStatus.REVIEW))[0] is OrderStatus.REVIEW
    return attempt.claim.order_id


def refused(site: Site, key: str = "cart-1") -> str:
    """A dead order that the service has refused; a look-up has found no charge of it."""
    site.know_a_charge("paid-before")
    site.gateway.answers.append(REFUSED)
    order_id = site.producer.place(order(key)).order_id
    assert site.get(key).status is OrderStatus.QUEUED
    look_up_in_vain(site, order_id)
    assert site.get(key).status is OrderStatus.DEAD
    return order_id


def refused_without_a_look_up(site: Site, key: str = "cart-1") -> str:
    """A dead order that the service has refused, and whose gateway has no look-up."""
    profile = site.gateway.profile
    site.gateway.profile = replace(profile, looks_up=False)
    site.know_a_charge()
    site.gateway.answers.append(REFUSED)
    placed = site.producer.place(order(key))
    assert placed.status is OrderStatus.DEAD
    site.gateway.profile = profile
    return placed.order_id


def give_to_another_gateway(site: Site, key: str = "cart-1", gateway: str = "other") -> None:
    """Have another gateway charge the order."""
    given = update(orders).where(orders.c.idempotency_key == key).values(gateway=gateway)
    site.database.write(lambda connection: connection.execute(given))


def look_up_in_vain(site: Site, order_id: str) -> None:
    """Have a look-up find that there is no such charge."""
    site.advance(31)
    site.gateway.lookups.append(ABSENT)
    site.retrier.run(order_id)


def poisoned(site: Site) -> Attempt:
    """An order in review whose first attempt is still running somewhere."""
    attempt = site.ledger.accept_sending(order())
    assert isinstance(attempt, Attempt)
    for crashes in range(1 + POISON_CRASHES):
        if crashes:
            assert site.ledger.claim(attempt.claim.order_id) is not None
        site.advance(LEASE)
        site.dispatch_queue.reclaim_expired()
    assert site.get().status is OrderStatus.REVIEW
    return attempt


def interventions_of(site: Site, key: str = "cart-1") -> list[StoredIntervention]:
    return list_interventions(site.database, site.get(key).id)


def incident_kinds(site: Site) -> list[str]:
    return site.database.read(lambda connection: list(connection.scalars(select(incidents.c.kind))))


def explain(connection: Connection, query: Select[Any]) -> str:
    on_postgresql = connection.dialect.name == "postgresql"
    dialect = postgresql.dialect() if on_postgresql else sqlite.dialect()
    shown = str(query.compile(dialect=dialect, compile_kwargs={"literal_binds": True}))
    how = "EXPLAIN" if on_postgresql else "EXPLAIN QUERY PLAN"
    rows = connection.exec_driver_sql(f"{how} {shown}")
    return "\n".join(str(row[-1]) for row in rows)


def crowd(connection: Connection) -> None:
    """8,000 paid orders, a second apart, and among them 2,000 dead ones."""
    start = datetime(2026, 1, 1, tzinfo=UTC)
    rows = [
        {
            "id": f"{number:032x}",
            "idempotency_key": f"cart-{number}",
            "user_id": "u1",
            "amount": 1,
            "currency": "KRW",
            "status": "paid" if number % 5 else "dead",
            "charge_key": f"cart-{number}",
            "charge_id": "ch_1" if number % 5 else None,
            "created_at": start + timedelta(seconds=number),
            "settled_at": start + timedelta(seconds=number),
        }
        for number in range(10_000)
    ]
    connection.execute(insert(orders), rows)
    if connection.dialect.name == "postgresql":
        connection.execute(text("ANALYZE"))  # which it does by itself, sooner or later; SQLite never does
