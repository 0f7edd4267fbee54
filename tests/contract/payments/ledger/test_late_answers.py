"""Answers that come after their claim, and people who act meanwhile: what is proven stays proven."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import event

from breakwall.breaker import CircuitBreakerError, CircuitState
from breakwall.payments.decisions import FINAL_STATES, Decision
from breakwall.payments.gateways.base import Advice, ChargeAnswer, Health, LookupAnswer, LookupResult, Outcome
from breakwall.payments.interventions import Author
from breakwall.payments.keys import key_shape
from breakwall.payments.ledger.charges import DEFAULT_ACCOUNT, known_charges
from breakwall.payments.ledger.claim import Attempt
from breakwall.payments.orders import OrderStatus
from tests.contract.people import OTHER_PAYLOAD, STORED_ERROR, poisoned
from tests.contract.site import LEASE, Site, order
from tests.gateway import ABSENT, DECLINED, DOWN, FOUND, KEYED, LOST, PAID

STOP = ChargeAnswer(Outcome.FAILED, Health.NEUTRAL, code="http_400", advice=Advice.STOP)
TIMEOUT = 10.0


def overtaken(site: Site) -> Attempt:
    """An attempt whose answer comes after its order was reclaimed."""
    order_id = site.producer.enqueue([order()])[0].order_id
    claim = site.ledger.claim(order_id)
    assert claim is not None
    attempt = site.ledger.begin_attempt(claim)
    assert attempt is not None
    site.advance(LEASE)
    site.dispatch_queue.reclaim_expired()
    return attempt


@pytest.mark.parametrize("outcome", [outcome for outcome in Outcome if outcome.is_final])
def test_a_late_final_answer_finishes_the_order_and_nothing_is_sent_any_more(
    site: Site, outcome: Outcome
) -> None:
    attempt = overtaken(site)
    site.ledger.record(attempt, replace(PAID, outcome=outcome), Decision(FINAL_STATES[outcome]))
    site.retrier.run(attempt.claim.order_id)
    assert (site.get().status, site.gateway.charged) == (FINAL_STATES[outcome], [])


class TestALateDecline:
    def test_stops_the_next_claim_before_it_sends(self, site: Site) -> None:
        attempt = overtaken(site)
        claim = site.ledger.claim(attempt.claim.order_id)
        assert claim is not None
        site.ledger.record(attempt, DECLINED, Decision(OrderStatus.DECLINED))
        assert site.ledger.begin_attempt(claim) is None

    @pytest.mark.parametrize("looks_up", [True, False])
    def test_ends_the_order_also_where_another_attempt_is_unknown(self, site: Site, looks_up: bool) -> None:
        """The key would protect a resend, but what was declined is not sent again."""
        site.gateway.profile = replace(KEYED, looks_up=looks_up)
        attempt = overtaken(site)
        site.gateway.answers.append(LOST)
        site.retrier.run(attempt.claim.order_id)
        site.ledger.record(attempt, DECLINED, Decision(OrderStatus.DECLINED))
        site.advance(60)
        site.gateway.lookups.append(LookupAnswer(LookupResult.DECLINED, Health.SUCCESS))
        status = OrderStatus.DECLINED if looks_up else OrderStatus.REVIEW
        assert site.retrier.run(attempt.claim.order_id) is status


def test_a_late_answer_that_the_key_is_another_payloads_leaves_the_order_to_a_person(site: Site) -> None:
    """A look-up would find that payload's charge, perhaps of another amount."""
    attempt = overtaken(site)
    site.ledger.record(attempt, OTHER_PAYLOAD, Decision(OrderStatus.REVIEW))
    site.gateway.lookups.append(FOUND)
    assert site.retrier.run(attempt.claim.order_id) is OrderStatus.REVIEW
    assert site.gateway.looked_up == []


def test_a_late_look_up_is_no_answer_to_an_attempt_that_began_after_it(site: Site) -> None:
    order_id = overtaken(site).claim.order_id
    stale = site.ledger.claim(order_id)
    assert stale is not None
    site.advance(LEASE)
    site.dispatch_queue.reclaim_expired()
    claim = site.ledger.claim(order_id)
    assert claim is not None
    assert site.ledger.begin_attempt(claim) is not None
    site.ledger.record_look_up(stale, FOUND, Decision(OrderStatus.PAID))
    assert site.get().status is OrderStatus.PAID
    assert site.outcomes() == [Outcome.SUCCEEDED, Outcome.UNKNOWN]


def test_an_order_that_is_paid_by_a_late_answer_leaves_no_attempt_without_an_outcome(site: Site) -> None:
    """Its worker may have died before it sent anything, and a paid order is never reclaimed."""
    attempt = overtaken(site)
    claim = site.ledger.claim(attempt.claim.order_id)
    assert claim is not None
    assert site.ledger.begin_attempt(claim) is not None
    site.ledger.record(attempt, PAID, Decision(OrderStatus.PAID))
    assert site.outcomes() == [Outcome.SUCCEEDED, Outcome.UNKNOWN]


class TestACancellation:
    @pytest.mark.parametrize("last", [pytest.param(DOWN, id="used-up"), pytest.param(STOP, id="refused")])
    def test_during_the_last_attempt_leaves_no_dead_order(self, site: Site, last: ChargeAnswer) -> None:
        order_id = site.producer.enqueue([order()])[0].order_id
        site.gateway.answers.extend([DOWN, DOWN, last])
        for _ in range(2):
            site.retrier.run(order_id)
            site.advance(100)
            site.breaker_forgets()
        site.gateway.during = lambda: site.people.cancel("cart-1") and None
        assert site.retrier.run(order_id) is OrderStatus.CANCELLED
        assert site.get().status is OrderStatus.CANCELLED

    def test_between_the_claim_and_the_call_stops_the_call(
        self, site: Site, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        order_id = site.producer.enqueue([order()])[0].order_id
        acquire = site.breaker.acquire

        def cancel_and_acquire(background: bool) -> Any:
            site.people.cancel("cart-1")
            return acquire(background)

        monkeypatch.setattr(site.breaker, "acquire", cancel_and_acquire)
        assert site.retrier.run(order_id) is OrderStatus.CANCELLED
        assert site.gateway.charged == []

    def test_while_the_circuit_refuses_it_does_not_wait_for_another_turn(
        self, site: Site, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        order_id = site.producer.enqueue([order()])[0].order_id

        def cancel_and_refuse(background: bool) -> Any:
            site.people.cancel("cart-1")
            raise CircuitBreakerError("payment", CircuitState.OPEN, 30.0)

        monkeypatch.setattr(site.breaker, "acquire", cancel_and_refuse)
        assert site.retrier.run(order_id) is OrderStatus.CANCELLED

    def test_during_an_attempt_that_was_not_sent_holds_at_once(self, site: Site) -> None:
        order_id = site.producer.enqueue([order()])[0].order_id
        site.gateway.answers.append(DOWN)
        site.gateway.during = lambda: site.people.cancel("cart-1") and None
        assert site.retrier.run(order_id) is OrderStatus.CANCELLED

    def test_during_an_attempt_that_may_have_charged_waits_for_proof(self, site: Site) -> None:
        order_id = site.producer.enqueue([order()])[0].order_id
        site.gateway.answers.append(LOST)
        site.gateway.during = lambda: site.people.cancel("cart-1") and None
        assert site.retrier.run(order_id) is OrderStatus.QUEUED
        assert site.get().cancel_requested


class TestALateAnswerWhileTheOrderIsReclaimed:
    """On PostgreSQL two transactions that lock the same rows in a different sequence would wait for each other."""

    def race(self, site: Site, late: Callable[[], object]) -> None:
        """Run a claim's last transaction beside the one that reclaims its order."""
        site.advance(LEASE)
        taken = threading.Event()

        @event.listens_for(site.database.engine, "after_cursor_execute")
        def stop_halfway(*_: object) -> None:
            if threading.current_thread().name == "reclaim" and not taken.is_set():
                taken.set()
                # By then the other one waits for this one, if it locks what this one needs next.
                time.sleep(0.5)

        reclaim = threading.Thread(target=site.dispatch_queue.reclaim_expired, name="reclaim")
        reclaim.start()
        assert taken.wait(TIMEOUT)
        late()
        reclaim.join(TIMEOUT)

    def test_a_charge_is_not_lost(self, site: Site) -> None:
        order_id = site.producer.enqueue([order()])[0].order_id
        claim = site.ledger.claim(order_id)
        assert claim is not None
        attempt = site.ledger.begin_attempt(claim)
        assert attempt is not None
        self.race(site, lambda: site.ledger.record(attempt, PAID, Decision(OrderStatus.PAID)))
        assert (site.get().status, site.get().charge_id) == (OrderStatus.PAID, "ch_1")
        assert site.outcomes() == [Outcome.SUCCEEDED]


class TestTheChargeThatALookUpIsTestedWith:
    def known(self, site: Site, like: str = "cart-1") -> str | None:
        shape = key_shape(site.get(like).charge_key)
        found = known_charges(site.database, site.clock, DEFAULT_ACCOUNT, shape, older_than=30.0)
        return found[0].key if found else None

    def test_is_the_newest_that_is_older_than_the_settle_time(self, site: Site) -> None:
        for key in ("cart-1", "cart-2", "cart-3"):
            site.gateway.answers.append(replace(PAID, charge_id=f"ch_{key}"))
            site.producer.place(order(key))
            site.advance(20)
        assert self.known(site) == site.get("cart-2").charge_key

    def test_is_of_the_same_account(self, site: Site) -> None:
        site.gateway.answers.append(PAID)
        site.producer.place(order())
        site.advance(31)
        shape = key_shape(site.get().charge_key)
        assert known_charges(site.database, site.clock, "another", shape, older_than=30.0) == []

    def test_is_none_that_a_person_says_was_paid(self, site: Site) -> None:
        poisoned(site)
        site.people.resolve_paid("cart-1", "transfer-77", Author("anna", "by bank"))
        site.advance(31)
        assert self.known(site) is None

    def test_has_the_key_that_it_was_made_with(self, site: Site) -> None:
        site.know_a_charge()
        site.gateway.answers.append(STORED_ERROR)
        order_id = site.producer.place(order()).order_id
        site.advance(31)
        site.gateway.lookups.append(ABSENT)
        site.gateway.answers.append(PAID)
        site.retrier.run(order_id)
        site.advance(31)
        assert self.known(site) == site.gateway.charged[1].idempotency_key


def test_a_look_up_that_has_worked_can_become_unreachable_and_nothing_is_charged_twice(site: Site) -> None:
    site.gateway.answers.extend([PAID, LOST, LOST])
    for key in ("known", "found", "victim"):
        site.producer.place(order(key))
    site.breaker_forgets()
    site.advance(31)
    no_route = LookupAnswer(ABSENT.result, Health.SUCCESS, code="http_404")
    site.gateway.lookups.extend([replace(FOUND, charge_id="ch_2"), no_route, no_route])
    assert site.retrier.run(site.get("found").id) is OrderStatus.PAID
    assert site.retrier.run(site.get("victim").id) is OrderStatus.QUEUED
    assert len(site.gateway.charged) == 3
