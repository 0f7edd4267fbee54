from __future__ import annotations

import json
from typing import Annotated

import pytest
from fastapi import Body
from fastapi.testclient import TestClient
from pydantic import BaseModel, ConfigDict

from breakwall.breaker.errors import StoreLostError
from breakwall.payments.db.errors import DatabaseUnavailableError, SchemaError
from breakwall.payments.interventions import InvalidAuthorError
from breakwall.payments.ledger.queries import AmbiguousNameError, Naming, OrderNotFoundError
from breakwall.payments.operator.locking import RefusedError
from breakwall.payments.orders import IdempotencyConflictError, InvalidOrderError
from breakwall.web.body_limit import MAX_BODY
from breakwall.web.problems import MEDIA_TYPE
from tests.contract.web.api_site import ADDRESS, ApiSite

CARD = "4242424242424242"


class Thing(BaseModel):
    model_config = ConfigDict(extra="forbid")

    amount: int
    texts: dict[str, int] = {}


@pytest.fixture
def client(api: ApiSite) -> TestClient:
    """With a few routes that fail."""

    @api.app.get("/tried/raise")
    def raise_(name: str) -> None:
        raise ERRORS[name][0]

    @api.app.post("/tried/thing")
    def take(thing: Annotated[Thing, Body()]) -> Thing:
        return thing

    @api.app.put("/tried/thing")
    def put() -> None: ...

    return TestClient(api.app, base_url=ADDRESS, raise_server_exceptions=False)


ERRORS: dict[str, tuple[Exception, int, str]] = {
    "no order": (OrderNotFoundError("no order has the id or key 'x'"), 404, "not-found"),
    "two orders": (AmbiguousNameError("x", {Naming.ID: "a", Naming.KEY: "b"}), 409, "ambiguous-name"),
    "refused": (RefusedError("it is paid"), 409, "refused"),
    "another order": (IdempotencyConflictError("k", ["amount"]), 422, "idempotency-conflict"),
    "order": (InvalidOrderError({"amount": "should be positive"}), 422, "invalid-request"),
    "author": (InvalidAuthorError("actor", "should be a name"), 422, "invalid-request"),
    "database": (DatabaseUnavailableError("db at 10.1.2.3 is gone"), 503, "unavailable"),
    "schema": (SchemaError("run db upgrade at 10.1.2.3"), 503, "unavailable"),
    "store": (StoreLostError("10.1.2.3"), 503, "unavailable"),
    "bug": (ZeroDivisionError("10.1.2.3"), 500, "internal"),
}


@pytest.mark.parametrize("name", ERRORS)
def test_each_error_is_a_problem_document_with_the_type_of_the_table(client: TestClient, name: str) -> None:
    answer = client.get("/tried/raise", params={"name": name})
    _, status, slug = ERRORS[name]
    assert answer.status_code == status
    assert answer.headers["content-type"] == MEDIA_TYPE
    assert answer.json()["type"] == f"/problems/{slug}"
    assert answer.json()["status"] == status
    assert "10.1.2.3" not in answer.text
    assert ("retry-after" in answer.headers) == (status == 503)


def test_the_fields_of_an_order_that_cannot_be_accepted_are_named(client: TestClient) -> None:
    answer = client.get("/tried/raise", params={"name": "order"})
    assert answer.json()["errors"] == {"amount": "should be positive"}


def test_a_name_of_two_orders_is_answered_with_the_id_of_each(client: TestClient) -> None:
    assert client.get("/tried/raise", params={"name": "two orders"}).json()["orders"] == {
        "id": "a",
        "key": "b",
    }


def test_an_unknown_address_is_a_problem(client: TestClient) -> None:
    answer = client.get("/nothing/here")
    assert (answer.status_code, answer.headers["content-type"]) == (404, MEDIA_TYPE)


def test_another_method_is_a_problem_and_all_methods_of_the_address_are_named(client: TestClient) -> None:
    answer = client.delete("/tried/thing")
    assert (answer.status_code, answer.headers["content-type"]) == (405, MEDIA_TYPE)
    assert answer.headers["allow"] == "POST, PUT, OPTIONS"


def test_the_methods_of_an_address_can_be_asked_for(client: TestClient) -> None:
    answer = client.options("/tried/thing")
    assert (answer.status_code, answer.headers["allow"]) == (204, "POST, PUT, OPTIONS")


def test_each_wrong_field_is_named_and_no_value_is_repeated(client: TestClient) -> None:
    sent = {"amount": CARD + "x", "texts": {CARD: "many"}, "card": CARD}
    answer = client.post("/tried/thing", json=sent)
    assert (answer.status_code, answer.headers["content-type"]) == (422, MEDIA_TYPE)
    assert list(answer.json()["errors"]) == ["amount", "texts.…", "card"]
    assert CARD not in answer.text


def test_a_missing_body_is_named(client: TestClient) -> None:
    answer = client.post("/tried/thing")
    assert answer.status_code == 422
    assert list(answer.json()["errors"]) == ["body"]


def test_what_is_no_json_is_answered_with_the_place(client: TestClient) -> None:
    answer = client.post("/tried/thing", content='{"amount": ', headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.headers["content-type"]) == (400, MEDIA_TYPE)
    assert "at character 11" in answer.json()["detail"]


def test_bytes_that_are_no_text_are_a_problem(client: TestClient) -> None:
    answer = client.post(
        "/tried/thing", content=b"\xff\xfe\x00", headers={"Content-Type": "application/json"}
    )
    assert (answer.status_code, answer.headers["content-type"]) == (400, MEDIA_TYPE)


def test_a_body_of_another_type_is_a_problem(client: TestClient) -> None:
    answer = client.post("/tried/thing", content="amount=1", headers={"Content-Type": "text/plain"})
    assert (answer.status_code, answer.headers["content-type"]) == (415, MEDIA_TYPE)


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_above_the_limit_is_a_problem(client: TestClient, *, chunked: bool) -> None:
    body = json.dumps({"amount": 1, "more": "x" * MAX_BODY}).encode()
    content = iter([body[:1000], body[1000:]]) if chunked else body
    answer = client.post("/tried/thing", content=content, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.headers["content-type"]) == (413, MEDIA_TYPE)
    assert answer.json()["type"] == "/problems/too-large"
