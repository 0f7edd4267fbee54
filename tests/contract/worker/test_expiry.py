"""Orders with a last moment: after it nothing is sent, and they end as cancelled once nothing was charged."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import text

from breakwall.payments.charging import EXPIRED
from breakwall.payments.gateways.base import Outcome
from breakwall.payments.incidents import IncidentKind
from breakwall.payments.operator.incidents import newest_incidents
from breakwall.payments.orders import InvalidOrderError, Order, OrderStatus
from tests.contract.site import LEASE, Site, order
from tests.gateway import ABSENT, DECLINED, FOUND, LOST, PAID

TIME_LEFT = 60.0


def expiring(key: str = "cart-1") -> Order:
    return replace(order(key), charge_before=TIME_LEFT)


def queued(site: Site) -> str:
    return site.producer.enqueue([expiring()])[0].order_id


def incidents_of(site: Site) -> list[str]:
    return site.database.read(lambda connection: [one.kind for one in newest_incidents(connection, limit=9)])


def lost(site: Site) -> str:
    """An order whose first attempt may have charged, and whose last moment has passed."""
    site.know_a_charge()
    site.gateway.answers.append(LOST)
    order_id = site.producer.place(expiring()).order_id
    site.advance(TIME_LEFT)
    return order_id


class TestAQueuedOrder:
    def test_ends_at_its_last_moment_while_the_circuit_is_open(self, site: Site) -> None:
        order_id = queued(site)
        site.open_circuit()
        site.advance(TIME_LEFT - 1)
        assert site.expiring.expire() == []
        site.advance(1)
        assert site.expiring.expire() == [order_id]
        assert (site.get().status, site.get().settled_at) == (OrderStatus.CANCELLED, site.clock.now)

    def test_ends_once(self, site: Site) -> None:
        queued(site)
        site.advance(TIME_LEFT)
        assert len(site.expiring.expire()) == 1
        assert site.expiring.expire() == []

    def test_is_not_sent_after_its_last_moment(self, site: Site) -> None:
        order_id = queued(site)
        site.advance(TIME_LEFT)
        assert site.retrier.run(order_id) is OrderStatus.CANCELLED
        assert site.gateway.charged == []

    def test_is_not_begun_by_the_drain_after_its_last_moment(self, site: Site) -> None:
        order_id = queued(site)
        site.advance(TIME_LEFT)
        done = site.ledger.exchange([], [order_id], max_attempts=3)
        assert (done.attempts, done.others) == ([], [order_id])

    def test_whose_last_moment_passes_after_its_claim_is_not_begun(self, site: Site) -> None:
        order_id = queued(site)
        site.clock.advance(TIME_LEFT - 1)
        claim = site.ledger.claim(order_id)
        assert claim is not None
        site.clock.advance(1)  # Its lease lasts.
        assert site.ledger.begin_attempt(claim) is None

    def test_is_told_to_the_shop(self, site: Site) -> None:
        queued(site)
        site.advance(TIME_LEFT)
        site.expiring.expire()
        outcomes = text("SELECT status, reason FROM outcomes")
        told = site.database.read(lambda connection: connection.execute(outcomes).all())
        assert told == [("cancelled", "expired")]

    def test_says_why_it_ended(self, site: Site) -> None:
        order_id = queued(site)
        site.advance(TIME_LEFT)
        site.retrier.run(order_id)
        assert site.get().reason == "expired"

    def test_without_a_last_moment_stays(self, site: Site) -> None:
        site.producer.enqueue([order()])
        site.advance(1e6)
        assert site.expiring.expire() == []

    def test_is_charged_before_its_last_moment(self, site: Site) -> None:
        order_id = queued(site)
        site.gateway.answers.append(PAID)
        assert site.retrier.run(order_id) is OrderStatus.PAID


class TestAnOrderThatMayHaveBeenCharged:
    def test_does_not_end_before_it_is_looked_up(self, site: Site) -> None:
        lost(site)
        assert site.expiring.expire() == []
        assert site.get().status is OrderStatus.QUEUED

    def test_is_cancelled_when_nothing_was_charged_and_not_sent_again(self, site: Site) -> None:
        order_id = lost(site)
        site.gateway.lookups.append(ABSENT)
        assert site.retrier.run(order_id) is OrderStatus.CANCELLED
        assert len(site.gateway.charged) == 1

    def test_is_paid_when_it_was_charged_in_time(self, site: Site) -> None:
        order_id = lost(site)
        site.gateway.lookups.append(FOUND)
        assert site.retrier.run(order_id) is OrderStatus.PAID
        assert incidents_of(site) == []

    def test_is_declined_by_an_answer_that_came_late(self, site: Site) -> None:
        order_id = queued(site)
        claim = site.ledger.claim(order_id)
        assert claim is not None
        attempt = site.ledger.begin_attempt(claim)
        assert attempt is not None
        site.advance(LEASE)
        site.dispatch_queue.reclaim_expired()
        site.charger.record(attempt, DECLINED)
        site.advance(TIME_LEFT)
        assert site.expiring.expire() == []
        assert site.retrier.run(order_id) is OrderStatus.DECLINED

    def test_is_an_incident_if_a_charge_is_found_after_the_shop_was_told(self, site: Site) -> None:
        order_id = queued(site)
        claim = site.ledger.claim(order_id)
        assert claim is not None
        attempt = site.ledger.begin_attempt(claim)
        assert attempt is not None
        site.advance(LEASE)
        site.dispatch_queue.reclaim_expired()
        site.advance(TIME_LEFT)
        site.know_a_charge()
        site.gateway.lookups.append(ABSENT)
        assert site.retrier.run(order_id) is OrderStatus.CANCELLED
        site.charger.record(attempt, PAID)
        assert incidents_of(site) == [IncidentKind.CHARGED_AFTER_CANCEL]


class TestPlacing:
    def test_charges_an_order_whose_last_moment_is_to_come(self, site: Site) -> None:
        site.gateway.answers.append(PAID)
        assert site.producer.place(expiring()).status is OrderStatus.PAID
        assert site.get().charge_before == site.clock.now + timedelta(seconds=TIME_LEFT)

    @pytest.mark.parametrize("way", ["place", "enqueue"])
    def test_refuses_an_order_whose_last_moment_has_passed(self, site: Site, way: str) -> None:
        late = replace(order(), charge_before=site.clock.now)
        with pytest.raises(InvalidOrderError, match="charge_before: should be in the future"):
            site.producer.place(late) if way == "place" else site.producer.enqueue([late])
        with pytest.raises(LookupError):
            site.get()

    def test_again_after_the_last_moment_says_how_the_order_ended(self, site: Site) -> None:
        moment = site.clock.now + timedelta(seconds=TIME_LEFT)
        site.gateway.answers.append(PAID)
        site.producer.place(replace(order(), charge_before=moment))
        site.advance(TIME_LEFT)
        again = site.producer.place(replace(order(), charge_before=moment))
        assert (again.status, again.replayed) == (OrderStatus.PAID, True)

    def test_sends_nothing_if_the_process_stood_still_until_after_the_last_moment(self, site: Site) -> None:
        order_id = queued(site)
        claim = site.ledger.claim(order_id)
        assert claim is not None
        attempt = site.ledger.begin_attempt(claim)
        assert attempt is not None
        assert claim.send_within == TIME_LEFT
        permit = site.breaker.acquire()
        assert site.charger.charge(attempt, permit, deadline=float("inf"), send_by=0.0) is EXPIRED
        assert (site.gateway.charged, site.outcomes()) == ([], [None])
        site.charger.record(attempt, EXPIRED)
        assert site.outcomes() == [Outcome.NOT_SENT]
