"""The payment service dies with orders coming in, and returns: nothing is lost, nothing charged twice.

Through pytest-celery's own setup, with real processes, on each kind of site.
"""

from __future__ import annotations

import pytest
from pytest_celery import CeleryTestSetup

from tests.acceptance.conftest import SITES
from tests.acceptance.nodes import wait_for
from tests.acceptance.shop import PaymentService, Shop
from tests.every_case import every_case

pytestmark = pytest.mark.timeout(300)


def on(*sites: str) -> pytest.MarkDecorator:
    """Run a test on these sites; with all cases on every site."""
    return pytest.mark.parametrize("servers", SITES if every_case() else sites, indirect=True)


def everything_is_paid(shop: Shop) -> bool:
    return shop.statuses() == {"paid": len(shop.placed)}


def assert_each_order_was_charged_exactly_once(shop: Shop, service: PaymentService) -> None:
    wait_for("every order is paid", lambda: everything_is_paid(shop), timeout=150)
    assert service.charges() == shop.expected_charges()


def test_an_outage_is_survived(
    celery_setup: CeleryTestSetup, shop: Shop, payment_service: PaymentService
) -> None:
    assert shop.place(5) == {"paid": 5}
    payment_service.kill()
    assert set(shop.place(20)) == {"queued"}
    assert shop.run("breaker", "status")["state"] != "closed"
    payment_service.start()
    assert_each_order_was_charged_exactly_once(shop, payment_service)


@on("postgres+redis")
def test_charges_whose_answer_was_lost_are_found_again(
    celery_setup: CeleryTestSetup, shop: Shop, payment_service: PaymentService
) -> None:
    payment_service.control.set_faults(charge_then_fail=1.0)
    assert set(shop.place(10)) == {"queued"}
    payment_service.control.clear_faults()
    assert_each_order_was_charged_exactly_once(shop, payment_service)


@on("embedded", "postgres+rabbitmq")
def test_workers_killed_with_orders_in_their_hands_lose_none(
    celery_setup: CeleryTestSetup, shop: Shop, payment_service: PaymentService
) -> None:
    payment_service.control.set_faults(latency=1.0)
    orders = shop.enqueue(12)
    wait_for("a charge is under way", lambda: payment_service.control.stats()["running"] > 0)
    for worker in celery_setup.worker_cluster:
        worker.kill()
    payment_service.control.clear_faults()
    assert shop.statuses() != {"paid": orders}
    celery_setup.worker.restart()
    assert_each_order_was_charged_exactly_once(shop, payment_service)


@on("postgres+redis", "postgres+rabbitmq")
def test_an_outage_of_the_broker_is_survived(
    celery_setup: CeleryTestSetup, shop: Shop, payment_service: PaymentService
) -> None:
    if celery_setup.broker is None:
        pytest.skip("the embedded broker dies with its worker: the test above has that")
    payment_service.kill()
    # Not kill -9: RabbitMQ's quorum queues need some seconds on disk to survive one (rabbitmq-server#10070).
    celery_setup.broker.kill("SIGTERM")
    assert set(shop.place(10)) == {"queued"}
    celery_setup.broker.restart()
    payment_service.start()
    assert_each_order_was_charged_exactly_once(shop, payment_service)
