from __future__ import annotations

from threading import Timer
from typing import Any
from urllib.parse import quote

import pytest
from httpx2 import Response

from breakwall.access.scopes import Scope
from breakwall.payments.ledger.pruning import Pruning
from breakwall.payments.orders import OrderStatus
from breakwall.web.access.principal import Principal
from breakwall.web.orders.documents import OrderHistory
from breakwall.web.orders.read import READER
from tests.contract.people import ANNA, dead, in_review, queued
from tests.contract.site import order
from tests.contract.web.api_site import ApiSite
from tests.contract.web.orders.requests import document, place_order, problem
from tests.gateway import PAID
from tests.stopwatch import timed

HISTORY = {"attempts", "interventions", "incidents", "outcomes"}


def get(api: ApiSite, name: str = "cart-1", **query: Any) -> Response:
    return api.client.get(f"/v1/orders/{name}", params=query)


def got(api: ApiSite, name: str = "cart-1", **query: Any) -> Any:
    return document(OrderHistory, get(api, name, **query))


@pytest.fixture
def shop(api: ApiSite) -> ApiSite:
    """The API, called by one who may place orders and nothing else."""
    api.app.dependency_overrides[READER.dependency] = lambda: Principal(
        "shop", frozenset({Scope.ORDERS_WRITE})
    )
    return api


def test_an_order_is_found_by_its_id_and_by_its_key(api: ApiSite) -> None:
    (order_id,) = queued(api.site)
    found = [got(api, order_id), got(api), got(api, order_id, by="id"), got(api, by="key")]
    assert {one["id"] for one in found} == {order_id}
    assert [get(api, order_id, by="key").status_code, get(api, by="id").status_code] == [404, 404]


@pytest.mark.parametrize("key", ["shop/17", "shop/17/retry", "장바구니 17", "50% off", "a?b#c", "batch"])
def test_a_key_may_have_any_character(api: ApiSite, key: str) -> None:
    api.site.producer.enqueue([order(key)])
    assert got(api, quote(key, safe=""))["idempotency_key"] == key


def test_the_address_of_a_placed_order_leads_to_it(api: ApiSite) -> None:
    api.site.open_circuit()
    location = place_order(api.client).headers["location"]
    assert document(OrderHistory, api.client.get(location))["idempotency_key"] == "cart-1"


def test_a_wait_ends_when_the_process_stops(api: ApiSite) -> None:
    queued(api.site)
    portal = api.client.portal
    assert portal is not None
    Timer(0.2, lambda: portal.call(api.services.stopping.begin)).start()
    found, seconds = timed(lambda: got(api, wait=30))
    assert (found["status"], seconds < 5) == ("queued", True)


def test_a_name_that_fits_two_orders_is_refused(api: ApiSite) -> None:
    (order_id,) = queued(api.site)
    queued(api.site, order_id)
    answer = get(api, order_id)
    assert (answer.status_code, problem(answer)) == (409, "ambiguous-name")
    assert got(api, order_id, by="id")["idempotency_key"] == "cart-1"
    assert got(api, order_id, by="key")["idempotency_key"] == order_id


@pytest.mark.parametrize("name", ["cart-2", "%00", "%ED%A0%80", "", "a" * 5000])
def test_an_unknown_name_is_not_found(api: ApiSite, name: str) -> None:
    answer = get(api, name)
    assert (answer.status_code, problem(answer)) == (404, "not-found")


def test_what_is_kept_of_a_pruned_order_is_told(api: ApiSite) -> None:
    api.site.gateway.answers.append(PAID)
    api.site.producer.place(order())
    api.site.advance(100 * 86_400)
    pruning = Pruning(
        api.site.database,
        keys_for=400 * 86_400,
        clock=api.site.clock,
        sleep=lambda seconds: None,
        timer=lambda: 0.0,
    )
    assert sum(pruned for pruned, _ in pruning.run(90 * 86_400)) == 1
    answer = get(api)
    assert (answer.status_code, problem(answer)) == (410, "order-pruned")
    assert answer.json()["order"]["status"] == "paid"
    again = place_order(api.client)
    assert (again.status_code, again.headers["idempotent-replayed"]) == (201, "true")


class TestHistory:
    def test_operators_see_all_that_happened(self, api: ApiSite) -> None:
        order_id = in_review(api.site)
        api.site.people.resolve_not_charged(order_id, ANNA)
        found = got(api, order_id)
        assert [attempt["outcome"] for attempt in found["attempts"]] == ["failed"]
        assert [done["actor"] for done in found["interventions"]] == ["anna"]
        assert set(found) >= HISTORY

    def test_who_only_places_orders_sees_the_order_without_its_history(self, shop: ApiSite) -> None:
        dead(shop.site)
        found = got(shop)
        assert found["status"] == "dead"
        assert not set(found) & HISTORY

    def test_no_payment_method_is_shown(self, api: ApiSite) -> None:
        place_order(api.client, payment_method="pm_secret", headers={"Prefer": "respond-async"})
        assert got(api)["has_payment_method"]
        assert "pm_secret" not in get(api).text


class TestWait:
    def test_an_order_is_answered_when_it_ends(self, api: ApiSite) -> None:
        (order_id,) = queued(api.site)
        ending = Timer(0.05, lambda: api.site.people.resolve_paid(order_id, "ch_1", ANNA))
        ending.start()
        assert got(api, wait=30)["status"] == OrderStatus.PAID
        ending.join()

    def test_after_the_wait_it_is_answered_as_it_is(self, api: ApiSite) -> None:
        queued(api.site)
        assert got(api, wait=0.05)["status"] == OrderStatus.QUEUED

    @pytest.mark.parametrize("wait", ["-1", "31", "nan", "inf", "soon"])
    def test_it_is_bounded(self, api: ApiSite, wait: str) -> None:
        answer = get(api, wait=wait)
        assert (answer.status_code, list(answer.json()["errors"])) == (422, ["wait"])
