"""An order comes to the same end by the short way and by the framework's, which a request without a length takes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from httpx2 import Response

from breakwall.access.scopes import Scope
from breakwall.access.stored_tokens import create_token
from breakwall.web.access.security_headers import HEADERS
from breakwall.web.body_limit import MAX_BODY
from breakwall.web.orders.short_way import is_plain_order
from tests.contract.people import ANNA
from tests.contract.web.api_site import ApiSite
from tests.contract.web.orders.requests import BODY, place_order, problem

KEY = {"Idempotency-Key": "cart-1"}
PLAIN = json.dumps(BODY).encode()


def send(api: ApiSite, body: bytes = PLAIN, *, short: bool, **headers: str) -> Response:
    content: bytes | Iterator[bytes] = body if short else iter([body])
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return api.client.post(
        "/v1/orders", content=content, headers={"Content-Type": "application/json", **KEY, **named}
    )


def shape(answer: Response) -> tuple[Any, ...]:
    fixed = {
        name: answer.headers.get(name) for name in (*HEADERS, "Cache-Control", "Content-Type", "Retry-After")
    }
    return answer.status_code, sorted(answer.headers), fixed, answer.json()


CASES: dict[str, tuple[int, bytes, dict[str, str]]] = {
    "accepted": (202, PLAIN, {}),
    "no key": (400, PLAIN, {"Idempotency_Key": ""}),
    "no JSON": (400, b"{", {}),
    "another type": (415, PLAIN, {"Content_Type": "application/xml"}),
    "a field is wrong": (422, b'{"user_id": "u1", "amount": 0, "currency": "KRW"}', {}),
    "a wrong token": (401, PLAIN, {"Authorization": "Bearer bw_wrong"}),
    "a foreign host": (421, PLAIN, {"Host": "shop.example"}),
    "another site's page": (403, PLAIN, {"Sec_Fetch_Site": "cross-site"}),
}


@pytest.mark.parametrize("case", CASES)
def test_both_ways_answer_the_same(api: ApiSite, case: str) -> None:
    api.site.open_circuit()
    place_order(api.client)  # The answers are those to a repeated request, so that they have one id.
    status, body, headers = CASES[case]
    answers = [send(api, body, short=short, **headers) for short in (True, False)]
    assert shape(answers[0]) == shape(answers[1])
    assert answers[0].status_code == status


def test_a_token_without_the_scope_places_no_order(api: ApiSite) -> None:
    reader = create_token(
        api.site.database, "reader", frozenset({Scope.OPS_READ}), ANNA, clock=api.site.clock
    )
    for short in (True, False):
        answer = send(api, short=short, Authorization=f"Bearer {reader}")
        assert (answer.status_code, problem(answer)) == (403, "forbidden")


LENGTH = b"content-length"


class TestWhatTakesTheShortWay:
    """The rest goes to the framework, which bounds the body and makes the request's span."""

    @pytest.mark.parametrize("length", [b"0", b"48", b"%d" % MAX_BODY])
    def test_a_body_with_an_allowed_length(self, length: bytes) -> None:
        assert is_plain_order(scope((LENGTH, length)))

    @pytest.mark.parametrize(
        "headers",
        [
            (),
            ((LENGTH, b"%d" % (MAX_BODY + 1)),),
            ((LENGTH, b"9" * 5000),),
            ((LENGTH, b"-1"),),
            ((LENGTH, b""),),
            ((LENGTH, b"48"), (LENGTH, b"48")),
            ((LENGTH, b"48"), (b"transfer-encoding", b"chunked")),
            ((b"transfer-encoding", b"48"),),
        ],
    )
    def test_no_other_body(self, headers: tuple[tuple[bytes, bytes], ...]) -> None:
        assert not is_plain_order(scope(*headers))

    @pytest.mark.parametrize(
        "other", [{"path": "/v1/orders/"}, {"method": "GET"}, {"type": "websocket"}, {"fastapi.telemetry": 1}]
    )
    def test_no_other_request_and_none_that_is_traced(self, other: dict[str, Any]) -> None:
        assert not is_plain_order({**scope((LENGTH, b"48")), **other})


def scope(*headers: tuple[bytes, bytes]) -> dict[str, Any]:
    return {"type": "http", "method": "POST", "path": "/v1/orders", "headers": list(headers)}
