"""What the backlog knows of orders that the payment service rejected, on SQLite and on PostgreSQL."""

from __future__ import annotations

import json

import pytest

from breakwall.json_documents import backlog_document
from breakwall.monitor.backlog import Monitor
from breakwall.monitor.counts import Rejected
from breakwall.payments.gateways.base import ChargeAnswer
from breakwall.payments.gateways.charge_answers import classify_charge
from breakwall.payments.gateways.lookup_answers import classify_lookup
from tests.contract.site import Site, order
from tests.gateway import DOWN, LOST, PAID

NONE = Rejected(0, None)


def answered(status: int) -> ChargeAnswer:
    return classify_charge(status, {}, b"", now=0.0)


@pytest.fixture
def monitor(site: Site) -> Monitor:
    """It is the site that is closed in the end."""
    return Monitor(site.database, site.breaker, lambda: 0, clock=site.clock)


def place(site: Site, answer: ChargeAnswer, key: str = "cart-1") -> None:
    site.gateway.answers.append(answer)
    site.producer.place(order(key))


def work_on(site: Site, key: str = "cart-1") -> None:
    site.advance(60)
    site.retrier.run(site.get(key).id)


def test_waiting_orders_that_were_rejected_are_counted_with_an_example(site: Site, monitor: Monitor) -> None:
    place(site, answered(401), "a")
    place(site, answered(401), "b")
    place(site, DOWN, "c")
    site.producer.enqueue([order("d")])
    rejected = monitor.snapshot().rejected
    assert rejected.orders == 2
    assert rejected.example == (
        "http_401: The payment service answered HTTP 401: it did not accept our credentials, check the "
        "user and password in BREAKWALL_PAYMENT_URL, or BREAKWALL_PAYMENT_TOKEN, _HEADERS or _CERT_FILE."
    )


@pytest.mark.parametrize("status", [302, 401, 403, 404, 405, 407, 421])
def test_every_rejection_is_counted(site: Site, monitor: Monitor, status: int) -> None:
    place(site, answered(status))
    assert monitor.snapshot().rejected.orders == 1


@pytest.mark.parametrize("answer", [DOWN, LOST, answered(425), answered(429), answered(500)])
def test_what_waits_for_the_service_and_not_for_an_operator_is_not_counted(
    site: Site, monitor: Monitor, answer: ChargeAnswer
) -> None:
    place(site, answer)
    assert monitor.snapshot().rejected == NONE


def test_an_order_is_not_counted_once_its_next_attempt_went_otherwise(site: Site, monitor: Monitor) -> None:
    place(site, answered(401))
    site.gateway.answers.append(DOWN)
    work_on(site)
    assert monitor.snapshot().rejected == NONE


def test_an_order_that_waits_no_more_is_not_counted(site: Site, monitor: Monitor) -> None:
    place(site, answered(401))
    site.gateway.answers.append(PAID)
    work_on(site)
    assert monitor.snapshot().rejected == NONE


def test_an_order_whose_attempts_are_used_up_is_dead_and_no_longer_rejected(
    site: Site, monitor: Monitor
) -> None:
    place(site, answered(401))
    for _ in range(3):
        site.gateway.answers.append(answered(401))
        work_on(site)
    seen = monitor.snapshot()
    assert (seen.dead, seen.rejected) == (1, NONE)


def test_a_deferral_since_changes_nothing_about_it(site: Site, monitor: Monitor) -> None:
    place(site, answered(401))
    site.advance(60)
    site.open_circuit()
    site.retrier.run(site.get().id)
    assert site.get().deferral_count == 1
    assert monitor.snapshot().rejected.orders == 1


def test_a_rejected_look_up_is_counted_as_a_rejected_charge_is(site: Site, monitor: Monitor) -> None:
    place(site, LOST)
    site.gateway.lookups.append(classify_lookup(401, {}, b"", now=0.0))
    work_on(site)
    rejected = monitor.snapshot().rejected
    assert (rejected.orders, rejected.example) == (
        1,
        "http_401: The look-up was refused (HTTP 401): check our credentials: BREAKWALL_PAYMENT_TOKEN, _HEADERS, or "
        "the user in BREAKWALL_PAYMENT_URL.",
    )


def test_the_document_names_them(site: Site, monitor: Monitor) -> None:
    place(site, answered(421))
    document = json.loads(json.dumps(backlog_document(monitor.snapshot())))
    assert document["rejected"]["orders"] == 1
    assert document["rejected"]["example"].startswith("http_421: ")
