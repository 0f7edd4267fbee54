"""Refusals that were accepted without a look-up: looked up when a person retries their order, but only once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import insert

from breakwall.payments.db.schema import attempts, orders
from breakwall.payments.decisions import Decision
from breakwall.payments.gateways.base import Advice, ChargeAnswer, Health, Outcome
from breakwall.payments.ledger.claim import Attempt
from breakwall.payments.ledger.ledger import Ledger
from breakwall.payments.ledger.queries import list_attempts
from breakwall.payments.operator.bulk_retry.selection import Selection
from breakwall.payments.orders import OrderStatus
from tests.contract import bulk
from tests.contract.people import ANNA, REFUSED, UNCLEAR
from tests.contract.site import LEASE, Site, order
from tests.gateway import ABSENT, FOUND, PAID, PLAIN

BLIND = replace(PLAIN, looks_up=False)
ID = "0123456789abcdef" * 2
OLD_KEY, ROTATED = "cart-1", f"{ID}.2"


def from_before(
    site: Site, *sent: tuple[str, str, str | None], charge_key: str, status: str = "dead"
) -> None:
    """An order of the previous version; each attempt has a key, an outcome and a code."""
    now = site.clock.now
    row: dict[str, Any] = {
        "id": ID,
        "idempotency_key": "cart-1",
        "user_id": "u1",
        "amount": 10_000,
        "currency": "KRW",
        "status": status,
        "charge_key": charge_key,
        "attempt_count": len(sent),
        "fence": 2,
        "created_at": now,
    }
    rows = [
        {
            "order_id": ID,
            "number": number,
            "source": "worker",
            "fence": 1,
            "gateway_key": key,
            "started_at": now,
            "finished_at": now,
            "outcome": outcome,
            "code": code,
        }
        for number, (key, outcome, code) in enumerate(sent, 1)
    ]
    site.database.write(
        lambda connection: (
            connection.execute(insert(orders), row),
            connection.execute(insert(attempts), rows),
        )
    )


def know_a_charge_of_that_version(site: Site) -> None:
    known = Ledger(site.database, lease=LEASE, clock=site.clock, send_caller_keys=True)
    attempt = known.accept_sending(order("cart-0"))
    assert isinstance(attempt, Attempt)
    known.record(attempt, replace(PAID, charge_id="ch_0"), Decision(OrderStatus.PAID))
    site.gateway.known["cart-0"] = "ch_0"
    site.advance(31)


def retry_one(site: Site) -> None:
    site.people.retry("cart-1", ANNA)


def retry_all(site: Site) -> None:
    selection = Selection((OrderStatus.QUEUED, OrderStatus.DEAD, OrderStatus.REVIEW))
    bulk.retry_all(site.database, selection, ANNA, clock=site.clock)


@pytest.fixture(params=[retry_one, retry_all])
def retry(request: pytest.FixtureRequest, site: Site) -> Callable[[], None]:
    return lambda: request.param(site)


class TestARefusalWhoseKeyThePreviousVersionHasRotated:
    """Without a look-up: it may have meant "done already"."""

    def test_is_looked_up_under_the_key_that_was_refused(self, site: Site, retry: Callable[[], None]) -> None:
        from_before(site, (OLD_KEY, "failed", "http_400"), charge_key=ROTATED)
        retry()
        site.gateway.lookups.append(FOUND)
        assert site.retrier.run(ID) is OrderStatus.PAID
        assert (site.gateway.looked_up, site.gateway.charged) == ([OLD_KEY], [])

    def test_is_sent_under_a_key_that_was_never_used_once_nothing_was_found(
        self, site: Site, retry: Callable[[], None]
    ) -> None:
        from_before(site, (OLD_KEY, "failed", "http_400"), charge_key=ROTATED)
        know_a_charge_of_that_version(site)
        retry()
        site.gateway.lookups.append(ABSENT)
        site.gateway.answers.append(PAID)
        assert site.retrier.run(ID) is OrderStatus.PAID
        assert site.gateway.charged[0].idempotency_key not in {OLD_KEY, ROTATED}

    @pytest.mark.parametrize("unnoticed", ["not_sent", "throttled"])
    def test_is_looked_up_where_nothing_reached_the_service_since(
        self, site: Site, retry: Callable[[], None], unnoticed: str
    ) -> None:
        sent = [(OLD_KEY, "failed", "http_400"), (ROTATED, unnoticed, None)]
        from_before(site, *sent, charge_key=ROTATED)
        retry()
        assert site.get().charge_key == OLD_KEY
        assert site.outcomes() == [Outcome.UNKNOWN, Outcome(unnoticed)]

    def test_is_not_taken_for_looked_up_by_what_is_found_under_another_key(
        self, site: Site, retry: Callable[[], None]
    ) -> None:
        sent = [(OLD_KEY, "failed", "http_400"), (ROTATED, "failed", "http_400")]
        from_before(site, *sent, charge_key=ROTATED)
        retry()
        assert site.get().charge_key == ROTATED
        assert site.outcomes() == [Outcome.FAILED, Outcome.UNKNOWN]


class TestAPersonsEvidenceThatNothingWasCharged:
    @pytest.fixture
    def order_id(self, site: Site) -> str:
        """A dead order, by a refusal that could not be looked up."""
        site.gateway.profile = BLIND
        site.gateway.answers.append(REFUSED)
        placed = site.producer.place(order())
        assert placed.status is OrderStatus.DEAD
        site.gateway.profile = PLAIN
        return placed.order_id

    def test_is_not_doubted_when_the_order_is_retried(
        self, site: Site, order_id: str, retry: Callable[[], None]
    ) -> None:
        key = site.people.retry("cart-1", ANNA, uncharged="not on the dashboard").charge_key
        retry()
        site.gateway.answers.append(PAID)
        assert site.retrier.run(order_id) is OrderStatus.PAID
        assert ([sent.idempotency_key for sent in site.gateway.charged][-1], site.gateway.looked_up) == (
            key,
            [],
        )

    def test_is_recorded_at_the_attempt(self, site: Site, order_id: str) -> None:
        site.people.retry("cart-1", ANNA, uncharged="not on the dashboard")
        (attempt,) = list_attempts(site.database, order_id)
        assert (attempt.outcome, attempt.settled_by) == (Outcome.FAILED, "person")

    def test_in_a_review_holds_for_the_refusals_before_it_too(
        self, site: Site, order_id: str, retry: Callable[[], None]
    ) -> None:
        site.people.retry("cart-1", ANNA, uncharged="not on the dashboard")
        site.gateway.answers.append(replace(UNCLEAR, advice=Advice.REVIEW))
        site.retrier.run(order_id)
        site.people.resolve_not_charged("cart-1", ANNA)
        retry()
        assert site.outcomes() == [Outcome.FAILED, Outcome.FAILED]

    def test_says_nothing_of_an_attempt_that_was_only_rejected(self, site: Site) -> None:
        rejected = ChargeAnswer(Outcome.FAILED, Health.NEUTRAL, code="http_401", advice=Advice.RECONFIGURE)
        site.gateway.answers.append(rejected)
        order_id = site.producer.place(order()).order_id
        site.people.retry("cart-1", ANNA, uncharged="not on the dashboard")
        (attempt,) = list_attempts(site.database, order_id)
        assert attempt.settled_by is None


def test_a_bulk_retry_makes_the_refusals_of_several_orders_unknown(site: Site) -> None:
    """SQLAlchemy refused the statement from the second order on."""
    site.gateway.profile = BLIND
    for key in ("cart-1", "cart-2"):
        site.gateway.answers.append(REFUSED)
        assert site.producer.place(order(key)).status is OrderStatus.DEAD
    retry_all(site)
    found = [list_attempts(site.database, site.get(key).id)[0].outcome for key in ("cart-1", "cart-2")]
    assert found == [Outcome.UNKNOWN, Outcome.UNKNOWN]
