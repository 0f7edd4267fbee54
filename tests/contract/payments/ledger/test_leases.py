"""A claim outlives the longest call, a pause of its process and the transaction that records the answer.

The leases are those of a site that is made from its settings; only the database's clock is turned by hand.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing

import pytest

from breakwall.payments.db.clock import ManualClock
from breakwall.payments.db.database import BUSY_SECONDS, Database
from breakwall.payments.db.migrate import upgrade
from breakwall.payments.decisions import Verdict
from breakwall.payments.gateways.base import Answer, Health, Outcome
from breakwall.payments.ledger.claims import Attempt, Claim
from breakwall.payments.ledger.dispatch_queue import DueOrders
from breakwall.payments.ledger.ledger import Ledger
from breakwall.payments.ledger.queries import get_order, list_attempts
from breakwall.payments.orders import OrderStatus
from breakwall.settings import load_settings
from breakwall.wiring import open_database, open_ledger
from tests.contract.site import order

PAUSE = 4.9
"""Seconds: `docs/guarantees.md` promises that a process may stand still for up to five."""

DECLINED = Answer(Outcome.DECLINED, Health.SUCCESS, code="card_declined")


@pytest.fixture(params=[1.0, 10.0, 60.0], ids="payment-timeout-{:g}".format)
def timeout(request: pytest.FixtureRequest) -> float:
    """The longest that a call may take."""
    return float(request.param)


@pytest.fixture
def ledger(migrated_url: str, timeout: float) -> Iterator[Ledger]:
    settings = load_settings(
        {"BREAKWALL_DATABASE_URL": migrated_url, "BREAKWALL_PAYMENT_TIMEOUT": str(timeout)}
    )
    with closing(Database(migrated_url)) as database:
        upgrade(database.engine)
    with closing(open_database(settings)) as database:
        ledger = open_ledger(settings, database)
        ledger.clock = ManualClock()
        yield ledger


@pytest.fixture
def pass_longest_call(ledger: Ledger, timeout: float) -> Callable[[], list[str]]:
    """Lets the longest call pass, and the pause; returns the orders that the dispatcher then takes back."""

    def wait() -> list[str]:
        assert isinstance(ledger.clock, ManualClock)
        ledger.clock.advance(timeout + PAUSE)
        return DueOrders(ledger.database, clock=ledger.clock).reclaim_expired()

    return wait


def claimed(ledger: Ledger) -> Claim:
    claim = ledger.claim(ledger.accept_queued([order()]).new["cart-1"])
    assert claim is not None
    return claim


def placing(ledger: Ledger) -> Attempt:
    attempt = ledger.accept_sending(order())
    assert isinstance(attempt, Attempt)
    return attempt


def retrying(ledger: Ledger) -> Attempt:
    attempt = ledger.begin_attempt(claimed(ledger))
    assert attempt is not None
    return attempt


@pytest.mark.parametrize("begin", [placing, retrying])
def test_the_answer_of_the_longest_call_is_recorded_after_a_pause_of_the_process(
    ledger: Ledger, pass_longest_call: Callable[[], list[str]], begin: Callable[[Ledger], Attempt]
) -> None:
    attempt = begin(ledger)
    assert pass_longest_call() == []
    assert ledger.record(attempt, DECLINED, Verdict(OrderStatus.DECLINED)) is OrderStatus.DECLINED
    (stored,) = list_attempts(ledger.database, attempt.claim.order_id)
    assert stored.outcome is Outcome.DECLINED


def test_the_longest_look_up_may_be_followed_by_an_attempt_after_a_pause_of_the_process(
    ledger: Ledger, pass_longest_call: Callable[[], list[str]]
) -> None:
    claim = claimed(ledger)
    assert pass_longest_call() == []
    proven = ledger.prove_absent(claim)
    assert proven is not None
    assert pass_longest_call() == []
    assert ledger.begin_attempt(proven) is not None


def test_the_answer_is_recorded_after_the_longest_wait_for_another_transaction(
    ledger: Ledger, timeout: float
) -> None:
    """On SQLite a transaction waits for another one's lock before it gives up."""
    assert ledger.lease >= timeout + BUSY_SECONDS


def test_who_does_not_come_back_holds_an_order_no_longer_than_that(
    ledger: Ledger, pass_longest_call: Callable[[], list[str]]
) -> None:
    attempt = placing(ledger)
    assert isinstance(ledger.clock, ManualClock)
    ledger.clock.advance(5.0 - PAUSE)
    assert pass_longest_call() == [attempt.claim.order_id]
    assert get_order(ledger.database, "cart-1").status is OrderStatus.QUEUED
