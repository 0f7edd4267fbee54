"""The key that an order has after a person sent it round again or resolved it, on both databases."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import select

from breakwall.payments.decisions import Verdict
from breakwall.payments.gateways.answers import classify
from breakwall.payments.gateways.base import Answer, ChargeRequest, Health, Outcome
from breakwall.payments.keys import renewed_key
from breakwall.payments.orders import OrderStatus
from breakwall.payments.redrive import Redrive, Selection
from breakwall.payments.resolution import Resolution
from breakwall.payments.schema import orders
from tests.contract.people import ANNA, FAILED, UNCLEAR, dead, die, in_review, queued
from tests.contract.site import Site, order
from tests.gateway import ABSENT, DOWN, FOUND, KEYED, LOST, PAID

REFUSED = classify(400, {}, b'{"code": "currency_not_enabled"}', now=0.0)
THROTTLED = Answer(Outcome.THROTTLED, Health.THROTTLED, code="http_429")


def retry(site: Site) -> None:
    site.people.retry("cart-1", ANNA)


def retry_all(site: Site) -> None:
    selection = Selection((OrderStatus.QUEUED, OrderStatus.DEAD, OrderStatus.REVIEW))
    list(Redrive(site.database, clock=site.clock, sleep=lambda seconds: None).run(selection, ANNA))


@pytest.fixture(params=[retry, retry_all])
def send_round(request: pytest.FixtureRequest, site: Site) -> Callable[[], None]:
    return lambda: request.param(site)


def key_of(site: Site) -> str:
    wanted = select(orders.c.charge_key).where(orders.c.idempotency_key == "cart-1")
    return site.database.read(lambda connection: connection.scalars(wanted).one())


def storing(site: Site, *, mended: Callable[[], bool]) -> None:
    """Have the service answer each key for ever as it answered it first: with a 400 until it is mended."""
    stored: dict[str, Answer] = {}

    def charge(request: ChargeRequest, *, deadline: float) -> Answer:
        return stored.setdefault(request.idempotency_key, PAID if mended() else REFUSED)

    site.gateway.profile = KEYED
    site.gateway.charge = charge  # type: ignore[method-assign]


def test_a_refusal_that_the_service_stored_is_got_past_once_its_cause_is_mended(
    site: Site, send_round: Callable[[], None]
) -> None:
    mended = False
    storing(site, mended=lambda: mended)
    placed = site.producer.place(order())
    assert placed.status is OrderStatus.DEAD
    send_round()
    assert site.retrier.run(placed.order_id) is OrderStatus.DEAD
    mended = True
    send_round()
    assert site.retrier.run(placed.order_id) is OrderStatus.PAID


class TestANewKeyIsMade:
    @pytest.mark.parametrize("answer", [REFUSED, FAILED])
    def test_where_the_service_refused_the_newest_attempt(
        self, site: Site, send_round: Callable[[], None], answer: Answer
    ) -> None:
        dead(site, answer=answer)
        send_round()
        assert key_of(site) != "cart-1"

    @pytest.mark.parametrize("later", [DOWN, THROTTLED])
    def test_also_where_it_took_no_notice_of_those_after_it(
        self, site: Site, send_round: Callable[[], None], later: Answer
    ) -> None:
        (order_id,) = queued(site)
        for answer in (FAILED, later):
            site.gateway.answers.append(answer)
            site.retrier.run(order_id)
            site.advance(60)
        send_round()
        assert key_of(site) != "cart-1"

    def test_once_however_often_it_is_sent_round_meanwhile(
        self, site: Site, send_round: Callable[[], None]
    ) -> None:
        dead(site)
        send_round()
        key = key_of(site)
        send_round()
        assert key_of(site) == key

    def test_again_where_that_one_was_refused_as_well(
        self, site: Site, send_round: Callable[[], None]
    ) -> None:
        (order_id,) = dead(site)
        keys = {key_of(site)}
        for _ in range(3):
            send_round()
            keys.add(key_of(site))
            die(site, order_id)
        assert len(keys) == 4

    def test_that_no_claim_makes_before_or_after_it(self, site: Site, send_round: Callable[[], None]) -> None:
        (order_id,) = dead(site)
        before = site.ledger.claim(order_id)
        assert before is None
        made = {renewed_key(order_id, fence) for fence in range(fence_of(site) + 1)}
        send_round()
        claim = site.ledger.claim(order_id)
        assert claim is not None
        assert claim.request.idempotency_key not in made | {renewed_key(order_id, claim.fence)}

    def test_for_each_order_of_many_its_own(self, site: Site) -> None:
        order_ids = dead(site, "a", "b") + dead(site, "c", answer=DOWN)
        retry_all(site)
        claims = [site.ledger.claim(order_id) for order_id in order_ids]
        keys = [claim and claim.request.idempotency_key for claim in claims]
        assert keys == [renewed_key(order_ids[0], 2), renewed_key(order_ids[1], 2), "c"]


def fence_of(site: Site) -> int:
    wanted = select(orders.c.fence).where(orders.c.idempotency_key == "cart-1")
    return site.database.read(lambda connection: connection.scalars(wanted).one())


class TestTheKeyStays:
    @pytest.mark.parametrize("answer", [DOWN, THROTTLED])
    def test_where_the_service_took_no_notice_of_it(
        self, site: Site, send_round: Callable[[], None], answer: Answer
    ) -> None:
        dead(site, answer=answer)
        send_round()
        assert key_of(site) == "cart-1"

    def test_where_it_was_never_sent(self, site: Site, send_round: Callable[[], None]) -> None:
        queued(site)
        send_round()
        assert key_of(site) == "cart-1"

    @pytest.mark.parametrize("answers", [(LOST,), (LOST, REFUSED), (LOST, DOWN)])
    def test_where_an_attempt_may_have_charged_which_is_then_looked_up_by_it(
        self, site: Site, send_round: Callable[[], None], answers: tuple[Answer, ...]
    ) -> None:
        site.gateway.profile = KEYED
        site.gateway.answers.extend(answers)
        order_id = site.producer.place(order()).order_id
        for _ in answers[1:]:
            site.advance(60)
            site.retrier.run(order_id)
        send_round()
        assert key_of(site) == "cart-1"
        site.advance(KEYED.key_life)
        site.gateway.look_ups.append(FOUND)
        assert site.retrier.run(order_id) is OrderStatus.PAID
        assert site.gateway.looked_up == ["cart-1"]

    def test_where_a_claim_ran_out_under_an_attempt(self, site: Site, send_round: Callable[[], None]) -> None:
        (order_id,) = queued(site)
        site.gateway.answers.append(FAILED)
        site.retrier.run(order_id)
        site.advance(60)
        claim = site.ledger.claim(order_id)
        assert claim is not None
        assert site.ledger.begin_attempt(claim) is not None
        site.advance(60)
        site.due.reclaim_expired()
        send_round()
        assert key_of(site) == "cart-1"

    def test_where_a_look_up_has_proven_that_nothing_was_charged(
        self, site: Site, send_round: Callable[[], None]
    ) -> None:
        """The request may still be on its way: the key protects against it."""
        site.gateway.answers.extend([LOST] * 4)
        site.gateway.look_ups.extend([ABSENT] * 4)
        order_id = site.producer.place(order()).order_id
        while site.get().status is OrderStatus.QUEUED:
            site.advance(60)
            site.breaker_forgets()
            site.retrier.run(order_id)
        assert site.get().status is OrderStatus.DEAD
        send_round()
        assert key_of(site) == "cart-1"


class TestAfterAPersonSaidThatNothingWasCharged:
    def test_a_new_key_is_made_where_the_service_has_refused_the_newest_attempt(self, site: Site) -> None:
        order_id = in_review(site)
        site.people.retry("cart-1", ANNA)
        claim = site.ledger.claim(order_id)
        assert claim is not None
        attempt = site.ledger.begin_attempt(claim)
        assert attempt is not None
        site.ledger.record(attempt, REFUSED, Verdict(OrderStatus.REVIEW))
        Resolution(site.database, clock=site.clock).not_charged("cart-1", ANNA)
        key = key_of(site)
        assert key != "cart-1"
        site.people.retry("cart-1", ANNA)
        assert key_of(site) == key

    def test_the_key_stays_where_no_attempt_was_answered(self, site: Site) -> None:
        in_review(site, answer=UNCLEAR)
        Resolution(site.database, clock=site.clock).not_charged("cart-1", ANNA)
        site.people.retry("cart-1", ANNA)
        assert key_of(site) == "cart-1"
