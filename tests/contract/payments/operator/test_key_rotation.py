"""The key that an order has after a person retried or resolved it, on both databases."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from sqlalchemy import update

from breakwall.gateway_names import DEFAULT
from breakwall.payments.db.schema import orders
from breakwall.payments.decisions import Decision
from breakwall.payments.gateways.base import ChargeAnswer, ChargeRequest, Health, LookupAnswer, Outcome
from breakwall.payments.keys import derive_charge_key
from breakwall.payments.operator.bulk_retry.selection import Selection
from breakwall.payments.operator.locking import OtherGatewayError, RefusedError
from breakwall.payments.orders import OrderStatus
from tests.contract import bulk
from tests.contract.people import (
    ANNA,
    FAILED,
    REFUSED,
    UNCLEAR,
    dead,
    give_to_another_gateway,
    in_review,
    interventions_of,
    look_up_in_vain,
    queued,
    refused,
    refused_without_a_look_up,
)
from tests.contract.site import Site, order
from tests.gateway import ABSENT, DOWN, FOUND, KEYED, LOST, PAID
from tests.people import People

THROTTLED = ChargeAnswer(Outcome.THROTTLED, Health.THROTTLED, code="http_429")


def retry_one(site: Site) -> None:
    site.people.retry("cart-1", ANNA)


def retry_all(site: Site) -> None:
    selection = Selection((OrderStatus.QUEUED, OrderStatus.DEAD, OrderStatus.REVIEW))
    bulk.retry_all(site.database, selection, ANNA, clock=site.clock)


@pytest.fixture(params=[retry_one, retry_all])
def retry(request: pytest.FixtureRequest, site: Site) -> Callable[[], None]:
    return lambda: request.param(site)


def key_of(site: Site) -> str:
    return site.get().charge_key


def first_key(site: Site) -> str:
    return derive_charge_key(site.get().id)


class StoringService:
    """Replays its first answer to each key for ever: a refusal, until it is repaired."""

    def __init__(self, site: Site) -> None:
        self.mended = False
        self.stored: dict[str, ChargeAnswer] = {}
        site.know_a_charge()
        site.gateway.profile = KEYED
        site.gateway.charge = self.charge  # type: ignore[method-assign]
        site.gateway.look_up = self.look_up  # type: ignore[method-assign]
        self.known = site.gateway.known

    def charge(self, request: ChargeRequest, *, deadline: float) -> ChargeAnswer:
        return self.stored.setdefault(request.idempotency_key, PAID if self.mended else REFUSED)

    def look_up(self, key: str, *, deadline: float) -> LookupAnswer:
        return replace(FOUND, charge_id=self.known[key]) if key in self.known else ABSENT


def test_a_refusal_that_the_service_stored_is_got_past_once_its_cause_is_mended(
    site: Site, retry: Callable[[], None]
) -> None:
    service = StoringService(site)
    order_id = site.producer.place(order()).order_id
    site.advance(31)
    assert site.retrier.run(order_id) is OrderStatus.DEAD
    retry()
    assert site.retrier.run(order_id) is OrderStatus.QUEUED
    site.advance(31)
    assert site.retrier.run(order_id) is OrderStatus.DEAD
    service.mended = True
    retry()
    assert site.retrier.run(order_id) is OrderStatus.PAID


class TestANewKeyIsMade:
    def test_where_the_service_refused_the_newest_attempt_and_a_look_up_has_found_no_charge(
        self, site: Site, retry: Callable[[], None]
    ) -> None:
        refused(site)
        retry()
        assert key_of(site) != first_key(site)

    def test_once_however_often_it_is_retried_meanwhile(self, site: Site, retry: Callable[[], None]) -> None:
        refused(site)
        retry()
        key = key_of(site)
        retry()
        assert key_of(site) == key

    def test_again_where_that_one_was_refused_as_well(self, site: Site, retry: Callable[[], None]) -> None:
        order_id = refused(site)
        keys = {first_key(site), key_of(site)}
        for _ in range(3):
            retry()
            site.gateway.answers.append(REFUSED)
            site.retrier.run(order_id)
            look_up_in_vain(site, order_id)
            keys.add(key_of(site))
        assert len(keys) == 5

    def test_that_is_the_next_of_those_that_the_order_has(
        self, site: Site, retry: Callable[[], None]
    ) -> None:
        """So it is the same again after the database was lost, however many claims there were."""
        order_id = refused(site)
        keys = [key_of(site)]
        for _ in range(2):
            retry()
            site.gateway.answers.append(REFUSED)
            site.retrier.run(order_id)
            look_up_in_vain(site, order_id)
            keys.append(key_of(site))
        assert keys == [derive_charge_key(order_id, rotation) for rotation in (1, 2, 3)]


class TestARefusalThatWasAcceptedWithoutALookUp:
    """It may have meant "done already". An earlier version accepted it, or there was no look-up then."""

    @pytest.fixture
    def order_id(self, site: Site) -> str:
        return refused_without_a_look_up(site)

    def test_is_looked_up_before_anything_is_sent_again(
        self, site: Site, order_id: str, retry: Callable[[], None]
    ) -> None:
        retry()
        assert key_of(site) == first_key(site)
        site.gateway.lookups.append(FOUND)
        assert site.retrier.run(order_id) is OrderStatus.PAID
        assert len(site.gateway.charged) == 1

    def test_gets_its_new_key_from_that_look_up(
        self, site: Site, order_id: str, retry: Callable[[], None]
    ) -> None:
        retry()
        site.gateway.answers.append(PAID)
        look_up_in_vain(site, order_id)
        assert site.get().status is OrderStatus.PAID
        first, second = (sent.idempotency_key for sent in site.gateway.charged)
        assert first != second

    def test_gets_no_other_key_than_the_next_one_if_its_key_was_rotated_before(
        self, site: Site, order_id: str, retry: Callable[[], None]
    ) -> None:
        """A lost database may have charged under the next one, which is then the only key that protects."""
        rotated = update(orders).values(charge_key=derive_charge_key(order_id, 1), key_rotations=1)
        site.database.write(lambda connection: connection.execute(rotated))
        retry()
        assert key_of(site) == first_key(site)
        site.gateway.answers.append(PAID)
        look_up_in_vain(site, order_id)
        assert site.gateway.charged[-1].idempotency_key == derive_charge_key(order_id, 1)

    def test_keeps_its_key_where_nothing_can_be_looked_up(self, site: Site, order_id: str) -> None:
        People(site.database, clock=site.clock, looks_up=False).retry("cart-1", ANNA)
        assert key_of(site) == first_key(site)
        assert site.outcomes() == [Outcome.FAILED]

    def test_gets_a_new_key_on_a_persons_evidence(self, site: Site, order_id: str) -> None:
        people = People(site.database, clock=site.clock, looks_up=False)
        people.retry("cart-1", ANNA, uncharged="not on the dashboard")
        assert key_of(site) != first_key(site)
        assert interventions_of(site)[0].evidence == "not on the dashboard"


class TestARefusalByAnotherGateway:
    """Whether it has to be looked up depends on that gateway, which the process that retries does not have."""

    @pytest.fixture
    def order_id(self, site: Site) -> str:
        order_id = refused_without_a_look_up(site)
        give_to_another_gateway(site)
        return order_id

    @pytest.mark.parametrize("looks_up", [True, False])
    def test_is_left_to_a_process_with_that_gateway(self, site: Site, order_id: str, looks_up: bool) -> None:
        people = People(site.database, clock=site.clock, looks_up=looks_up)
        with pytest.raises(OtherGatewayError, match="'other'") as refused:
            people.retry("cart-1", ANNA, gateway=DEFAULT)
        assert refused.value.gateway == "other"
        assert (site.get().status, site.outcomes()) == (OrderStatus.DEAD, [Outcome.FAILED])

    def test_is_retried_as_that_gateway_wants_it(self, site: Site, order_id: str) -> None:
        People(site.database, clock=site.clock, looks_up=True).retry("cart-1", ANNA, gateway="other")
        assert site.outcomes() == [Outcome.UNKNOWN]

    def test_needs_no_look_up_with_a_persons_evidence(self, site: Site, order_id: str) -> None:
        site.people.retry("cart-1", ANNA, gateway=DEFAULT, uncharged="not on the dashboard")
        assert key_of(site) != first_key(site)


def test_an_order_of_another_gateway_that_was_not_refused_is_retried_anywhere(site: Site) -> None:
    dead(site)
    give_to_another_gateway(site)
    assert site.people.retry("cart-1", ANNA, gateway=DEFAULT).status is OrderStatus.QUEUED


def test_no_evidence_gives_an_order_a_new_key_that_may_have_been_charged(site: Site) -> None:
    site.gateway.answers.append(LOST)
    site.producer.place(order())
    with pytest.raises(RefusedError, match="may have charged"):
        site.people.retry("cart-1", ANNA, uncharged="I think so")
    assert key_of(site) == first_key(site)


class TestTheKeyStays:
    @pytest.mark.parametrize("answer", [DOWN, THROTTLED, FAILED])
    def test_where_the_service_stored_nothing_under_it(
        self, site: Site, retry: Callable[[], None], answer: ChargeAnswer
    ) -> None:
        dead(site, answer=answer)
        retry()
        assert key_of(site) == first_key(site)

    def test_where_it_was_never_sent(self, site: Site, retry: Callable[[], None]) -> None:
        queued(site)
        retry()
        assert key_of(site) == first_key(site)

    @pytest.mark.parametrize("answers", [(LOST,), (LOST, REFUSED), (LOST, DOWN)])
    def test_where_an_attempt_may_have_charged_which_is_then_looked_up_by_it(
        self, site: Site, retry: Callable[[], None], answers: tuple[ChargeAnswer, ...]
    ) -> None:
        site.gateway.profile = KEYED
        site.gateway.answers.extend(answers)
        order_id = site.producer.place(order()).order_id
        for _ in answers[1:]:
            site.advance(60)
            site.retrier.run(order_id)
        retry()
        assert key_of(site) == first_key(site)
        site.advance(KEYED.key_life)
        site.gateway.lookups.append(FOUND)
        assert site.retrier.run(order_id) is OrderStatus.PAID
        assert site.gateway.looked_up == [first_key(site)]

    def test_where_a_claim_ran_out_under_an_attempt(self, site: Site, retry: Callable[[], None]) -> None:
        (order_id,) = queued(site)
        site.gateway.answers.append(FAILED)
        site.retrier.run(order_id)
        site.advance(60)
        claim = site.ledger.claim(order_id)
        assert claim is not None
        assert site.ledger.begin_attempt(claim) is not None
        site.advance(60)
        site.dispatch_queue.reclaim_expired()
        retry()
        assert key_of(site) == first_key(site)

    def test_where_a_look_up_has_proven_that_nothing_was_charged(
        self, site: Site, retry: Callable[[], None]
    ) -> None:
        """The request may still be on its way: the key protects against it."""
        site.know_a_charge()
        site.gateway.answers.extend([LOST] * 4)
        site.gateway.lookups.extend([ABSENT] * 4)
        order_id = site.producer.place(order()).order_id
        while site.get().status is OrderStatus.QUEUED:
            site.advance(60)
            site.breaker_forgets()
            site.retrier.run(order_id)
        assert site.get().status is OrderStatus.DEAD
        retry()
        assert key_of(site) == first_key(site)


class TestAfterAPersonSaidThatNothingWasCharged:
    def test_a_new_key_is_made_where_the_service_has_refused_the_newest_attempt(self, site: Site) -> None:
        order_id = in_review(site)
        site.people.retry("cart-1", ANNA)
        claim = site.ledger.claim(order_id)
        assert claim is not None
        attempt = site.ledger.begin_attempt(claim)
        assert attempt is not None
        site.ledger.record(attempt, REFUSED, Decision(OrderStatus.REVIEW))
        site.people.resolve_not_charged("cart-1", ANNA)
        key = key_of(site)
        assert key != first_key(site)
        site.people.retry("cart-1", ANNA)
        assert key_of(site) == key

    def test_the_key_stays_where_no_attempt_was_answered(self, site: Site) -> None:
        in_review(site, answer=UNCLEAR)
        site.people.resolve_not_charged("cart-1", ANNA)
        site.people.retry("cart-1", ANNA)
        assert key_of(site) == first_key(site)
