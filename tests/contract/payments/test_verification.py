"""Charges that are not trusted: they pay nothing, nothing more is sent, and their owner is not harmed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from breakwall.payments.decisions import Decision
from breakwall.payments.gateways.base import ChargeAnswer, ChargeDetails, Outcome
from breakwall.payments.ledger.claim import Attempt
from breakwall.payments.operator.locking import RefusedError
from breakwall.payments.orders import OrderStatus
from breakwall.payments.verification import verified
from tests.contract.people import ANNA, incident_kinds, look_up_in_vain, poisoned, queued
from tests.contract.site import LEASE, Site, order
from tests.gateway import DOWN, FOUND, LOST, PAID

CENTS = replace(PAID, charge_id="ch_late", details=ChargeDetails(amount=100))


def late(site: Site, attempt: Attempt, answer: ChargeAnswer = CENTS) -> OrderStatus:
    """An answer that is not trusted comes after its claim has expired."""
    return site.ledger.record(attempt, verified(answer, attempt.claim.request), Decision(OrderStatus.QUEUED))[
        0
    ]


def overtaken(site: Site) -> Attempt:
    """An attempt without an answer. A look-up has found no charge of it; its order waits again."""
    site.know_a_charge()
    attempt = site.ledger.accept_sending(order())
    assert isinstance(attempt, Attempt)
    site.advance(LEASE)
    site.dispatch_queue.reclaim_expired()
    site.gateway.answers.append(DOWN)
    look_up_in_vain(site, attempt.claim.order_id)
    assert site.outcomes() == [Outcome.FAILED, Outcome.NOT_SENT]
    return attempt


class TestALateAnswerWithAnotherAmount:
    def test_leaves_an_order_that_waits_to_a_person(self, site: Site) -> None:
        attempt = overtaken(site)
        assert late(site, attempt) is OrderStatus.REVIEW
        assert incident_kinds(site) == ["wrong_charge"]
        assert site.outcomes()[0] is Outcome.UNKNOWN

    def test_stops_the_worker_that_has_claimed_the_order_meanwhile(self, site: Site) -> None:
        attempt = overtaken(site)
        site.advance(60)
        site.gateway.charged.clear()
        claim = site.ledger.claim(attempt.claim.order_id)
        assert claim is not None
        late(site, attempt)
        assert site.ledger.begin_attempt(claim) is None
        site.ledger.release(claim, 0.0, deferred=False)
        assert site.retrier.run(attempt.claim.order_id) is OrderStatus.REVIEW
        assert site.gateway.charged == []

    def test_keeps_a_dead_order_from_being_retried(self, site: Site) -> None:
        attempt = poisoned(site)
        site.people.resolve_not_charged("cart-1", ANNA)
        assert late(site, attempt) is OrderStatus.REVIEW
        with pytest.raises(RefusedError, match="orders resolve"):
            site.people.retry("cart-1", ANNA)

    def test_leaves_a_cancelled_order_to_a_person_too(self, site: Site) -> None:
        attempt = overtaken(site)
        site.people.cancel("cart-1", ANNA)
        assert site.get().status is OrderStatus.CANCELLED
        assert late(site, attempt) is OrderStatus.REVIEW
        resolved = site.people.resolve_not_charged("cart-1", ANNA)
        assert resolved.status is OrderStatus.CANCELLED

    def test_says_why_it_waits_also_after_its_next_turn(self, site: Site) -> None:
        late(site, overtaken(site))
        assert "Not trusted: " in (site.get().last_error or "")

    def test_is_not_undone_by_an_answer_that_proves_nothing(self, site: Site) -> None:
        attempt = overtaken(site)
        late(site, attempt)
        site.ledger.record(attempt, LOST, Decision(OrderStatus.QUEUED))
        with pytest.raises(RefusedError):
            site.people.retry("cart-1", ANNA)


def test_a_charge_that_was_not_accepted_stays_free_for_its_true_owner(site: Site) -> None:
    """A service may take two keys for one, and answer the wrong order first."""
    told = replace(PAID, charge_id="ch_a", details=ChargeDetails(amount=10_000))
    site.gateway.answers.extend([told, told])
    assert site.producer.place(order("cart-b", amount=5_000)).status is OrderStatus.REVIEW
    assert site.producer.place(order("cart-a", amount=10_000)).status is OrderStatus.PAID


def test_the_charge_in_the_result_is_the_one_that_paid_the_order(site: Site) -> None:
    def meanwhile() -> None:
        site.advance(LEASE)
        site.dispatch_queue.reclaim_expired()
        site.gateway.lookups.append(FOUND)
        site.retrier.run(site.get().id)

    site.gateway.during = meanwhile
    site.gateway.answers.append(replace(PAID, charge_id="ch_2"))
    assert site.producer.place(order()).charge_id == site.get().charge_id == "ch_1"
    assert incident_kinds(site) == ["two_charges"]


def test_what_a_look_up_has_found_paid_no_late_refusal_takes_back(site: Site) -> None:
    attempt = site.ledger.accept_sending(order())
    assert isinstance(attempt, Attempt)
    site.advance(LEASE)
    site.dispatch_queue.reclaim_expired()
    site.gateway.lookups.append(FOUND)
    site.retrier.run(attempt.claim.order_id)
    site.ledger.record(attempt, DOWN, Decision(OrderStatus.QUEUED))
    assert site.outcomes() == [Outcome.SUCCEEDED]


def test_a_suspected_order_whose_key_leads_to_anothers_charge_has_a_new_one_once_resolved(site: Site) -> None:
    site.gateway.answers.append(PAID)
    site.producer.place(order("first"))
    (order_id,) = queued(site)
    site.suspect()
    site.gateway.lookups.append(FOUND)
    assert site.retrier.run(order_id) is OrderStatus.REVIEW
    key = site.get().charge_key
    site.people.resolve_not_charged("cart-1", ANNA)
    assert site.get().charge_key != key
