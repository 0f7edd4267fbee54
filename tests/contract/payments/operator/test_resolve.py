"""Resolving an order with what a person found out, on both databases."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from breakwall.payments.decisions import Decision
from breakwall.payments.gateways.base import Outcome
from breakwall.payments.interventions import Action, Author, InvalidAuthorError
from breakwall.payments.keys import derive_charge_key
from breakwall.payments.ledger.audit import list_incidents
from breakwall.payments.ledger.claim import Attempt
from breakwall.payments.ledger.queries import list_attempts
from breakwall.payments.operator.locking import RefusedError
from breakwall.payments.operator.resolve import InvalidChargeError
from breakwall.payments.orders import OrderStatus, StoredOrder
from tests.contract.people import (
    ANNA,
    STORED_ERROR,
    UNCLEAR,
    Crash,
    crashing_before_the_commit,
    dead,
    in_review,
    incident_kinds,
    interventions_of,
    poisoned,
    queued,
)
from tests.contract.site import LEASE, Site, order
from tests.gateway import DECLINED, FOUND, LOST, PAID

BERT = Author("bert", "no such charge on the dashboard")


def asked_to_cancel(site: Site) -> None:
    """An order in review that was to be cancelled while it was being charged."""
    site.gateway.during = lambda: site.people.cancel("cart-1") and None
    in_review(site)


class TestPaid:
    def test_makes_the_order_paid_with_that_charge(self, site: Site) -> None:
        in_review(site)
        stored = site.people.resolve_paid("cart-1", "ch_7", ANNA)
        assert (stored.status, stored.charge_id, stored.last_error) == (OrderStatus.PAID, "ch_7", None)
        assert stored.settled_at == site.clock.now
        assert stored == site.get()

    def test_resolves_the_newest_attempt_that_may_have_charged(self, site: Site) -> None:
        order_id = in_review(site)
        site.people.resolve_paid("cart-1", "ch_7", ANNA)
        (attempt,) = list_attempts(site.database, order_id)
        assert (attempt.outcome, attempt.charge_id) == (Outcome.SUCCEEDED, "ch_7")
        assert attempt.detail == "Resolved by anna: it charged."

    def test_is_recorded_with_its_evidence(self, site: Site) -> None:
        in_review(site)
        site.people.resolve_paid("cart-1", "ch_7", ANNA)
        (done,) = interventions_of(site)
        assert (done.action, done.evidence, done.actor) == (Action.RESOLVE_PAID, "ch_7", "anna")
        assert (done.before, done.after) == (OrderStatus.REVIEW, OrderStatus.PAID)

    def test_is_refused_when_the_charge_has_paid_another_order(self, site: Site) -> None:
        site.gateway.answers.append(PAID)
        other = site.producer.place(order("cart-2")).order_id
        in_review(site)
        with pytest.raises(RefusedError, match=f"ch_1 belongs to order {other}"):
            site.people.resolve_paid("cart-1", "ch_1", ANNA)
        assert site.get().status is OrderStatus.REVIEW
        assert interventions_of(site) == []

    def test_is_refused_when_the_charge_is_another_orders_second_one(self, site: Site) -> None:
        late = poisoned(site)
        site.people.resolve_paid("cart-1", "ch_7", ANNA)
        site.ledger.record(late, PAID, Decision(OrderStatus.PAID))
        assert incident_kinds(site) == ["two_charges"]
        in_review(site, "cart-2")
        with pytest.raises(RefusedError, match="ch_1 belongs to order"):
            site.people.resolve_paid("cart-2", "ch_1", ANNA)

    def test_lets_one_of_two_people_have_a_charge_that_both_vouch_for(self, site: Site) -> None:
        keys = ["cart-1", "cart-2"]
        for key in keys:
            in_review(site, key)
        together = Barrier(2)

        def vouch(key: str) -> StoredOrder | None:
            together.wait()
            try:
                return site.people.resolve_paid(key, "ch_7", ANNA)
            except RefusedError:
                return None

        with ThreadPoolExecutor(2) as threads:
            assert [told is None for told in threads.map(vouch, keys)].count(True) == 1
        assert sorted(site.get(key).status for key in keys) == [OrderStatus.PAID, OrderStatus.REVIEW]

    def test_of_an_order_that_was_to_be_cancelled_is_one_to_refund(self, site: Site) -> None:
        asked_to_cancel(site)
        assert site.people.resolve_paid("cart-1", "ch_7", ANNA).status is OrderStatus.PAID
        assert incident_kinds(site) == ["charged_after_cancel"]

    @pytest.mark.parametrize("charge_id", ["", " ", "x" * 256, "ch\n1", "\ud800"])
    def test_is_not_for_a_text_that_is_no_charge(self, site: Site, charge_id: str) -> None:
        in_review(site)
        with pytest.raises(InvalidChargeError):
            site.people.resolve_paid("cart-1", charge_id, ANNA)


class TestNotCharged:
    def test_makes_the_order_dead(self, site: Site) -> None:
        in_review(site)
        stored = site.people.resolve_not_charged("cart-1", BERT)
        assert (stored.status, stored.settled_at) == (OrderStatus.DEAD, site.clock.now)

    def test_makes_the_order_cancelled_where_that_was_asked_for(self, site: Site) -> None:
        asked_to_cancel(site)
        assert site.people.resolve_not_charged("cart-1", BERT).status is OrderStatus.CANCELLED
        assert interventions_of(site)[-1].after is OrderStatus.CANCELLED

    def test_resolves_what_may_have_charged_in_that_persons_name(self, site: Site) -> None:
        order_id = in_review(site)
        site.people.resolve_not_charged("cart-1", BERT)
        (attempt,) = list_attempts(site.database, order_id)
        assert attempt.outcome is Outcome.FAILED
        assert attempt.detail == "Resolved by bert: not charged. no such charge on the dashboard"

    def test_is_recorded_with_its_reason(self, site: Site) -> None:
        in_review(site)
        site.people.resolve_not_charged("cart-1", BERT)
        (done,) = interventions_of(site)
        assert (done.action, done.reason) == (Action.RESOLVE_NOT_CHARGED, "no such charge on the dashboard")

    def test_lets_the_order_be_retried_without_a_look_up(self, site: Site) -> None:
        order_id = in_review(site)
        site.people.resolve_not_charged("cart-1", BERT)
        site.people.retry("cart-1", ANNA)
        site.gateway.answers.append(PAID)
        assert site.retrier.run(order_id) is OrderStatus.PAID
        assert site.gateway.looked_up == []

    @pytest.mark.parametrize(("answered", "rotated"), [(True, True), (False, False)])
    def test_changes_the_key_where_the_service_may_have_stored_an_error_under_it(
        self, site: Site, answered: bool, rotated: bool
    ) -> None:
        order_id = in_review(site, answer=STORED_ERROR) if answered else in_review(site)
        site.people.resolve_not_charged("cart-1", BERT)
        site.people.retry("cart-1", ANNA)
        site.gateway.answers.append(PAID)
        site.retrier.run(order_id)
        first, second = (sent.idempotency_key for sent in site.gateway.charged)
        assert (first != second) is rotated

    def test_makes_a_key_that_no_claim_after_it_makes_again(self, site: Site) -> None:
        order_id = in_review(site, answer=STORED_ERROR)
        site.people.resolve_not_charged("cart-1", BERT)
        site.people.retry("cart-1", ANNA)
        claim = site.ledger.claim(order_id)
        assert claim is not None
        assert claim.request.idempotency_key != derive_charge_key(order_id, claim.fence)


class TestAnyState:
    @pytest.mark.parametrize("state", ["queued", "in_flight", "paid", "declined", "dead", "cancelled"])
    def test_but_a_review_cannot_be_resolved_as_not_charged(self, site: Site, state: str) -> None:
        self.bring_about(site, state)
        with pytest.raises(RefusedError, match=f"is {state} and cannot be resolved"):
            site.people.resolve_not_charged("cart-1", BERT)
        assert site.get().status == state

    @pytest.mark.parametrize("state", ["queued", "in_flight", "declined", "dead", "cancelled"])
    def test_but_paid_can_be_resolved_as_paid(self, site: Site, state: str) -> None:
        """A report of the payment service may show it."""
        self.bring_about(site, state)
        assert site.people.resolve_paid("cart-1", "ch_7", ANNA).status is OrderStatus.PAID
        assert site.get().charge_id == "ch_7"
        assert (interventions_of(site)[-1].before, interventions_of(site)[-1].evidence) == (state, "ch_7")

    def test_but_a_review_is_resolved_as_paid_with_a_reason_only(self, site: Site) -> None:
        self.bring_about(site, "queued")
        with pytest.raises(InvalidAuthorError, match="the order is queued: how is it known"):
            site.people.resolve_paid("cart-1", "ch_7", Author("anna"))
        assert site.get().status == "queued"

    def test_of_paid_stays(self, site: Site) -> None:
        self.bring_about(site, "paid")
        with pytest.raises(RefusedError, match="is paid and cannot be resolved once more"):
            site.people.resolve_paid("cart-1", "ch_7", ANNA)
        assert site.get().charge_id == "ch_1"

    def bring_about(self, site: Site, state: str) -> None:
        match state:
            case "queued":
                queued(site)
            case "dead":
                dead(site)
            case "in_flight":
                site.ledger.accept_sending(order())
            case "cancelled":
                queued(site)
                site.people.cancel("cart-1")
            case _:
                site.gateway.answers.append(PAID if state == "paid" else DECLINED)
                site.producer.place(order())


def test_a_crash_before_the_commit_leaves_everything_as_it_was(site: Site) -> None:
    in_review(site)
    with crashing_before_the_commit(), pytest.raises(Crash):
        site.people.resolve_not_charged("cart-1", BERT)
    with crashing_before_the_commit(), pytest.raises(Crash):
        site.people.resolve_paid("cart-1", "ch_7", ANNA)
    assert site.get().status is OrderStatus.REVIEW
    assert site.outcomes() == [Outcome.UNKNOWN]
    assert interventions_of(site) == []


class TestALateResult:
    """Of an attempt that was still under way when a person resolved its order."""

    def test_that_proves_a_payment_wins_over_not_charged_and_raises_an_incident(self, site: Site) -> None:
        late = poisoned(site)
        site.people.resolve_not_charged("cart-1", BERT)
        assert site.ledger.record(late, PAID, Decision(OrderStatus.PAID))[0] is OrderStatus.PAID
        assert (site.get().status, site.get().charge_id) == (OrderStatus.PAID, "ch_1")
        (incident,) = list_incidents(site.database, site.get().id)
        assert incident.kind == "charged_after_resolution"
        assert "ch_1" in incident.detail

    def test_of_the_very_claim_that_led_to_the_review_is_an_incident_too(self, site: Site) -> None:
        attempt = site.ledger.accept_sending(order())
        assert isinstance(attempt, Attempt)
        site.ledger.record(attempt, UNCLEAR, Decision(OrderStatus.REVIEW))
        site.people.resolve_not_charged("cart-1", BERT)
        site.ledger.record(attempt, PAID, Decision(OrderStatus.PAID))
        assert incident_kinds(site) == ["charged_after_resolution"]

    def test_that_proves_a_payment_wins_over_the_retry_that_followed_too(self, site: Site) -> None:
        late = poisoned(site)
        site.people.resolve_not_charged("cart-1", BERT)
        site.people.retry("cart-1", ANNA)
        successor = site.ledger.claim(late.claim.order_id)
        assert successor is not None
        site.ledger.record(late, PAID, Decision(OrderStatus.PAID))
        assert incident_kinds(site) == ["charged_after_resolution"]
        assert site.ledger.begin_attempt(successor) is None

    def test_of_a_look_up_counts_as_much(self, site: Site) -> None:
        late = poisoned(site)
        site.people.resolve_not_charged("cart-1", BERT)
        site.ledger.record_look_up(late.claim, FOUND, Decision(OrderStatus.PAID))
        assert site.get().status is OrderStatus.PAID
        assert incident_kinds(site) == ["charged_after_resolution"]

    def test_of_an_attempt_after_the_resolution_is_no_incident(self, site: Site) -> None:
        order_id = in_review(site)
        site.people.resolve_not_charged("cart-1", BERT)
        site.people.retry("cart-1", ANNA)
        claim = site.ledger.claim(order_id)
        assert claim is not None
        attempt = site.ledger.begin_attempt(claim)
        assert attempt is not None
        site.advance(LEASE)
        site.dispatch_queue.reclaim_expired()
        site.ledger.record(attempt, PAID, Decision(OrderStatus.PAID))
        assert site.get().status is OrderStatus.PAID
        assert incident_kinds(site) == []

    def test_that_proves_nothing_changes_nothing(self, site: Site) -> None:
        late = poisoned(site)
        site.people.resolve_not_charged("cart-1", BERT)
        assert site.ledger.record(late, LOST, Decision(OrderStatus.QUEUED))[0] is OrderStatus.DEAD
        assert site.outcomes() == [Outcome.FAILED]

    def test_with_the_charge_that_the_person_named_is_no_incident(self, site: Site) -> None:
        late = poisoned(site)
        site.people.resolve_paid("cart-1", "ch_1", ANNA)
        site.ledger.record(late, PAID, Decision(OrderStatus.PAID))
        assert incident_kinds(site) == []

    def test_with_another_charge_than_the_person_named_is_an_incident(self, site: Site) -> None:
        late = poisoned(site)
        site.people.resolve_paid("cart-1", "ch_7", ANNA)
        site.ledger.record(late, PAID, Decision(OrderStatus.PAID))
        assert (site.get().charge_id, incident_kinds(site)) == ("ch_7", ["two_charges"])

    def test_from_the_claim_that_led_to_the_review_changes_nothing_unless_it_proves_a_payment(
        self, site: Site
    ) -> None:
        late = poisoned(site)
        site.people.resolve_not_charged("cart-1", BERT)
        assert not site.ledger.release(late.claim, 0.0)
        assert site.ledger.prove_absent(late.claim) is None
        assert site.get().status is OrderStatus.DEAD
