"""Orders that are refused: each answer names the field, never its value, and nothing is stored."""

from __future__ import annotations

import json
from typing import Any

import pytest

from breakwall.payments.ledger.queries import list_orders
from tests.contract.web.api_site import ApiSite
from tests.contract.web.orders.requests import BODY, place_order, problem

CARD = "4242424242424242"


def post(api: ApiSite, body: bytes, content_type: str = "application/json") -> Any:
    headers = {"Content-Type": content_type, "Idempotency-Key": "cart-1"}
    return api.client.post("/v1/orders", content=body, headers=headers)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("user_id", ""),
        ("user_id", "  "),
        ("user_id", 17),
        ("user_id", None),
        ("amount", 0),
        ("amount", -1),
        ("amount", True),
        ("amount", 10.0),
        ("amount", "10000"),
        ("amount", 2**63),
        ("amount", 10**30),
        ("currency", "krw"),
        ("currency", "XXQ"),
        ("payment_method", CARD),
        ("description", "x" * 501),
        ("description", f"paid by {CARD}"),
        ("metadata", {"cart": 17}),
        ("metadata", {"n" * 41: "17"}),
        ("metadata", {str(number): "17" for number in range(21)}),
        ("metadata", {"card": CARD}),
        ("gateway", "another"),
        ("charge_before", "yesterday"),
        ("charge_before", "2027-01-01T00:00:00"),
        ("charge_before", "2026-01-01T00:00:00Z"),
        ("charge_before", -1),
        ("charge_before", True),
        ("idempotency_key", "another"),
        ("colour", "red"),
        ("metadata", {CARD: 17}),
    ],
)
def test_a_bad_field_is_named_without_its_value(api: ApiSite, field: str, value: object) -> None:
    api.site.open_circuit()
    answer = place_order(api.client, **{field: value})
    assert (answer.status_code, problem(answer)) == (422, "invalid-request")
    assert list(answer.json()["errors"]) == [field]
    assert CARD not in answer.text
    assert not list_orders(api.site.database)


def test_an_unknown_field_whose_name_may_be_a_secret_is_not_repeated(api: ApiSite) -> None:
    answer = place_order(api.client, **{CARD: 1})
    assert (answer.status_code, list(answer.json()["errors"])) == (422, ["body"])
    assert CARD not in answer.text


def test_every_bad_field_is_named_at_once(api: ApiSite) -> None:
    answer = post(api, b'{"amount": "1", "colour": "red"}')
    assert set(answer.json()["errors"]) == {"user_id", "amount", "currency", "colour"}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b'{"user_id": "\\ud800", "amount": 1, "currency": "KRW"}',
        b'{"metadata": ' + b"[" * 30_000 + b"]" * 30_000 + b"}",
    ],
)
def test_a_body_that_is_no_json_is_refused(api: ApiSite, body: bytes) -> None:
    answer = post(api, body)
    assert (answer.status_code, problem(answer)) == (400, "malformed")
    assert not list_orders(api.site.database)


@pytest.mark.parametrize(
    "body",
    [
        b"[]",
        b"null",
        b'"order"',
        b'{"user_id": "u1", "amount": NaN, "currency": "KRW"}',
        b'{"user_id": "u1", "amount": 1, "currency": "KRW", "charge_before": NaN}',
        b'{"user_id": "u1", "amount": 1, "currency": "KRW", "charge_before": Infinity}',
        b'{"user_id": "u1", "amount": ' + b"9" * 4000 + b', "currency": "KRW"}',
    ],
)
def test_json_that_is_no_order_is_refused(api: ApiSite, body: bytes) -> None:
    answer = post(api, body)
    assert (answer.status_code, problem(answer)) == (422, "invalid-request")
    assert not list_orders(api.site.database)


@pytest.mark.parametrize("content_type", ["", "text/plain", "application/x-www-form-urlencoded"])
def test_a_body_must_say_that_it_is_json(api: ApiSite, content_type: str) -> None:
    answer = post(api, json.dumps(BODY).encode(), content_type)
    assert (answer.status_code, problem(answer)) == (415, "unsupported-media-type")


@pytest.mark.parametrize(
    "content_type", ["application/json; charset=utf-8", "Application/JSON", "application/a+json"]
)
def test_json_has_several_names(api: ApiSite, content_type: str) -> None:
    api.site.open_circuit()
    assert post(api, json.dumps(BODY).encode(), content_type).status_code == 202


def test_of_a_field_that_comes_twice_the_checked_one_is_stored(api: ApiSite) -> None:
    api.site.open_circuit()
    assert post(api, b'{"user_id": "u1", "amount": 5, "amount": 7, "currency": "KRW"}').status_code == 202
    assert api.site.get().amount == 7


def test_an_order_without_a_key_is_refused(api: ApiSite) -> None:
    answer = api.client.post("/v1/orders", json=BODY)
    assert (answer.status_code, problem(answer)) == (400, "idempotency-key-missing")
    assert not list_orders(api.site.database)


def test_a_key_in_the_body_alone_is_not_enough(api: ApiSite) -> None:
    answer = api.client.post("/v1/orders", json={**BODY, "idempotency_key": "cart-1"})
    assert (answer.status_code, problem(answer)) == (400, "idempotency-key-missing")


def test_a_key_in_the_body_may_be_the_one_in_the_header(api: ApiSite) -> None:
    api.site.open_circuit()
    assert place_order(api.client, idempotency_key="cart-1").status_code == 202


def test_a_key_that_looks_like_a_card_number_is_refused(api: ApiSite) -> None:
    answer = place_order(api.client, CARD)
    assert (answer.status_code, list(answer.json()["errors"])) == (422, ["idempotency_key"])
    assert CARD not in answer.text


def test_two_keys_are_refused(api: ApiSite) -> None:
    headers = [("Idempotency-Key", "cart-1"), ("Idempotency-Key", "cart-2")]
    answer = api.client.post("/v1/orders", json=BODY, headers=headers)
    assert (answer.status_code, problem(answer)) == (400, "idempotency-key-invalid")
