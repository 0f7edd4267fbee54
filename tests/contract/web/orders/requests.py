"""Requests about orders, and what the API's own document says of the answers."""

from __future__ import annotations

from typing import Any

from fastapi.testclient import TestClient
from httpx2 import Response
from pydantic import BaseModel

from breakwall.web.orders.documents import PlacedOrder, ProblemDocument

BODY = {"user_id": "u1", "amount": 10_000, "currency": "KRW"}
WAITS = {"Prefer": "wait=30"}


def place_order(
    client: TestClient, key: str = "cart-1", *, headers: dict[str, str] = WAITS, **fields: Any
) -> Response:
    """Place an order. ``fields`` are more of the body's, or other ones."""
    return client.post("/v1/orders", json={**BODY, **fields}, headers={"Idempotency-Key": key, **headers})


def placed(answer: Response) -> PlacedOrder:
    """The order in an answer, which is as the API's document says."""
    document = answer.json()
    if answer.status_code == 402:
        assert problem(answer)
        document = document["order"]
    return PlacedOrder.model_validate(document)


def problem(answer: Response) -> str:
    """The last part of the problem's type."""
    assert answer.headers["content-type"] == "application/problem+json"
    document = ProblemDocument.model_validate(answer.json())
    assert document.status == answer.status_code
    return document.type.rpartition("/")[2]


def document(model: type[BaseModel], answer: Response) -> Any:
    """The answer's JSON, which is as the API's document says."""
    assert answer.status_code == 200, answer.text
    model.model_validate(answer.json())
    return answer.json()
