"""Retrying one order and cancelling it: what changes, and what is recorded. On both databases."""

from __future__ import annotations

import pytest
from sqlalchemy import Connection, insert, select

from breakwall.payments.db.schema import attempts
from breakwall.payments.decisions import Decision
from breakwall.payments.gateways.base import ChargeAnswer
from breakwall.payments.interventions import Action, Author, InvalidAuthorError, StoredIntervention
from breakwall.payments.ledger.claim import Attempt
from breakwall.payments.ledger.queries import OrderNotFoundError
from breakwall.payments.operator.locking import RefusedError
from breakwall.payments.orders import OrderStatus
from tests.contract.people import (
    ANNA,
    FAILED,
    OTHER_PAYLOAD,
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
from tests.gateway import DECLINED, FOUND, LOST, NO_ANSWER, PAID


def test_a_retry_is_recorded_with_who_what_why_and_when(site: Site) -> None:
    dead(site)
    site.people.retry("cart-1", ANNA)
    assert interventions_of(site) == [
        StoredIntervention(
            at=site.clock.now,
            action=Action.RETRY,
            actor="anna",
            reason="the service is back",
            before=OrderStatus.DEAD,
            after=OrderStatus.QUEUED,
            evidence=None,
            run=None,
        )
    ]


def test_a_retried_order_has_its_whole_budget_again_and_goes_on_counting(site: Site) -> None:
    (order_id,) = dead(site)
    site.people.retry("cart-1", ANNA)
    for _ in range(3):
        site.gateway.answers.append(FAILED)
        assert site.retrier.run(order_id) is not None
        site.advance(60)
    assert (site.get().status, site.get().retry_count) == (OrderStatus.DEAD, 4)


def test_a_retried_order_has_its_whole_budget_of_look_ups_again(site: Site) -> None:
    site.gateway.answers.append(LOST)
    order_id = site.producer.place(order()).order_id
    for _ in range(3):
        site.advance(60)
        site.breaker_forgets()
        site.gateway.lookups.append(NO_ANSWER)
        site.retrier.run(order_id)
    assert site.get().status is OrderStatus.REVIEW
    site.people.retry("cart-1", ANNA)
    claim = site.ledger.claim(order_id)
    assert claim is not None
    assert claim.progress.lookups == 0


def test_a_retried_order_may_lose_its_worker_as_often_as_before(site: Site) -> None:
    order_id = poisoned(site).claim.order_id
    site.people.retry("cart-1", ANNA)
    assert site.ledger.claim(order_id) is not None
    site.advance(LEASE)
    site.dispatch_queue.reclaim_expired()
    assert site.get().status is OrderStatus.QUEUED


def test_a_retried_order_is_not_finished_any_more(site: Site) -> None:
    dead(site)
    assert site.get().settled_at is not None
    assert site.people.retry("cart-1", ANNA).settled_at is None


def test_an_attempt_that_may_have_charged_is_looked_up_after_a_retry_too(site: Site) -> None:
    site.gateway.answers.append(LOST)
    order_id = site.producer.place(order()).order_id
    site.people.retry("cart-1", ANNA)
    site.gateway.lookups.append(FOUND)
    assert site.retrier.run(order_id) is OrderStatus.PAID
    assert len(site.gateway.charged) == 1


def test_an_order_whose_key_belongs_to_another_payload_is_not_retried(site: Site) -> None:
    """A look-up would find that payload's charge, and take it for the order's own."""
    in_review(site, answer=OTHER_PAYLOAD)
    with pytest.raises(RefusedError, match="orders resolve"):
        site.people.retry("cart-1", ANNA)
    assert site.get().status is OrderStatus.REVIEW
    assert interventions_of(site) == []


def test_an_order_whose_key_belongs_to_another_payload_is_retried_once_a_person_has_resolved_it(
    site: Site,
) -> None:
    """With a key of its own."""
    order_id = in_review(site, answer=OTHER_PAYLOAD)
    site.people.resolve_not_charged("cart-1", ANNA)
    site.people.retry("cart-1", ANNA)
    site.gateway.answers.append(PAID)
    assert site.retrier.run(order_id) is OrderStatus.PAID
    assert site.gateway.looked_up == []
    assert len({sent.idempotency_key for sent in site.gateway.charged}) == 2


def test_an_order_is_not_retried_either_where_a_later_attempt_said_nothing(site: Site) -> None:
    """The charge under its key is still the other payload's."""
    in_review(site, answer=OTHER_PAYLOAD)
    site.database.write(one_more_attempt_that_said_nothing, name="test")
    with pytest.raises(RefusedError, match="another payload"):
        site.people.retry("cart-1", ANNA)


def one_more_attempt_that_said_nothing(connection: Connection) -> None:
    first = connection.execute(select(attempts)).one()._mapping
    connection.execute(insert(attempts).values({**first, "number": 2, "code": "ReadTimeout"}))


def test_a_cancellation_is_recorded_with_the_state_that_it_led_to(site: Site) -> None:
    queued(site)
    site.people.cancel("cart-1", ANNA)
    (done,) = interventions_of(site)
    assert (done.action, done.before, done.after) == (
        Action.CANCEL,
        OrderStatus.QUEUED,
        OrderStatus.CANCELLED,
    )


def test_a_cancellation_that_must_wait_for_proof_is_recorded_as_leaving_the_state(site: Site) -> None:
    site.gateway.answers.append(LOST)
    site.producer.place(order())
    site.people.cancel("cart-1", ANNA)
    (done,) = interventions_of(site)
    assert (done.before, done.after) == (OrderStatus.QUEUED, OrderStatus.QUEUED)


@pytest.mark.parametrize("answer", [PAID, DECLINED], ids=["paid", "declined"])
def test_what_is_refused_is_not_recorded(site: Site, answer: ChargeAnswer) -> None:
    site.gateway.answers.append(answer)
    site.producer.place(order())
    for act in (site.people.retry, site.people.cancel):
        with pytest.raises(RefusedError, match=f"is {answer.outcome.value.replace('succeeded', 'paid')}"):
            act("cart-1", ANNA)
    assert interventions_of(site) == []


def test_an_unknown_order_is_not_found(site: Site) -> None:
    for act in (site.people.retry, site.people.cancel):
        with pytest.raises(OrderNotFoundError):
            act("cart-404", ANNA)


def test_a_charge_after_a_cancellation_is_one_to_refund(site: Site) -> None:
    attempt = site.ledger.accept_sending(order())
    assert isinstance(attempt, Attempt)
    site.people.cancel("cart-1", ANNA)
    site.ledger.record(attempt, PAID, Decision(OrderStatus.PAID))
    assert site.get().status is OrderStatus.PAID
    assert incident_kinds(site) == ["charged_after_cancel"]


def test_a_crash_before_the_commit_leaves_neither_the_change_nor_its_record(site: Site) -> None:
    dead(site)
    with crashing_before_the_commit(), pytest.raises(Crash):
        site.people.retry("cart-1", ANNA)
    assert site.get().status is OrderStatus.DEAD
    assert interventions_of(site) == []


@pytest.mark.parametrize("text", ["", "  ", "x" * 501, "two\nlines", "\x1b[31m"])
def test_a_reason_that_cannot_be_recorded_is_refused_by_name(text: str) -> None:
    with pytest.raises(InvalidAuthorError, match=r"^reason: should"):
        Author("anna", text)


def test_a_name_that_cannot_be_recorded_is_refused_by_name() -> None:
    with pytest.raises(InvalidAuthorError, match=r"^actor: should"):
        Author("x" * 256)
