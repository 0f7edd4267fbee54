"""A payment service that says for how long it wants to be left alone."""

from __future__ import annotations

import pytest

from breakwall.breaker import CircuitState
from breakwall.payments.gateways.base import ChargeAnswer, Health, LookupAnswer, LookupResult, Outcome
from breakwall.payments.orders import OrderStatus
from tests.contract.site import Site, order
from tests.gateway import LOST, PAID

BUSY = ChargeAnswer(Outcome.THROTTLED, Health.THROTTLED, code="http_429", retry_after=60.0)
SOMETIME = ChargeAnswer(Outcome.THROTTLED, Health.THROTTLED, code="http_429")
IN_REPAIR = ChargeAnswer(Outcome.UNKNOWN, Health.FAILURE, code="http_503", retry_after=300.0)


@pytest.mark.parametrize("answer", [BUSY, IN_REPAIR], ids=["429", "503"])
def test_opens_the_circuit_for_so_long(site: Site, answer: ChargeAnswer) -> None:
    site.gateway.answers.append(answer)
    site.producer.place(order())
    status = site.breaker.status()
    assert status.state is CircuitState.OPEN
    assert status.retry_after == pytest.approx(answer.retry_after, abs=1)


def test_is_asked_nothing_for_other_orders_meanwhile(site: Site) -> None:
    site.gateway.answers.append(BUSY)
    for number in range(40):
        site.producer.place(order(f"cart-{number}"))
    assert len(site.gateway.charged) == 1


def test_costs_a_backlog_one_attempt_and_not_one_an_order(site: Site) -> None:
    queued = site.producer.enqueue([order(f"cart-{number}") for number in range(10)])
    site.gateway.answers.append(BUSY)
    for one in queued:
        site.retrier.run(one.order_id)
    assert sum(site.get(f"cart-{number}").retry_count for number in range(10)) == 1


def test_is_heeded_when_it_says_so_to_a_look_up(site: Site) -> None:
    site.gateway.answers.append(LOST)
    order_id = site.producer.place(order()).order_id
    site.advance(40)
    site.gateway.lookups.append(
        LookupAnswer(LookupResult.UNAVAILABLE, Health.THROTTLED, code="http_429", retry_after=60.0)
    )
    site.retrier.run(order_id)
    assert site.breaker.status().state is CircuitState.OPEN


def test_that_does_not_say_for_how_long_leaves_the_circuit_as_it_is(site: Site) -> None:
    site.gateway.answers.extend([SOMETIME] * 20 + [PAID])
    for number in range(20):
        site.producer.place(order(f"cart-{number}"))
    assert site.producer.place(order("cart-20")).status is OrderStatus.PAID
