"""A snapshot shows what the ledger has written."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from breakwall.breaker import CircuitState
from breakwall.demo.acknowledgements import AcknowledgementReader
from breakwall.demo.snapshot import DemoMonitor, ServiceState
from breakwall.payments.decisions import Decision
from breakwall.payments.gateways.base import ChargeAnswer, Health, LookupAnswer, LookupResult, Outcome
from breakwall.payments.ledger.claim import Attempt, Claim
from breakwall.payments.ledger.ledger import Ledger
from breakwall.payments.orders import Order, OrderStatus
from breakwall.settings import Settings
from breakwall.wiring import open_database
from tests.manual_clock import ManualClock

LOST = ChargeAnswer(Outcome.UNKNOWN, Health.FAILURE, code="ReadError")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path / "data")


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def ledger(settings: Settings, clock: ManualClock) -> Iterator[Ledger]:
    database = open_database(settings)
    yield Ledger(database, lease=60, clock=clock)
    database.close()


@pytest.fixture
def monitor(settings: Settings, ledger: Ledger, tmp_path: Path) -> Iterator[DemoMonitor]:
    monitor = DemoMonitor(settings, AcknowledgementReader(tmp_path / "customers.jsonl"), lambda: 1.5)
    yield monitor
    monitor.close()


def order(number: int) -> Order:
    return Order(user_id="u1", amount=1000, currency="KRW", idempotency_key=f"cart-{number}")


def sent(ledger: Ledger, number: int) -> Attempt:
    attempt = ledger.accept_sending(order(number))
    assert isinstance(attempt, Attempt)
    return attempt


def lost(ledger: Ledger, number: int) -> Claim:
    """An order whose answer was lost, claimed by a worker that is to look it up."""
    attempt = sent(ledger, number)
    ledger.record(attempt, LOST, Decision(OrderStatus.QUEUED))
    claim = ledger.claim(attempt.claim.order_id)
    assert claim is not None
    return claim


def test_an_order_whose_customer_waits_is_unfinished_and_not_waiting(
    ledger: Ledger, monitor: DemoMonitor
) -> None:
    sent(ledger, 1)
    seen = monitor.take_snapshot(ServiceState.UP, worker_alive=True)
    assert (seen.unfinished, seen.waiting) == (1, 0)


def test_queued_orders_wait_also_while_a_worker_charges_them(ledger: Ledger, monitor: DemoMonitor) -> None:
    accepted = ledger.accept_queued([order(1), order(2)], deferrals=1)
    assert ledger.claim(accepted.new["cart-1"]) is not None
    seen = monitor.take_snapshot(ServiceState.UP, worker_alive=True)
    assert (seen.unfinished, seen.waiting) == (2, 2)
    assert monitor.count_retried_now() == 1


def test_finished_orders_are_counted_by_status(ledger: Ledger, monitor: DemoMonitor) -> None:
    paid = ChargeAnswer(Outcome.SUCCEEDED, Health.SUCCESS, charge_id="ch-1")
    ledger.record(sent(ledger, 1), paid, Decision(OrderStatus.PAID))
    declined = ChargeAnswer(Outcome.DECLINED, Health.SUCCESS, code="card_declined")
    ledger.record(sent(ledger, 2), declined, Decision(OrderStatus.DECLINED))
    seen = monitor.take_snapshot(ServiceState.UP, worker_alive=True)
    assert (seen.paid, seen.declined, seen.unfinished) == (1, 1, 0)
    assert seen.circuit is CircuitState.CLOSED


def test_an_answer_that_a_look_up_found_again_is_counted(ledger: Ledger, monitor: DemoMonitor) -> None:
    found = LookupAnswer(LookupResult.SUCCEEDED, Health.SUCCESS, charge_id="ch-1")
    ledger.record_look_up(lost(ledger, 1), found, Decision(OrderStatus.PAID))
    assert (monitor.lost_answers().found, monitor.lost_answers().absent) == (1, 0)


def test_a_charge_that_a_look_up_proved_absent_is_counted(ledger: Ledger, monitor: DemoMonitor) -> None:
    ledger.prove_absent(lost(ledger, 1))
    assert (monitor.lost_answers().found, monitor.lost_answers().absent) == (0, 1)


def test_calls_are_counted_since_a_moment_with_the_look_ups_that_got_no_answer(
    ledger: Ledger, monitor: DemoMonitor, clock: ManualClock
) -> None:
    sent(ledger, 1)
    clock.advance(1)
    moment = clock.now.timestamp()
    sent(ledger, 2)
    assert monitor.count_calls_since(moment) == 1
    unanswered = LookupAnswer(LookupResult.UNAVAILABLE, Health.FAILURE, code="ConnectError")
    ledger.record_look_up(lost(ledger, 3), unanswered, Decision(OrderStatus.QUEUED))
    assert monitor.count_calls_since(moment) == 3


def test_a_snapshot_changes_nothing(ledger: Ledger, monitor: DemoMonitor) -> None:
    ledger.accept_queued([order(1)])
    first = monitor.take_snapshot(ServiceState.UP, worker_alive=True)
    second = monitor.take_snapshot(ServiceState.UP, worker_alive=True)
    assert (first.waiting, first.circuit) == (second.waiting, second.circuit)
    assert monitor.orders()[0].deferral_count == 0
