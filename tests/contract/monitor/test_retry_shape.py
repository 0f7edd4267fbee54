"""How many waiting orders have which retry count, and when the next retries fire."""

from __future__ import annotations

import pytest
from sqlalchemy import update

from breakwall.monitor.backlog import Backlog, Monitor
from breakwall.payments.db.schema import orders
from tests.contract.site import Site, order


@pytest.fixture
def monitor(site: Site) -> Monitor:
    return Monitor(site.database, site.breaker, lambda: 0, clock=site.clock)


def by_retries(seen: Backlog) -> dict[tuple[int, int | None], int]:
    return {(each.least, each.most): each.orders for each in seen.retry_histogram if each.orders}


def test_each_order_is_in_the_bucket_of_its_retries(site: Site, monitor: Monitor) -> None:
    for count in (0, 0, 1, 4, 5, 11, 200):
        key = f"k{count}-{site.clock.now:%S}"
        site.producer.enqueue([order(key)])
        retried = update(orders).where(orders.c.idempotency_key == key).values(retry_count=count)
        site.database.write(lambda connection, retried=retried: connection.execute(retried))
        site.advance(1)
    assert by_retries(monitor.snapshot()) == {(0, 0): 2, (1, 1): 1, (4, 5): 2, (11, None): 2}


def test_each_order_is_in_the_first_bucket_that_its_next_attempt_falls_in(
    site: Site, monitor: Monitor
) -> None:
    for delay in (0, 10, 11, 60, 3600, 3601):
        site.ledger.accept_queued([order(f"in-{delay}")], delay=delay)
    due = {each.within_seconds: each.orders for each in monitor.snapshot().next_retries if each.orders}
    assert due == {0.0: 1, 10.0: 1, 30.0: 1, 60.0: 1, 3600.0: 1, None: 1}


def test_the_due_bucket_is_the_number_of_due_orders(site: Site, monitor: Monitor) -> None:
    site.producer.enqueue([order("a"), order("b")])
    seen = monitor.snapshot()
    assert seen.due == seen.next_retries[0].orders == 2


def test_money_is_by_state_and_currency(site: Site, monitor: Monitor) -> None:
    first, _ = site.producer.enqueue([order("a", 700), order("b", 300)])
    assert site.ledger.claim(first.order_id)
    assert monitor.snapshot().money == {
        "queued": {"KRW": 300},
        "in_flight": {"KRW": 700},
        "review": {},
        "dead": {},
    }
