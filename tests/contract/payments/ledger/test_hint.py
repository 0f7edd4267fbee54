"""The payment service says that something has happened: a worker looks at once, and nothing is skipped or used up."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select

from breakwall.payments.db.operator_tables import payment_hints
from breakwall.payments.ledger.audit import list_interventions
from breakwall.payments.ledger.hint import HINT_PAUSE, hint
from breakwall.payments.ledger.hint_limits import MOST_PER_SECOND, ORDER_PAUSE
from breakwall.payments.ledger.queries import OrderNotFoundError
from breakwall.payments.orders import OrderStatus, StoredOrder
from breakwall.payments.retry_policy import RetryPolicy
from tests.contract.site import Site, order
from tests.gateway import DOWN, FOUND, LOST, NO_ANSWER, PAID

ALL = [OrderStatus.PAID, OrderStatus.DEAD, OrderStatus.REVIEW, OrderStatus.CANCELLED, OrderStatus.DECLINED]


def hinted(site: Site, name: str = "cart-1") -> StoredOrder:
    return hint(site.database, name, clock=site.clock)


def unknown(site: Site) -> StoredOrder:
    """An order whose charge got no answer; it waits for a minute."""
    queued = site.producer.enqueue([order()])[0].order_id
    site.attempt(queued, LOST, OrderStatus.QUEUED, 60.0)
    site.advance(HINT_PAUSE)
    return site.get()


def due_in(site: Site, found: StoredOrder) -> float:
    assert found.next_attempt_at is not None
    return (found.next_attempt_at - site.clock.now) / timedelta(seconds=1)


def test_an_unknown_outcome_is_looked_up_at_once(site: Site) -> None:
    site.know_a_charge()
    unknown(site)
    site.gateway.lookups.append(FOUND)
    found = hinted(site)
    assert due_in(site, found) <= 0
    assert site.dispatch_queue.take_due(10, republish_after=60.0) == [found.id]
    site.retrier.run(found.id)
    assert site.get().status is OrderStatus.PAID


def test_it_is_found_by_the_key_that_was_sent(site: Site) -> None:
    assert hinted(site, unknown(site).charge_key).id == site.get().id


def test_a_name_that_no_order_has_is_an_error(site: Site) -> None:
    with pytest.raises(OrderNotFoundError):
        hinted(site)


def test_a_hint_comes_into_effect_some_seconds_after_the_last_answer(site: Site) -> None:
    """However often it is repeated."""
    queued = site.producer.enqueue([order()])[0].order_id
    site.attempt(queued, DOWN, OrderStatus.QUEUED, 60.0)
    for _ in range(3):
        assert due_in(site, hinted(site)) == pytest.approx(HINT_PAUSE)


def test_the_pause_also_follows_a_look_up_without_an_answer(site: Site) -> None:
    unknown(site)
    site.gateway.lookups.append(NO_ANSWER)
    site.retrier.run(hinted(site).id)
    assert due_in(site, hinted(site)) == pytest.approx(min(HINT_PAUSE, due_in(site, site.get())))


def test_what_it_starts_early_uses_up_no_attempt_and_no_look_up(site: Site) -> None:
    """Three would be allowed, an hour apart. Hints alone must not end an order."""
    site.charger.policy = RetryPolicy(base=3600.0, cap=3600.0, max_attempts=3)
    found = unknown(site)
    for _ in range(10):
        site.gateway.lookups.append(replace(NO_ANSWER))
        hinted(site)
        site.retrier.run(found.id)
        site.advance(HINT_PAUSE)
        site.breaker_forgets()
    assert site.get().status is OrderStatus.QUEUED
    assert len(site.gateway.looked_up) > 3


def test_an_order_that_is_due_stays_as_it_is(site: Site) -> None:
    queued = site.producer.enqueue([order()])[0].order_id
    site.dispatch_queue.take_due(10, republish_after=60.0)
    before = site.get()
    assert hinted(site) == before
    assert site.dispatch_queue.take_due(10, republish_after=60.0) == []
    assert before.id == queued


def test_it_skips_no_pause_of_the_circuit(site: Site) -> None:
    found = unknown(site)
    site.open_circuit()
    hinted(site)
    site.gateway.charged.clear()
    site.retrier.run(found.id)
    assert (site.gateway.charged, site.gateway.looked_up) == ([], [])
    assert due_in(site, site.get()) >= site.breaker.status().retry_after


def test_an_order_in_flight_stays_as_it_is(site: Site) -> None:
    queued = site.producer.enqueue([order()])[0].order_id
    site.ledger.claim(queued)
    before = site.get()
    assert hinted(site) == before


@pytest.mark.parametrize("status", ALL)
def test_a_finished_order_stays_as_it_is(site: Site, status: OrderStatus) -> None:
    queued = site.producer.enqueue([order()])[0].order_id
    site.attempt(queued, PAID if status is OrderStatus.PAID else DOWN, status)
    before = site.get()
    assert before.status is status
    assert hinted(site) == before


def test_nothing_is_written_to_the_audit_trail(site: Site) -> None:
    found = unknown(site)
    hinted(site)
    assert list_interventions(site.database, found.id) == []


def unverified(site: Site, name: str = "cart-1") -> StoredOrder:
    return hint(site.database, name, clock=site.clock, verified=False)


def wait_again(site: Site, key: str = "cart-1") -> None:
    """A worker has looked, and the order waits for a minute more."""
    found = site.get(key)
    site.attempt(found.id, LOST, OrderStatus.QUEUED, 60.0)
    site.advance(HINT_PAUSE)


class TestAHintThatNobodyHasSigned:
    def test_makes_the_order_due_as_a_signed_one_does(self, site: Site) -> None:
        unknown(site)
        assert due_in(site, unverified(site)) <= 0

    def test_is_followed_once_a_minute_for_an_order(self, site: Site) -> None:
        unknown(site)
        unverified(site)
        wait_again(site)
        assert due_in(site, unverified(site)) > 0
        assert due_in(site, hinted(site)) <= 0  # a signed one is

    def test_is_followed_again_after_that_minute(self, site: Site) -> None:
        unknown(site)
        unverified(site)
        site.advance(ORDER_PAUSE)
        wait_again(site)
        assert due_in(site, unverified(site)) <= 0

    def test_is_one_of_five_a_second_for_all_orders(self, site: Site) -> None:
        keys = [f"cart-{number}" for number in range(MOST_PER_SECOND + 1)]
        for key in keys:
            (placed,) = site.producer.enqueue([order(key)])
            site.attempt(placed.order_id, LOST, OrderStatus.QUEUED, 60.0)
        site.advance(HINT_PAUSE)
        followed = [due_in(site, unverified(site, key)) <= 0 for key in keys]
        assert followed == [True] * MOST_PER_SECOND + [False]
        site.advance(1.5)
        assert due_in(site, unverified(site, keys[-1])) <= 0

    def test_takes_no_turn_where_it_would_change_nothing(self, site: Site) -> None:
        site.producer.enqueue([order()])  # it is due already
        unverified(site)
        assert (
            site.database.read(lambda connection: connection.scalar(select(payment_hints.c.order_id))) is None
        )

    def test_leaves_no_row_behind_for_ever(self, site: Site) -> None:
        for key in ("cart-1", "cart-2"):
            (placed,) = site.producer.enqueue([order(key)])
            site.attempt(placed.order_id, LOST, OrderStatus.QUEUED, 600.0)
            site.advance(ORDER_PAUSE)
            unverified(site, key)
        kept = site.database.read(
            lambda connection: connection.scalars(select(payment_hints.c.order_id)).all()
        )
        assert kept == [site.get("cart-2").id]
