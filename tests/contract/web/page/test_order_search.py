"""The list of orders: each order once, newest first, however many pages it takes."""

from __future__ import annotations

import pytest

from breakwall.payments.orders import Order, OrderStatus
from breakwall.web.page.cursor import Cursor
from breakwall.web.page.order_search import find_orders
from tests.contract.site import Site


@pytest.fixture
def keys(site: Site) -> list[str]:
    """Of orders in the order of the list: seven moments, three orders each, and two states."""
    for moment in range(7):
        site.producer.enqueue(
            [Order("u1", 100, "KRW" if place else "USD", f"{moment}-{place}") for place in range(3)]
        )
        site.people.cancel(site.get(f"{moment}-1").id)
        site.advance(1)
    found = [site.get(f"{moment}-{place}") for moment in range(7) for place in range(3)]
    found.sort(key=lambda order: order.id)
    return [
        order.idempotency_key for order in sorted(found, key=lambda order: order.created_at, reverse=True)
    ]


def pages(site: Site, limit: int, **filters: object) -> list[list[str]]:
    found: list[list[str]] = []
    after: Cursor | None = None
    for _ in range(100):
        page = find_orders(site.database, limit=limit, after=after, **filters)  # type: ignore[arg-type]
        found.append([order.idempotency_key for order in page.orders])
        if page.following is None:
            return found
        after = Cursor.read(str(page.following))
    raise AssertionError("the pages do not end")


@pytest.mark.parametrize("limit", [1, 2, 4, 21, 50])
def test_each_order_is_on_one_page(site: Site, keys: list[str], limit: int) -> None:
    found = pages(site, limit)
    assert [key for page in found for key in page] == keys
    assert all(len(page) <= limit for page in found)


def test_a_page_is_of_the_states_and_the_currency(site: Site, keys: list[str]) -> None:
    queued = pages(site, 4, states=[OrderStatus.QUEUED], currency="USD")
    assert [key for page in queued for key in page] == [key for key in keys if key.endswith("-0")]
    both = pages(site, 50, states=[OrderStatus.QUEUED, OrderStatus.CANCELLED])
    assert both == [keys]


def test_orders_that_come_meanwhile_move_nothing(site: Site, keys: list[str]) -> None:
    first = find_orders(site.database, limit=5)
    site.producer.enqueue([Order("u1", 100, "KRW", "new")])
    second = find_orders(site.database, limit=5, after=first.following)
    assert [order.idempotency_key for order in second.orders] == keys[5:10]
