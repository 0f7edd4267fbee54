"""What the worker does with one queued order, on SQLite and on PostgreSQL."""

from __future__ import annotations

from contextlib import closing
from datetime import timedelta
from unittest.mock import Mock

import pytest

from breakwall import crashpoints
from breakwall.breaker import Permit
from breakwall.payments.decisions import Step
from breakwall.payments.gateways.base import ChargeAnswer, ChargeRequest, GatewayProfile, Health, Outcome
from breakwall.payments.keys import derive_charge_key
from breakwall.payments.orders import OrderStatus
from breakwall.worker import retry
from breakwall.worker.retry import Retrier
from tests.contract.site import LEASE, TIMEOUT, Site, order
from tests.gateway import (
    ABSENT,
    DECLINED,
    DOWN,
    FOUND,
    KEYED,
    LOST,
    NO_ANSWER,
    PAID,
    CancellingScriptedGateway,
)


def queued(site: Site) -> str:
    return site.producer.enqueue([order()])[0].order_id


def lost(site: Site) -> str:
    """An order whose first attempt may have charged, due again now; a charge before it is known."""
    site.know_a_charge()
    site.gateway.answers.append(LOST)
    order_id = site.producer.place(order()).order_id
    site.advance(1.0)
    return order_id


def test_a_queued_order_is_charged_and_paid(site: Site) -> None:
    order_id = queued(site)
    site.gateway.answers.append(PAID)
    assert site.retrier.run(order_id) is OrderStatus.PAID
    assert (site.get().charge_id, site.get().retry_count) == ("ch_1", 1)


def test_retry_count_is_in_the_database_before_the_retry_is_sent(site: Site) -> None:
    order_id = queued(site)
    seen: list[int] = []
    site.gateway.answers.append(PAID)
    site.gateway.during = lambda: seen.append(site.get().retry_count)
    site.retrier.run(order_id)
    assert seen == [1]


def test_an_order_that_is_held_is_deferred_without_a_claim(site: Site) -> None:
    order_id = queued(site)
    paused = Retrier(site.charger, site.breaker, timeout=TIMEOUT, hold=lambda: 1.0)
    assert paused.run(order_id) is OrderStatus.QUEUED
    held = site.get()
    assert (held.deferral_count, held.retry_count, site.outcomes()) == (1, 0, [])
    assert held.next_attempt_at is not None
    assert held.next_attempt_at >= site.clock.now + timedelta(seconds=1)
    assert site.gateway.charged == []


def test_nothing_holds_a_released_order_but_the_circuit(site: Site) -> None:
    order_id = queued(site)
    paused = Retrier(site.charger, site.breaker, timeout=TIMEOUT, hold=lambda: 1.0)
    site.open_circuit()
    assert paused.run(order_id, released=True) is OrderStatus.QUEUED
    assert site.gateway.charged == []
    site.advance(60.0)
    site.gateway.answers.append(PAID)
    assert paused.run(order_id, released=True) is OrderStatus.PAID


def test_an_order_does_not_wait_for_its_turn_while_the_circuit_is_open(site: Site) -> None:
    order_id = queued(site)
    site.open_circuit()
    hold = Mock(return_value=0.0)
    Retrier(site.charger, site.breaker, timeout=TIMEOUT, hold=hold).run(order_id)
    hold.assert_not_called()


def test_a_doubled_message_charges_nothing(site: Site) -> None:
    order_id = queued(site)
    site.gateway.answers.append(PAID)
    site.retrier.run(order_id)
    assert site.retrier.run(order_id) is None
    assert len(site.gateway.charged) == 1


def test_a_message_delivered_while_the_order_is_worked_on_charges_nothing(site: Site) -> None:
    order_id = queued(site)
    site.gateway.answers.append(PAID)
    site.gateway.during = lambda: site.retrier.run(order_id) and None
    site.retrier.run(order_id)
    assert len(site.gateway.charged) == 1


def test_a_decline_is_final(site: Site) -> None:
    order_id = queued(site)
    site.gateway.answers.append(DECLINED)
    assert site.retrier.run(order_id) is OrderStatus.DECLINED


def test_a_failed_retry_backs_off_further_each_time(site: Site) -> None:
    order_id = queued(site)
    delays = []
    for _ in range(2):
        site.gateway.answers.append(DOWN)
        site.retrier.run(order_id)
        due = site.get().next_attempt_at
        assert due is not None
        delays.append((due - site.clock.now).total_seconds())
        site.advance(delays[-1])
    assert delays == [2.0, 4.0]


def test_an_order_whose_attempts_are_used_up_uncharged_is_dead(site: Site) -> None:
    order_id = queued(site)
    refused = ChargeAnswer(Outcome.FAILED, Health.NEUTRAL, code="http_401")
    site.gateway.answers.extend([refused] * 3)
    for _ in range(3):
        status = site.retrier.run(order_id)
        site.advance(60)
    assert status is OrderStatus.DEAD
    assert site.get().last_error == "http_401"


def test_trap_11_a_refusal_of_the_breaker_defers_an_order_and_uses_no_attempt_up(site: Site) -> None:
    order_id = queued(site)
    site.open_circuit()
    assert site.retrier.run(order_id) is OrderStatus.QUEUED
    stored = site.get()
    assert (stored.retry_count, stored.deferral_count) == (0, 1)
    assert site.gateway.charged == []


def test_a_circuit_that_opens_after_the_claim_still_stops_the_call(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    order_id = queued(site)
    opens = {"after claim": site.open_circuit}
    monkeypatch.setattr(crashpoints, "_armed", lambda point: opens.get(point, lambda: None)())
    assert site.retrier.run(order_id) is OrderStatus.QUEUED
    assert site.gateway.charged == []
    assert (site.get().retry_count, site.get().deferral_count) == (0, 1)


def test_a_call_ends_before_its_permit_and_its_lease_however_long_the_worker_pauses(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    order_id = queued(site)
    deadlines: list[float] = []
    acquire = site.breaker.acquire

    def pause_afterwards(background: bool) -> Permit:
        permit = acquire(background)
        site.advance(5)
        return permit

    def charge(request: ChargeRequest, *, deadline: float) -> ChargeAnswer:
        deadlines.append(deadline)
        return PAID

    monkeypatch.setattr(site.breaker, "acquire", pause_afterwards)
    monkeypatch.setattr(site.gateway, "charge", charge)
    monkeypatch.setattr(site.retrier, "_monotonic", lambda: site.seconds)
    site.retrier.run(order_id)
    assert deadlines == [TIMEOUT]


def test_an_outage_of_any_length_kills_no_order(site: Site) -> None:
    order_id = queued(site)
    site.open_circuit()
    for _ in range(100):
        site.retrier.run(order_id)
        site.open_circuit_again()
    assert site.get().status is OrderStatus.QUEUED
    assert site.get().retry_count == 0


@pytest.mark.parametrize("step", Step)
def test_each_step_is_worked_on_as_what_it_is(
    migrated_url: str, monkeypatch: pytest.MonkeyPatch, step: Step
) -> None:
    monkeypatch.setattr(retry, "next_step", lambda *_: step)
    gateway = CancellingScriptedGateway()
    site = Site(migrated_url, gateway)
    gateway.answers.append(PAID)
    gateway.lookups.append(NO_ANSWER)
    gateway.cancels.append(NO_ANSWER)
    with closing(site.producer):
        assert site.retrier.run(queued(site)) is not None
    assert len(gateway.charged) == (step is Step.SEND)
    assert len(gateway.looked_up) == (step is Step.LOOK_UP)
    assert len(gateway.cancelled) == (step is Step.CANCEL_CHARGE)


class TestAnUnknownOutcome:
    def test_is_looked_up_and_never_sent_again_when_the_charge_is_found(self, site: Site) -> None:
        order_id = lost(site)
        site.gateway.lookups.append(FOUND)
        assert site.retrier.run(order_id) is OrderStatus.PAID
        assert site.gateway.looked_up == [site.get().charge_key]
        assert len(site.gateway.charged) == 1
        assert site.get().retry_count == 0

    def test_is_not_sent_again_before_the_settle_time(self, site: Site) -> None:
        order_id = lost(site)
        site.gateway.lookups.append(ABSENT)
        assert site.retrier.run(order_id) is OrderStatus.QUEUED
        assert len(site.gateway.charged) == 1
        assert site.outcomes() == [Outcome.UNKNOWN]

    def test_is_sent_again_once_the_charge_is_proven_absent(self, site: Site) -> None:
        order_id = lost(site)
        site.advance(30)
        site.gateway.lookups.append(ABSENT)
        site.gateway.answers.append(PAID)
        assert site.retrier.run(order_id) is OrderStatus.PAID
        assert site.outcomes() == [Outcome.FAILED, Outcome.SUCCEEDED]

    def test_goes_to_a_person_when_no_look_up_ever_answers(self, site: Site) -> None:
        order_id = lost(site)
        for _ in range(3):
            site.gateway.lookups.append(NO_ANSWER)
            status = site.retrier.run(order_id)
            site.advance(60)
            site.breaker_forgets()
        assert status is OrderStatus.REVIEW
        assert len(site.gateway.charged) == 1

    def test_is_sent_again_with_the_same_key_where_the_gateway_deduplicates(self, site: Site) -> None:
        site.gateway.profile = KEYED
        order_id = lost(site)
        site.gateway.answers.append(PAID)
        assert site.retrier.run(order_id) is OrderStatus.PAID
        assert [sent.idempotency_key for sent in site.gateway.charged] == [site.get().charge_key] * 2
        assert site.gateway.looked_up == []

    def test_is_looked_up_when_a_late_call_would_outlive_the_gateways_memory_of_the_key(
        self, site: Site
    ) -> None:
        site.gateway.profile = GatewayProfile(True, key_life=100.0, looks_up=True, absent_after=30.0)
        order_id = lost(site)
        site.advance(100.0 - 30.0 - 2 * LEASE)
        site.gateway.lookups.append(FOUND)
        assert site.retrier.run(order_id) is OrderStatus.PAID
        assert len(site.gateway.charged) == 1

    def test_of_a_crashed_worker_is_looked_up_too(self, site: Site) -> None:
        order_id = queued(site)
        claim = site.ledger.claim(order_id)
        assert claim is not None
        site.ledger.begin_attempt(claim)
        site.advance(LEASE)
        site.dispatch_queue.reclaim_expired()
        site.gateway.lookups.append(FOUND)
        assert site.retrier.run(order_id) is OrderStatus.PAID
        assert site.gateway.charged == []

    def test_asks_the_breaker_before_it_looks(self, site: Site) -> None:
        order_id = lost(site)
        site.open_circuit()
        assert site.retrier.run(order_id) is OrderStatus.QUEUED
        assert site.gateway.looked_up == []


class TestCancelling:
    def test_an_order_proven_uncharged_is_cancelled_when_its_turn_comes(self, site: Site) -> None:
        order_id = lost(site)
        site.people.cancel("cart-1")
        site.advance(30)
        site.gateway.lookups.append(ABSENT)
        assert site.retrier.run(order_id) is OrderStatus.CANCELLED
        assert len(site.gateway.charged) == 1

    def test_an_order_that_may_be_charged_is_looked_up_though_it_is_cancelled_while_it_is_claimed(
        self, site: Site
    ) -> None:
        """Its key protects it, so it would be sent again; at that moment it is cancelled."""
        site.gateway.profile = KEYED
        order_id = lost(site)
        crashpoints.arm(lambda point: point == "after claim" and site.people.cancel("cart-1"))
        try:
            assert site.retrier.run(order_id) is OrderStatus.QUEUED
        finally:
            crashpoints.arm(None)
        site.gateway.lookups.append(FOUND)
        assert site.retrier.run(order_id) is OrderStatus.PAID
        assert len(site.gateway.charged) == 1

    def test_an_order_that_was_charged_after_all_is_paid(self, site: Site) -> None:
        order_id = lost(site)
        site.people.cancel("cart-1")
        site.gateway.lookups.append(FOUND)
        assert site.retrier.run(order_id) is OrderStatus.PAID


class TestTheKey:
    STORED = ChargeAnswer(Outcome.UNKNOWN, Health.FAILURE, code="http_500", spends_key=True)

    def failed(self, site: Site, answer: ChargeAnswer) -> str:
        site.know_a_charge()
        site.gateway.answers.append(answer)
        order_id = site.producer.place(order()).order_id
        site.advance(31)
        site.gateway.lookups.append(ABSENT)
        site.gateway.answers.append(PAID)
        return order_id

    def test_changes_after_proven_absence_where_the_service_may_have_stored_an_error(
        self, site: Site
    ) -> None:
        order_id = self.failed(site, self.STORED)
        assert site.retrier.run(order_id) is OrderStatus.PAID
        keys = [sent.idempotency_key for sent in site.gateway.charged]
        assert keys == [derive_charge_key(order_id), derive_charge_key(order_id, rotation=1)]

    def test_stays_after_proven_absence_where_no_answer_came(self, site: Site) -> None:
        site.retrier.run(self.failed(site, LOST))
        first, second = site.gateway.charged
        assert first == second

    def test_that_is_new_is_the_one_that_is_looked_up_afterwards(self, site: Site) -> None:
        order_id = self.failed(site, self.STORED)
        site.gateway.answers[0] = LOST
        site.retrier.run(order_id)
        site.advance(31)
        site.gateway.lookups.append(FOUND)
        assert site.retrier.run(order_id) is OrderStatus.PAID
        assert site.gateway.looked_up[-1] == site.gateway.charged[1].idempotency_key

    def test_changes_before_the_last_attempt_is_spent_on_a_stored_error(self, site: Site) -> None:
        site.gateway.profile = KEYED
        site.know_a_charge()
        site.gateway.answers.extend([self.STORED] * 2 + [PAID])
        site.gateway.lookups.append(ABSENT)
        order_id = queued(site)
        for _ in range(3):
            site.retrier.run(order_id)
            site.advance(61)
        assert site.get().status is OrderStatus.PAID
        first, second, third = (sent.idempotency_key for sent in site.gateway.charged)
        assert first == second == derive_charge_key(order_id)
        assert third == site.get().charge_key != first

    def test_of_an_order_never_changes_while_an_attempt_is_unresolved(self, site: Site) -> None:
        site.gateway.profile = KEYED
        site.gateway.answers.extend([self.STORED] * 2 + [PAID])
        order_id = site.producer.place(order()).order_id
        for _ in range(2):
            site.advance(31)
            site.retrier.run(order_id)
        assert {sent.idempotency_key for sent in site.gateway.charged} == {site.get().charge_key}


def test_a_service_that_denies_a_known_charge_is_not_trusted_about_another(site: Site) -> None:
    order_id = lost(site)
    site.gateway.known.clear()
    site.advance(30)
    site.gateway.lookups.extend([ABSENT, ABSENT])
    assert site.retrier.run(order_id) is OrderStatus.QUEUED
    assert site.gateway.looked_up == [site.get().charge_key, site.get("paid-before").charge_key]
    assert len(site.gateway.charged) == 1


def test_while_no_charge_is_known_no_absence_is_trusted(site: Site) -> None:
    site.gateway.answers.append(LOST)
    order_id = site.producer.place(order()).order_id
    site.advance(31)
    site.gateway.lookups.append(ABSENT)
    assert site.retrier.run(order_id) is OrderStatus.QUEUED
    assert len(site.gateway.charged) == 1
