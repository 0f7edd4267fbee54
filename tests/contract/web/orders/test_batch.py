from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from breakwall.payments.ledger.queries import list_orders
from breakwall.web.orders.batch import MAX_BODY
from breakwall.web.orders.documents import BatchResult
from tests.contract.web.api_site import ApiSite
from tests.contract.web.orders.requests import BODY, document, place_order, problem
from tests.gateway import DECLINED

CARD = "4242424242424242"


def one(key: str, **fields: object) -> dict[str, object]:
    return {**BODY, "idempotency_key": key, **fields}


def send(api: ApiSite, *orders: object) -> Any:
    return api.client.post("/v1/orders/batch", json={"orders": orders})


def sent(api: ApiSite, *orders: object) -> Any:
    return document(BatchResult, send(api, *orders))


def statuses(result: Any) -> list[int]:
    return [item["http_status"] for item in result["orders"]]


def keys(api: ApiSite) -> set[str]:
    return {order.idempotency_key for order in list_orders(api.site.database, limit=1000)}


def test_each_order_is_queued_and_has_its_result_in_the_same_order(api: ApiSite) -> None:
    result = sent(api, *(one(f"cart-{number}") for number in range(20)))
    assert statuses(result) == [202] * 20
    assert [item["order"]["idempotency_key"] for item in result["orders"]] == [f"cart-{n}" for n in range(20)]
    assert {item["order"]["status"] for item in result["orders"]} == {"queued"}
    assert (result["accepted"], result["already_known"], result["refused"]) == (20, 0, 0)
    assert not api.site.gateway.charged


def test_a_refused_order_does_not_stop_the_others(api: ApiSite) -> None:
    sent(api, one("known"))
    result = sent(
        api,
        one("cart-1"),
        one("cart-2", amount=True),
        one("known", amount=1),
        one("cart-3", description=CARD),
        one("cart-4", charge_before="2026-01-01T00:00:00Z"),
        one("cart-5", gateway="another"),
        17,
        {"user_id": "u1"},
        one("cart-6"),
    )
    assert statuses(result) == [202, 422, 422, 422, 422, 422, 422, 422, 202]
    assert (result["accepted"], result["refused"]) == (2, 7)
    assert keys(api) == {"known", "cart-1", "cart-6"}
    problems = [item["problem"]["type"].rpartition("/")[2] for item in result["orders"] if "problem" in item]
    assert problems == ["invalid-request", "idempotency-conflict", *["invalid-request"] * 5]
    assert list(result["orders"][4]["problem"]["errors"]) == ["charge_before"]


def test_the_same_batch_again_changes_nothing(api: ApiSite) -> None:
    first = sent(api, one("cart-1"), one("cart-2"))
    again = sent(api, one("cart-1"), one("cart-2"), one("cart-3"))
    assert [item["order"]["id"] for item in again["orders"][:2]] == [
        item["order"]["id"] for item in first["orders"]
    ]
    assert (again["accepted"], again["already_known"], again["refused"]) == (1, 2, 0)


def test_a_known_order_has_the_status_of_a_request_for_it_alone(api: ApiSite) -> None:
    api.site.gateway.answers.append(DECLINED)
    place_order(api.client)
    assert statuses(sent(api, one("cart-1"))) == [402]


def test_a_key_that_comes_twice_is_one_order(api: ApiSite) -> None:
    result = sent(api, one("cart-1"), one("cart-1"), one("cart-1", amount=1))
    assert statuses(result) == [202, 202, 422]
    assert (result["accepted"], result["already_known"], result["refused"]) == (1, 1, 1)
    assert api.site.get().amount == BODY["amount"]


def test_of_the_same_batch_sent_at_once_each_order_is_accepted_once(api: ApiSite) -> None:
    batch = [one(f"cart-{number}") for number in range(50)]
    with ThreadPoolExecutor(6) as threads:
        results = list(threads.map(lambda _: sent(api, *batch), range(6)))
    assert sum(result["accepted"] for result in results) == 50
    assert sum(result["already_known"] for result in results) == 250


@pytest.mark.parametrize("orders", [[], [one(f"cart-{number}") for number in range(501)]])
def test_a_batch_has_1_to_500_orders(api: ApiSite, orders: list[object]) -> None:
    answer = send(api, *orders)
    assert (answer.status_code, problem(answer), list(answer.json()["errors"])) == (
        422,
        "invalid-request",
        ["orders"],
    )
    assert not keys(api)


def test_a_batch_of_500_orders_with_long_texts_fits(api: ApiSite) -> None:
    result = sent(api, *(one(f"cart-{number}" + "x" * 200, description="y" * 500) for number in range(500)))
    assert statuses(result) == [202] * 500


def test_a_batch_is_bounded(api: ApiSite) -> None:
    assert send(api, one("cart-1", description="y" * MAX_BODY)).status_code == 413


def test_without_a_valid_token_the_body_is_not_read(api: ApiSite) -> None:
    sent: list[Any] = []

    async def receive() -> Any:
        raise AssertionError("the body is read")

    async def note(message: Any) -> None:
        sent.append(message)

    headers = {
        "host": "127.0.0.1",
        "authorization": "Bearer bw_wrong",
        "content-type": "application/json",
        "content-length": str(MAX_BODY),
    }
    scope = {
        "type": "http",
        "method": "POST",
        "scheme": "http",
        "path": "/v1/orders/batch",
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
    }
    assert api.client.portal is not None
    api.client.portal.call(api.app, scope, receive, note)
    assert sent[0]["status"] == 401
