"""The line that a worker logs for each order, the same on SQLite and on PostgreSQL."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from breakwall.breaker import CircuitBreaker, CircuitBreakerConfig
from breakwall.payments.db.database import Database
from breakwall.payments.db.migrate import upgrade
from breakwall.payments.decisions import Decision
from breakwall.payments.gateways.base import ChargeAnswer, Health, Outcome
from breakwall.payments.ledger.ledger import Ledger
from breakwall.payments.orders import Order, OrderStatus
from breakwall.worker.log.orders import NOTHING_TO_DO, OrderLog
from tests.manual_clock import ManualClock

FAILED = ChargeAnswer(Outcome.FAILED, Health.FAILURE, code="http_503", detail="Down.")
PAID = ChargeAnswer(Outcome.SUCCEEDED, Health.SUCCESS, charge_id="ch_1")


class Site:
    """One queued order, and a worker that logs what becomes of it."""

    def __init__(self, url: str, caplog: pytest.LogCaptureFixture) -> None:
        self.database = Database(url)
        upgrade(self.database.engine)
        self.clock = ManualClock()
        self.ledger = Ledger(self.database, lease=15.0, clock=self.clock)
        self.breaker = CircuitBreaker(
            "payment", CircuitBreakerConfig(failure_threshold=1, recovery_timeout=30.0, jitter=0.0)
        )
        self.unknown: list[str] = []
        self.log = OrderLog(
            self.database, self.breaker, on_unknown_order=self.unknown.append, clock=self.clock
        )
        order = Order(user_id="u1", amount=10_000, currency="KRW", idempotency_key="cart-17")
        (self.order_id,) = self.ledger.accept_queued([order], deferrals=1).new.values()
        self.caplog = caplog

    def work(self, answer: ChargeAnswer, status: OrderStatus, delay: float = 0.0) -> OrderStatus:
        claim = self.ledger.claim(self.order_id)
        assert claim is not None
        attempt = self.ledger.begin_attempt(claim)
        assert attempt is not None
        return self.ledger.record(attempt, answer, Decision(status, delay))[0]

    def lines(self) -> list[str]:
        return [record.getMessage() for record in self.caplog.records if record.name == "breakwall.orders"]


@pytest.fixture
def site(migrated_url: str, caplog: pytest.LogCaptureFixture) -> Iterator[Site]:
    caplog.set_level(logging.INFO, "breakwall")
    site = Site(migrated_url, caplog)
    yield site
    site.breaker.close()
    site.database.close()


def test_an_order_that_waits_again_says_why_and_for_how_long(site: Site) -> None:
    status = site.work(FAILED, OrderStatus.QUEUED, delay=12.0)
    outcome = site.log.write(site.order_id, status, took=0.0)
    assert outcome == "queued, http_503, next attempt in 12 s"
    assert site.lines() == [f"order cart-17 (id {site.order_id}): {outcome}"]
    fields = vars(site.caplog.records[-1])
    assert (fields["key"], fields["order_id"]) == ("cart-17", site.order_id)
    assert (fields["reason"], fields["next_attempt_seconds"], fields["retry_count"]) == ("http_503", 12.0, 1)


def test_the_reason_is_of_this_work_not_of_an_earlier_attempt(site: Site) -> None:
    site.work(FAILED, OrderStatus.QUEUED)
    site.clock.advance(5)
    site.breaker.acquire().record_failure()
    assert site.ledger.defer(site.order_id, 30.0)
    outcome = site.log.write(site.order_id, OrderStatus.QUEUED, took=1.0)
    assert outcome == "queued, circuit_open, next attempt in 30 s"


def test_an_order_that_ended_unpaid_says_why(site: Site) -> None:
    declined = ChargeAnswer(Outcome.DECLINED, Health.SUCCESS, code="card_declined", detail="No funds.")
    status = site.work(declined, OrderStatus.DECLINED)
    assert site.log.write(site.order_id, status, took=0.0) == "declined, card_declined"


def test_a_paid_order_says_so_and_a_doubled_message_nothing(site: Site) -> None:
    assert site.log.write(site.order_id, site.work(PAID, OrderStatus.PAID), took=0.0) == "paid"
    assert site.log.write(site.order_id, None, took=0.0) == NOTHING_TO_DO
    assert site.lines() == [
        f"order cart-17 (id {site.order_id}): paid",
        f"order (id {site.order_id}): nothing to do",
    ]


def test_a_message_for_an_order_of_another_site_is_reported_and_a_doubled_one_is_not(site: Site) -> None:
    for order_id in (site.order_id, "another-sites"):
        assert site.log.write(order_id, None, took=0.0) == NOTHING_TO_DO
    assert site.unknown == ["another-sites"]


def test_above_info_a_paid_order_costs_no_query(site: Site) -> None:
    site.caplog.set_level(logging.WARNING, "breakwall.orders")
    status = site.work(PAID, OrderStatus.PAID)
    site.database.read = None  # type: ignore[assignment, method-assign]
    assert site.log.write(site.order_id, status, took=0.0) == "paid"


def test_without_a_database_the_text_is_shorter_and_the_order_may_exist(site: Site, tmp_path: object) -> None:
    away = Database(f"sqlite:///{tmp_path}/no/such/folder.db")
    log = OrderLog(away, site.breaker, on_unknown_order=site.unknown.append)
    assert log.write(site.order_id, OrderStatus.QUEUED, took=0.0) == "queued"
    assert log.write(site.order_id, None, took=0.0) == NOTHING_TO_DO
    assert site.unknown == []
