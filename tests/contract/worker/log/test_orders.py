"""The line that a worker logs for each order, the same on SQLite and on PostgreSQL."""

from __future__ import annotations

import logging

import pytest

from breakwall.payments.db.database import Database
from breakwall.payments.gateways.base import ChargeAnswer, Health, Outcome
from breakwall.payments.ledger.claim import Attempt
from breakwall.payments.orders import OrderStatus
from breakwall.worker.log.orders import NOTHING_TO_DO, ORDERS_A_LINE, OrderLog
from tests.contract.site import Site, order
from tests.gateway import PAID

FAILED = ChargeAnswer(Outcome.FAILED, Health.FAILURE, code="http_503", detail="Down.")


class LoggedOrder:
    """A queued order, and a worker that logs it."""

    def __init__(self, site: Site, caplog: pytest.LogCaptureFixture) -> None:
        self.site, self.caplog = site, caplog
        self.unknown: list[str] = []
        self.log = OrderLog(
            site.database, site.breaker, on_unknown_order=self.unknown.append, clock=site.clock
        )
        (self.id,) = site.ledger.accept_queued([order("cart-17")], deferrals=1).new.values()

    def attempt(self, answer: ChargeAnswer, status: OrderStatus, delay: float = 0.0) -> str:
        return self.write(self.site.attempt(self.id, answer, status, delay))

    def write(self, status: OrderStatus | None, took: float = 0.0) -> str:
        return self.log.write(self.id, status, took)

    def lines(self) -> list[str]:
        return [record.getMessage() for record in self.caplog.records if record.name == "breakwall.orders"]


@pytest.fixture
def logged(site: Site, caplog: pytest.LogCaptureFixture) -> LoggedOrder:
    caplog.set_level(logging.INFO, "breakwall")
    return LoggedOrder(site, caplog)


def test_an_order_that_waits_again_says_why_and_for_how_long(logged: LoggedOrder) -> None:
    outcome = logged.attempt(FAILED, OrderStatus.QUEUED, delay=12.0)
    assert outcome == "queued, http_503, next attempt in 12 s"
    assert logged.lines() == [f"order cart-17 (id {logged.id}): {outcome}"]
    fields = vars(logged.caplog.records[-1])
    assert (fields["key"], fields["order_id"]) == ("cart-17", logged.id)
    assert (fields["reason"], fields["next_attempt_seconds"], fields["retry_count"]) == ("http_503", 12.0, 1)


def test_the_reason_is_of_this_work_not_of_an_earlier_attempt(logged: LoggedOrder) -> None:
    logged.attempt(FAILED, OrderStatus.QUEUED)
    logged.site.advance(5)
    logged.site.open_circuit()
    assert logged.site.ledger.defer(logged.id, 30.0)
    assert logged.write(OrderStatus.QUEUED, took=1.0) == "queued, circuit_open, next attempt in 30 s"


def test_an_order_that_finished_unpaid_says_why(logged: LoggedOrder) -> None:
    declined = ChargeAnswer(Outcome.DECLINED, Health.SUCCESS, code="card_declined", detail="No funds.")
    assert logged.attempt(declined, OrderStatus.DECLINED) == "declined, card_declined"


def test_a_paid_order_says_so_and_a_doubled_message_nothing(logged: LoggedOrder) -> None:
    assert logged.attempt(PAID, OrderStatus.PAID) == "paid"
    assert logged.write(None) == NOTHING_TO_DO
    assert logged.lines() == [
        f"order cart-17 (id {logged.id}): paid",
        f"order (id {logged.id}): nothing to do",
    ]


def test_a_message_for_an_order_of_another_site_is_reported_and_a_doubled_one_is_not(
    logged: LoggedOrder,
) -> None:
    for order_id in (logged.id, "another-sites"):
        assert logged.log.write(order_id, None, took=0.0) == NOTHING_TO_DO
    assert logged.unknown == ["another-sites"]


def test_above_info_a_paid_order_costs_no_query(logged: LoggedOrder) -> None:
    logged.caplog.set_level(logging.WARNING, "breakwall.orders")
    status = logged.site.attempt(logged.id, PAID, OrderStatus.PAID)
    logged.site.database.read = None  # type: ignore[assignment, method-assign]
    assert logged.write(status) == "paid"


def test_without_a_database_the_text_is_shorter_and_the_order_may_exist(
    logged: LoggedOrder, tmp_path: object
) -> None:
    away = Database(f"sqlite:///{tmp_path}/no/such/folder.db")
    log = OrderLog(away, logged.site.breaker, on_unknown_order=logged.unknown.append)
    assert log.write(logged.id, OrderStatus.QUEUED, took=0.0) == "queued"
    assert log.write(logged.id, None, took=0.0) == NOTHING_TO_DO
    assert logged.unknown == []


class TestManyOrders:
    def begun(self, logged: LoggedOrder, number: int) -> list[Attempt]:
        ledger = logged.site.ledger
        new = ledger.accept_queued([order(f"shop-{n:02}") for n in range(number)]).new
        return ledger.exchange([], list(new.values()), max_attempts=3).attempts

    def test_that_are_paid_share_a_line_that_each_key_and_each_id_finds(self, logged: LoggedOrder) -> None:
        attempts = self.begun(logged, 3)
        logged.log.paid(attempts)
        (line,) = logged.lines()
        assert line.startswith("3 orders shop-")
        assert line.endswith("): paid")
        for one in attempts:
            assert f"{one.claim.request.reference} (id {one.claim.order_id})" in line
        fields = vars(logged.caplog.records[-1])
        assert (fields["status"], fields["order_ids"]) == ("paid", [one.claim.order_id for one in attempts])
        assert sorted(fields["keys"]) == ["shop-00", "shop-01", "shop-02"]

    def test_are_named_in_lines_of_a_bounded_length(self, logged: LoggedOrder) -> None:
        logged.log.paid(self.begun(logged, ORDERS_A_LINE + 1))
        many, one = logged.lines()
        assert many.startswith(f"{ORDERS_A_LINE} orders ")
        assert one.startswith("order shop-")
        assert set(vars(logged.caplog.records[-1])) >= {"order_id", "key", "status"}

    def test_that_are_paid_cost_no_query(self, logged: LoggedOrder) -> None:
        attempts = self.begun(logged, 2)
        logged.site.database.read = None  # type: ignore[assignment, method-assign]
        logged.log.paid(attempts)

    def test_that_are_deferred_say_until_when(self, logged: LoggedOrder) -> None:
        logged.log.deferred(["a", "b"], 12.0, "circuit_open")
        assert logged.lines() == [
            "2 orders (id a), (id b): queued, circuit_open, next attempt in 12 s",
        ]

    def test_of_which_one_is_unknown_are_reported_by_one_query(self, logged: LoggedOrder) -> None:
        logged.log.nothing_to_do([logged.id, "another-sites"])
        assert logged.unknown == ["another-sites"]
        assert logged.lines() == [f"2 orders (id {logged.id}), (id another-sites): nothing to do"]
