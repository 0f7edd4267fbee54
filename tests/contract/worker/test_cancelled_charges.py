"""A charge that the payment service cancels: the proof that it will never happen ends an unknown outcome."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from breakwall.payments.gateways.base import Outcome
from breakwall.payments.keys import derive_charge_key
from breakwall.payments.ledger.queries import list_attempts
from breakwall.payments.orders import OrderStatus
from tests.contract.site import Site, order
from tests.gateway import (
    ABSENT,
    CANCELLED,
    CANCELLING,
    FOUND,
    LOST,
    NO_ANSWER,
    PAID,
    CancellingScriptedGateway,
)

BLIND = replace(CANCELLING, looks_up=False)


@pytest.fixture
def gateway() -> CancellingScriptedGateway:
    return CancellingScriptedGateway()


@pytest.fixture
def site(migrated_url: str, gateway: CancellingScriptedGateway) -> Iterator[Site]:
    site = Site(migrated_url, gateway)
    yield site
    site.producer.close()


def lost(site: Site) -> str:
    """An order whose first attempt may have charged, due again now."""
    site.gateway.answers.append(LOST)
    order_id = site.producer.place(order()).order_id
    site.advance(1.0)
    return order_id


def work(site: Site, order_id: str) -> OrderStatus:
    """Let the worker work on the order until it waits no longer."""
    while site.get().status is OrderStatus.QUEUED:
        site.retrier.run(order_id)
        site.advance(60.0)
    return site.get().status


class TestWithoutALookUp:
    def test_an_unknown_charge_is_cancelled_and_the_order_is_sent_under_another_key(
        self, site: Site, gateway: CancellingScriptedGateway
    ) -> None:
        gateway.profile = BLIND
        order_id = lost(site)
        gateway.cancels.append(CANCELLED)
        gateway.answers.append(PAID)
        assert site.retrier.run(order_id) is OrderStatus.PAID
        assert [one.idempotency_key for one in gateway.charged] == [
            derive_charge_key(order_id),
            derive_charge_key(order_id, 1),
        ]
        assert site.outcomes() == [Outcome.FAILED, Outcome.SUCCEEDED]

    def test_a_charge_that_has_succeeded_pays_the_order(
        self, site: Site, gateway: CancellingScriptedGateway
    ) -> None:
        gateway.profile = BLIND
        order_id = lost(site)
        gateway.cancels.append(FOUND)
        assert site.retrier.run(order_id) is OrderStatus.PAID

    @pytest.mark.parametrize("answer", [NO_ANSWER, ABSENT], ids=["no answer", "not found"])
    def test_an_answer_that_proves_nothing_is_asked_for_again_but_not_for_ever(
        self, site: Site, gateway: CancellingScriptedGateway, answer: object
    ) -> None:
        gateway.profile = BLIND
        order_id = lost(site)
        gateway.cancels.extend([answer] * 9)  # type: ignore[list-item]
        assert work(site, order_id) is OrderStatus.REVIEW
        assert (len(gateway.cancelled), len(gateway.charged)) == (3, 1)

    def test_the_attempt_says_that_it_was_cancelled(
        self, site: Site, gateway: CancellingScriptedGateway
    ) -> None:
        gateway.profile = BLIND
        order_id = lost(site)
        gateway.cancels.append(CANCELLED)
        gateway.answers.append(PAID)
        site.retrier.run(order_id)
        (first, _) = list_attempts(site.database, order_id)
        assert first.detail == "It was cancelled at the payment service."


class TestWithALookUp:
    def test_the_look_up_comes_first(self, site: Site, gateway: CancellingScriptedGateway) -> None:
        order_id = lost(site)
        gateway.lookups.append(FOUND)
        assert site.retrier.run(order_id) is OrderStatus.PAID
        assert gateway.cancelled == []

    def test_the_charge_is_cancelled_when_the_look_ups_are_used_up(
        self, site: Site, gateway: CancellingScriptedGateway
    ) -> None:
        order_id = lost(site)
        gateway.lookups.extend([NO_ANSWER] * 3)
        gateway.cancels.append(CANCELLED)
        gateway.answers.append(PAID)
        assert work(site, order_id) is OrderStatus.PAID
        assert len(gateway.looked_up) == 3


class TestAnOrderThatNobodyWants:
    def test_is_cancelled_at_once_before_the_settle_time(
        self, site: Site, gateway: CancellingScriptedGateway
    ) -> None:
        order_id = lost(site)
        site.people.cancel(order_id)
        gateway.cancels.append(CANCELLED)
        assert site.retrier.run(order_id) is OrderStatus.CANCELLED
        assert gateway.looked_up == []

    def test_is_looked_up_and_cancelled_in_turn_where_the_cancel_gives_no_answer(
        self, site: Site, gateway: CancellingScriptedGateway
    ) -> None:
        order_id = lost(site)
        site.people.cancel(order_id)
        gateway.cancels.extend([NO_ANSWER] * 9)
        gateway.lookups.extend([NO_ANSWER] * 9)
        assert work(site, order_id) is OrderStatus.REVIEW
        assert (len(gateway.cancelled), len(gateway.looked_up)) == (3, 3)
