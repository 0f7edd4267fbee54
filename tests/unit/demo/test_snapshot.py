"""What the demo sees is what the ledger has written."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from breakwall.breaker import CircuitState
from breakwall.demo.acknowledgements import PromiseReader
from breakwall.demo.snapshot import Lookout, ServiceState
from breakwall.payments.db.clock import ManualClock
from breakwall.payments.decisions import Verdict
from breakwall.payments.gateways.base import Answer, Health, LookUpAnswer, LookUpResult, Outcome
from breakwall.payments.ledger.claims import Attempt, Claim
from breakwall.payments.ledger.ledger import Ledger
from breakwall.payments.orders import Order, OrderStatus
from breakwall.settings import Settings
from breakwall.wiring import open_database

LOST = Answer(Outcome.UNKNOWN, Health.FAILURE, code="ReadError")


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
def lookout(settings: Settings, ledger: Ledger, tmp_path: Path) -> Iterator[Lookout]:
    with Lookout(settings, PromiseReader(tmp_path / "customers.jsonl"), lambda: 1.5) as lookout:
        yield lookout


def order(number: int) -> Order:
    return Order(user_id="u1", amount=1000, currency="KRW", idempotency_key=f"cart-{number}")


def sent(ledger: Ledger, number: int) -> Attempt:
    attempt = ledger.accept_sending(order(number))
    assert isinstance(attempt, Attempt)
    return attempt


def lost(ledger: Ledger, number: int) -> Claim:
    """An order whose answer was lost, claimed by a worker that is to look it up."""
    attempt = sent(ledger, number)
    ledger.record(attempt, LOST, Verdict(OrderStatus.QUEUED))
    claim = ledger.claim(attempt.claim.order_id)
    assert claim is not None
    return claim


def test_an_order_that_its_customer_waits_for_is_unsettled_and_does_not_wait(
    ledger: Ledger, lookout: Lookout
) -> None:
    sent(ledger, 1)
    seen = lookout.look(ServiceState.UP, worker_alive=True)
    assert (seen.unsettled, seen.waiting) == (1, 0)


def test_queued_orders_wait_also_while_a_worker_has_them_in_its_hands(
    ledger: Ledger, lookout: Lookout
) -> None:
    accepted = ledger.accept_queued([order(1), order(2)], deferrals=1)
    assert ledger.claim(accepted.new["cart-1"]) is not None
    seen = lookout.look(ServiceState.UP, worker_alive=True)
    assert (seen.unsettled, seen.waiting) == (2, 2)
    assert lookout.in_hands() == 1


def test_settled_orders_are_counted_by_how_they_were_settled(ledger: Ledger, lookout: Lookout) -> None:
    paid = Answer(Outcome.SUCCEEDED, Health.SUCCESS, charge_id="ch-1")
    ledger.record(sent(ledger, 1), paid, Verdict(OrderStatus.PAID))
    declined = Answer(Outcome.DECLINED, Health.SUCCESS, code="card_declined")
    ledger.record(sent(ledger, 2), declined, Verdict(OrderStatus.DECLINED))
    seen = lookout.look(ServiceState.UP, worker_alive=True)
    assert (seen.paid, seen.declined, seen.unsettled) == (1, 1, 0)
    assert seen.circuit is CircuitState.CLOSED


def test_an_answer_that_a_look_up_found_again_is_counted(ledger: Ledger, lookout: Lookout) -> None:
    found = LookUpAnswer(LookUpResult.SUCCEEDED, Health.SUCCESS, charge_id="ch-1")
    ledger.record_look_up(lost(ledger, 1), found, Verdict(OrderStatus.PAID), fruitless=False)
    assert (lookout.look_ups().found, lookout.look_ups().absent) == (1, 0)


def test_a_charge_that_a_look_up_proved_absent_is_counted(ledger: Ledger, lookout: Lookout) -> None:
    ledger.prove_absent(lost(ledger, 1))
    assert (lookout.look_ups().found, lookout.look_ups().absent) == (0, 1)


def test_calls_are_counted_from_a_moment_on_with_the_look_ups_that_nobody_answered(
    ledger: Ledger, lookout: Lookout, clock: ManualClock
) -> None:
    sent(ledger, 1)
    clock.advance(1)
    moment = clock.now.timestamp()
    sent(ledger, 2)
    assert lookout.calls_since(moment) == 1
    unanswered = LookUpAnswer(LookUpResult.UNAVAILABLE, Health.FAILURE, code="ConnectError")
    ledger.record_look_up(lost(ledger, 3), unanswered, Verdict(OrderStatus.QUEUED), fruitless=True)
    assert lookout.calls_since(moment) == 3


def test_looking_changes_nothing(ledger: Ledger, lookout: Lookout) -> None:
    ledger.accept_queued([order(1)])
    first = lookout.look(ServiceState.UP, worker_alive=True)
    second = lookout.look(ServiceState.UP, worker_alive=True)
    assert (first.waiting, first.circuit) == (second.waiting, second.circuit)
    assert lookout.orders()[0].deferral_count == 0
