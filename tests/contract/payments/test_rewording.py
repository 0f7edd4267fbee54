"""Texts are for people: rewording every one of them changes nothing that happens to an order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any

import pytest
from sqlalchemy import select, update

from breakwall.monitor.backlog import Monitor
from breakwall.payments.db.schema import attempts, orders
from breakwall.payments.decisions import Decision, next_step
from breakwall.payments.gateways.base import (
    Advice,
    ChargeAnswer,
    ChargeDetails,
    Health,
    LookupAnswer,
    LookupResult,
)
from breakwall.payments.ledger.dispatch_queue import POISON_CRASHES
from breakwall.payments.operator.bulk_retry.preview import Preview, preview
from breakwall.payments.operator.bulk_retry.selection import Selection
from breakwall.payments.operator.locking import RefusedError
from breakwall.payments.orders import OrderStatus
from tests.contract.people import (
    ANNA,
    FAILED,
    OTHER_PAYLOAD,
    REFUSED,
    STORED_ERROR,
    UNCLEAR,
    dead,
    in_review,
)
from tests.contract.site import LEASE, Site, order
from tests.gateway import ABSENT, DOWN, KEYED, PAID, PLAIN

BLIND = replace(PLAIN, looks_up=False)
NEUTRAL_DOWN = replace(DOWN, health=Health.NEUTRAL)
NO_WAY = LookupAnswer(
    LookupResult.UNAVAILABLE, Health.NEUTRAL, code="http_401", advice=Advice.RECONFIGURE, detail="Refused."
)


def placed(site: Site, key: str, answer: ChargeAnswer) -> str:
    site.gateway.answers.append(answer)
    return site.producer.place(order(key)).order_id


def worked_on(site: Site, order_id: str, *answers: ChargeAnswer | LookupAnswer) -> None:
    site.advance(60)
    for answer in answers:
        (site.gateway.lookups if isinstance(answer, LookupAnswer) else site.gateway.answers).append(answer)  # type: ignore[arg-type]
    site.retrier.run(order_id)


def never_sent(site: Site, key: str) -> None:
    site.producer.enqueue([order(key)])


def unknown(site: Site, key: str) -> None:
    placed(site, key, UNCLEAR)


def unknown_by_a_stored_error(site: Site, key: str) -> None:
    placed(site, key, STORED_ERROR)


def unknown_by_a_refusal(site: Site, key: str) -> None:
    placed(site, key, REFUSED)


def unknown_by_a_lease(site: Site, key: str) -> None:
    site.ledger.accept_sending(order(key))
    site.advance(LEASE)
    site.dispatch_queue.reclaim_expired()


def rejected(site: Site, key: str) -> None:
    placed(site, key, FAILED)


def rejected_when_it_was_looked_up(site: Site, key: str) -> None:
    worked_on(site, placed(site, key, UNCLEAR), NO_WAY)


def refused_and_then_rejected(site: Site, key: str) -> None:
    worked_on(site, placed(site, key, STORED_ERROR), ABSENT, FAILED)


def proven_by_a_look_up(site: Site, key: str) -> None:
    worked_on(site, placed(site, key, UNCLEAR), ABSENT, NEUTRAL_DOWN)


def dead_by_a_refusal_that_was_looked_up(site: Site, key: str) -> None:
    worked_on(site, placed(site, key, REFUSED), ABSENT)
    assert site.get(key).status is OrderStatus.DEAD


def dead_by_a_refusal_that_was_not(site: Site, key: str) -> None:
    site.gateway.profile = BLIND
    placed(site, key, REFUSED)
    site.gateway.profile = PLAIN
    assert site.get(key).status is OrderStatus.DEAD


def dead_by_rejections(site: Site, key: str) -> None:
    dead(site, key)


def dead_by_a_persons_word(site: Site, key: str) -> None:
    in_review(site, key, STORED_ERROR)
    site.people.resolve_not_charged(key, ANNA)


def refused_after_a_persons_word(site: Site, key: str) -> None:
    dead_by_a_persons_word(site, key)
    site.people.retry(key, ANNA)
    claim = site.ledger.claim(site.get(key).id)
    assert claim is not None
    attempt = site.ledger.begin_attempt(claim)
    assert attempt is not None
    site.ledger.record(attempt, REFUSED, Decision(OrderStatus.REVIEW))
    site.people.resolve_not_charged(key, ANNA)


def in_review_for_another_payload(site: Site, key: str) -> None:
    in_review(site, key, OTHER_PAYLOAD)


def in_review_for_a_wrong_charge(site: Site, key: str) -> None:
    placed(site, key, replace(PAID, charge_id=f"ch_{key}", details=ChargeDetails(amount=1)))
    assert site.get(key).status is OrderStatus.REVIEW


def in_review_without_a_look_up(site: Site, key: str) -> None:
    in_review(site, key, UNCLEAR)


def in_review_for_its_crashes(site: Site, key: str) -> None:
    site.producer.enqueue([order(key)])
    for _ in range(1 + POISON_CRASHES):
        claim = site.ledger.claim(site.get(key).id)
        assert claim is not None
        site.ledger.begin_attempt(claim)
        site.advance(LEASE)
        site.dispatch_queue.reclaim_expired()
    assert site.get(key).status is OrderStatus.REVIEW


ORDERS: list[Callable[[Site, str], None]] = [
    never_sent,
    unknown,
    unknown_by_a_stored_error,
    unknown_by_a_refusal,
    unknown_by_a_lease,
    rejected,
    rejected_when_it_was_looked_up,
    refused_and_then_rejected,
    proven_by_a_look_up,
    dead_by_a_refusal_that_was_looked_up,
    dead_by_a_refusal_that_was_not,
    dead_by_rejections,
    dead_by_a_persons_word,
    refused_after_a_persons_word,
    in_review_for_another_payload,
    in_review_for_a_wrong_charge,
    in_review_without_a_look_up,
    in_review_for_its_crashes,
]

WORDS: list[tuple[str | None, str | None, str | None]] = [
    (None, None, None),
    ("other", "In other words.", "other: In other words."),
    ("http_500", "The payment service answered HTTP 500.", "http_500: in HTTP 500's words"),
    ("http_422", "This idempotency key was used with another payload.", "http_422: another payload"),
    ("http_400", "The payment service will not take this request.", "http_400: will not take it"),
    ("http_401", "Look at BREAKWALL_PAYMENT_URL.", "http_401: Look at BREAKWALL_PAYMENT_URL."),
    ("ReadTimeout", "Resolved by anna: not charged.", "Resolved by anna: not charged."),
    ("ReadTimeout", "Looked up afterwards: there is no such charge.", "Looked up afterwards."),
]


def reword(site: Site, words: tuple[str | None, str | None, str | None], keys: list[str]) -> None:
    code, detail, last_error = words
    meant = select(orders.c.id).where(orders.c.idempotency_key.in_(keys))

    def work(connection: Any) -> None:
        change = update(attempts).where(attempts.c.order_id.in_(meant), attempts.c.outcome.is_not(None))
        connection.execute(change.values(code=code, detail=detail))
        errors = update(orders).where(orders.c.id.in_(meant), orders.c.last_error.is_not(None))
        connection.execute(errors.values(last_error=last_error))

    site.database.write(work)


def next_steps(site: Site, key: str) -> Any:
    """What a worker would do next, by what the payment service promises."""
    claim = site.ledger.claim(site.get(key).id)
    if claim is None:
        return None
    progress = replace(claim.progress, unresolved_age=0.0, key_age=0.0)
    steps = [next_step(progress, profile, site.retrier._charger.policy) for profile in (PLAIN, KEYED, BLIND)]
    assert site.ledger.release(claim, 0.0, deferred=False) is not None
    return asdict(progress), steps


def a_persons_retry(site: Site, key: str) -> Any:
    """The result of a retry: refused, or the order's key and what is known of it then."""
    before = site.get(key).charge_key
    try:
        after = site.people.retry(key, ANNA)
    except RefusedError:
        return "refused"
    return after.charge_key == before, site.outcomes(key), next_steps(site, key)


AS_IT_WAS, REWORDED = "as-it-was", "reworded"


@pytest.fixture
def known_site(site: Site) -> Site:
    """A site with each of `ORDERS` twice."""
    site.know_a_charge()
    for make in ORDERS:
        for twin in (AS_IT_WAS, REWORDED):
            make(site, f"{make.__name__}-{twin}")
            site.gateway.answers.clear()
            site.gateway.lookups.clear()
    site.advance(10_000)
    return site


def twins(ask: Callable[[Site, str], Any], site: Site, twin: str) -> dict[str, Any]:
    return {make.__name__: ask(site, f"{make.__name__}-{twin}") for make in ORDERS}


def counts(site: Site) -> tuple[int, list[Preview]]:
    states = (OrderStatus.QUEUED, OrderStatus.DEAD, OrderStatus.REVIEW)
    chosen = (Selection(states, rejected=rejected) for rejected in (False, True))
    previews = [preview(site.database, one, clock=site.clock) for one in chosen]
    return Monitor(site.database, site.breaker, lambda: 0).snapshot().rejected.orders, previews


@pytest.mark.parametrize("words", WORDS, ids=lambda words: f"{words[0]}: {words[1]}"[:30])
def test_every_text_is_reworded_and_nothing_is_changed(
    known_site: Site, words: tuple[str | None, str | None, str | None]
) -> None:
    site = known_site
    counted = counts(site)
    reword(site, words, [f"{make.__name__}-{REWORDED}" for make in ORDERS])
    assert counts(site) == counted
    for ask in (next_steps, a_persons_retry):
        assert twins(ask, site, REWORDED) == twins(ask, site, AS_IT_WAS)
    assert counted[0] > 0


def test_the_orders_that_are_reworded_are_of_many_kinds(known_site: Site) -> None:
    """Otherwise the test above would show nothing."""
    assert len({repr(kind) for kind in twins(next_steps, known_site, AS_IT_WAS).values()}) >= 9
    assert len({repr(kind) for kind in twins(a_persons_retry, known_site, AS_IT_WAS).values()}) >= 9
