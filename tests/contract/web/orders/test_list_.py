from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Connection

from breakwall.payments.ledger import queries
from breakwall.web.orders.documents import OrderPage
from tests.contract.people import crowd, dead, explain, queued
from tests.contract.site import Site, order
from tests.contract.web.api_site import ApiSite
from tests.contract.web.orders.requests import document, problem


def page(api: ApiSite, address: str = "/v1/orders", **query: Any) -> Any:
    return document(OrderPage, api.client.get(address, params=query or None))


def pages(api: ApiSite, **query: Any) -> list[list[str]]:
    """The keys of each page, as a client reads them that follows the links."""
    found, address = [], "/v1/orders"
    while True:
        answer = api.client.get(address, params=query or None)
        found.append([one["idempotency_key"] for one in document(OrderPage, answer)["orders"]])
        if "next" not in answer.links:
            return found
        address, query = answer.links["next"]["url"], {}


def test_the_newest_orders_come_first(api: ApiSite) -> None:
    queued(api.site, "cart-1", "cart-2", "cart-3")
    assert [one["idempotency_key"] for one in page(api)["orders"]] == ["cart-3", "cart-2", "cart-1"]


def test_each_order_is_in_one_page(api: ApiSite) -> None:
    api.site.producer.enqueue([order(f"cart-{number}") for number in range(5)])  # All at the same moment.
    queued(api.site, "cart-5", "cart-6")
    found = pages(api, limit=2)
    assert [len(one) for one in found] == [2, 2, 2, 1]
    assert sorted(key for one in found for key in one) == [f"cart-{number}" for number in range(7)]


def test_the_last_page_has_no_next_one(api: ApiSite) -> None:
    queued(api.site, "cart-1", "cart-2")
    assert page(api, limit=2)["next"] is None


def test_an_order_that_comes_meanwhile_moves_no_page(api: ApiSite) -> None:
    queued(api.site, "cart-1", "cart-2", "cart-3")
    first = page(api, limit=2)
    queued(api.site, "cart-4")
    assert [one["idempotency_key"] for one in page(api, limit=2, cursor=first["next"])["orders"]] == [
        "cart-1"
    ]


def test_a_status_can_be_chosen_and_the_next_page_keeps_it(api: ApiSite) -> None:
    dead(api.site, "cart-1", "cart-2", "cart-3")
    queued(api.site, "cart-4")
    assert pages(api, status="dead", limit=2) == [["cart-3", "cart-2"], ["cart-1"]]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("status", "lost"),
        ("limit", "0"),
        ("limit", "501"),
        ("cursor", "x"),
        ("cursor", "W10"),
        ("cursor", "bnVsbA"),
        ("cursor", "WyIyMDI2LTAxLTAxIiwgIlx1MDAwMCJd"),
        ("cursor", "x" * 201),
    ],
)
def test_a_bad_parameter_is_named(api: ApiSite, name: str, value: str) -> None:
    answer = api.client.get("/v1/orders", params={name: value})
    assert (answer.status_code, problem(answer), list(answer.json()["errors"])) == (
        422,
        "invalid-request",
        [name],
    )


def test_a_page_is_a_range_of_an_index(site: Site) -> None:
    """So it costs the same wherever it is in the list."""

    def plan(connection: Connection) -> str:
        crowd(connection)
        last = connection.execute(queries._select_orders(connection).limit(1).offset(5_000)).one()
        wanted = queries._select_orders(connection).where(
            queries.orders.c.status == "dead", queries._follows(last.created_at, last.id)
        )
        return explain(
            connection, wanted.order_by(queries.orders.c.created_at.desc(), queries.orders.c.id).limit(50)
        )

    found = site.database.write(plan, name="crowd")
    assert "ix_orders_status_created" in found
    assert "created_at<" in found.replace(" ", "")
