"""An order comes to the same end by the short way and by the framework's, which a request without a length takes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any, cast

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from httpx2 import Response
from starlette.types import Message, Receive, Scope, Send

from breakwall.access.scopes import Scope as AccessScope
from breakwall.access.stored_tokens import create_token, revoke_token
from breakwall.payments.ledger.queries import list_orders
from breakwall.payments.orders import OrderStatus
from breakwall.producers import PlaceResult
from breakwall.web.access.security_headers import HEADERS
from breakwall.web.body_limit import MAX_BODY
from breakwall.web.orders.short_way import ShortWay, plain_headers
from tests.contract.people import ANNA
from tests.contract.web.api_site import ADDRESS, ApiSite
from tests.contract.web.orders.requests import BODY, place_order, problem
from tests.gateway import DECLINED, PAID

KEY = {"Idempotency-Key": "cart-1"}
PLAIN = json.dumps(BODY).encode()
OTHER = json.dumps({**BODY, "amount": 5}).encode()


def send(api: ApiSite, body: bytes = PLAIN, *, short: bool, **headers: str) -> Response:
    content: bytes | Iterator[bytes] = body if short else iter([body])
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return api.client.post(
        "/v1/orders", content=content, headers={"Content-Type": "application/json", **KEY, **named}
    )


def shape(answer: Response) -> tuple[Any, ...]:
    fixed = {
        name: answer.headers.get(name)
        for name in (
            *HEADERS,
            "Cache-Control",
            "Content-Type",
            "Retry-After",
            "Preference-Applied",
            "Location",
        )
    }
    return answer.status_code, sorted(answer.headers), fixed, answer.json()


CASES: dict[str, tuple[int, bytes, dict[str, str]]] = {
    "accepted": (202, PLAIN, {}),
    "accepted, for a program that names what it takes": (202, PLAIN, {"Accept": "application/json"}),
    "a bare key": (202, PLAIN, {"Idempotency_Key": "cart-1"}),
    "for the queue": (202, PLAIN, {"Prefer": "respond-async"}),
    "with a wait": (202, PLAIN, {"Prefer": "wait=3, handling=lenient"}),
    "another order under the key": (422, OTHER, {}),
    "no key": (400, PLAIN, {"Idempotency_Key": ""}),
    "a key that never ends": (400, PLAIN, {"Idempotency_Key": '"cart'}),
    "no JSON": (400, b"{", {}),
    "JSON of another type": (202, PLAIN, {"Content_Type": "application/order+json"}),
    "another type": (415, PLAIN, {"Content_Type": "application/xml"}),
    "a field is wrong": (422, b'{"user_id": "u1", "amount": 0, "currency": "KRW"}', {}),
    "a card's number": (422, b'{"user_id": "4242424242424242", "amount": 1, "currency": "KRW"}', {}),
    "a wrong token": (401, PLAIN, {"Authorization": "Bearer bw_wrong"}),
    "a foreign host": (421, PLAIN, {"Host": "shop.example"}),
    "no host": (421, PLAIN, {"Host": ""}),
    "forwarded while there is no token": (403, PLAIN, {"X_Forwarded_For": "203.0.113.7"}),
    "another site's page": (403, PLAIN, {"Sec_Fetch_Site": "cross-site"}),
    "a page of another origin": (403, PLAIN, {"Origin": "https://shop.example"}),
    "a stolen cookie": (403, PLAIN, {"Cookie": "breakwall=x"}),
}


@pytest.mark.parametrize("case", CASES)
def test_both_ways_answer_the_same(api: ApiSite, case: str) -> None:
    api.site.open_circuit()
    place_order(api.client)  # The answers are those to a repeated request, so that they have one id.
    status, body, headers = CASES[case]
    answers = [send(api, body, short=short, **headers) for short in (True, False)]
    assert shape(answers[0]) == shape(answers[1])
    assert answers[0].status_code == status


@pytest.mark.parametrize(("charge", "status"), [(PAID, 201), (DECLINED, 402)])
def test_both_ways_answer_the_same_for_an_order_that_has_ended(
    api: ApiSite, charge: Any, status: int
) -> None:
    api.site.gateway.answers.append(charge)
    first = send(api, short=True, Prefer="wait=30")
    answers = [send(api, short=short) for short in (True, False)]
    assert shape(answers[0]) == shape(answers[1])
    assert first.status_code == answers[0].status_code == status


def test_a_token_without_the_scope_places_no_order(api: ApiSite) -> None:
    reader = create_token(
        api.site.database, "reader", frozenset({AccessScope.OPS_READ}), ANNA, clock=api.site.clock
    )
    for short in (False, True):  # From the first request on, the token is known.
        answer = send(api, short=short, Authorization=f"Bearer {reader}")
        assert (answer.status_code, problem(answer)) == (403, "forbidden")


class Framework:
    """Stands where the application stands, and counts what comes to it."""

    def __init__(self, app: FastAPI) -> None:
        self._app, self.state, self.requests = app, app.state, 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.requests += 1
        await self._app(scope, receive, send)


@pytest.fixture
def framework(api: ApiSite) -> Framework:
    found = Framework(api.app)
    api.client = TestClient(ShortWay(cast("FastAPI", found)), base_url=ADDRESS)
    return found


class TestWhatComesToTheFramework:
    @pytest.mark.parametrize("case", [name for name, (status, _, _) in CASES.items() if status == 202])
    def test_no_plain_order_that_is_accepted(self, api: ApiSite, framework: Framework, case: str) -> None:
        api.site.open_circuit()
        place_order(api.client)
        framework.requests = 0
        _, body, headers = CASES[case]
        send(api, body, short=True, **headers)
        assert framework.requests == (1 if "type" in case else 0)

    def test_an_order_that_failed_comes_once_and_is_not_placed_again(
        self, api: ApiSite, framework: Framework
    ) -> None:
        api.site.gateway.answers.append(DECLINED)
        assert send(api, short=True, Prefer="wait=30").status_code == 402
        assert (framework.requests, len(api.site.gateway.charged)) == (1, 1)

    def test_one_whose_client_left_before_the_end_of_its_body_with_what_has_come(self, api: ApiSite) -> None:
        came = [{"type": "http.request", "body": PLAIN, "more_body": True}, {"type": "http.disconnect"}]
        assert passed_on(api, came, key=b"cart-1") == came
        assert not list_orders(api.site.database)

    def test_one_with_a_wrong_key_before_its_body(self, api: ApiSite) -> None:
        assert passed_on(api, [], key=b'"cart') == []


def passed_on(api: ApiSite, came: list[Message], *, key: bytes) -> list[Message]:
    """What of the messages of a client comes to the framework."""
    api.app.state.access.tokens.refresh()  # Else the first request is the framework's in any case.
    left, found = list(came), []

    class Reader:
        state = api.app.state

        async def __call__(self, _: Scope, receive: Receive, __: Send) -> None:
            found.extend([await receive() for _ in came])

    async def receive() -> Message:
        return left.pop(0)

    async def send(_: Message) -> None:
        raise AssertionError("nothing is to be answered")

    headers = scope((b"host", b"127.0.0.1"), JSON, (LENGTH, b"900"), (b"idempotency-key", key))
    asyncio.run(ShortWay(cast("FastAPI", Reader()))(headers, receive, send))
    return found


def test_who_was_let_in_is_told_what_came_of_the_order_although_the_token_has_ended_meanwhile(
    api: ApiSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    database, clock = api.site.database, api.site.clock
    token = create_token(database, "shop", frozenset({AccessScope.ORDERS_WRITE}), ANNA, clock=clock)
    headers = {"Authorization": f"Bearer {token}"}
    assert send(api, short=True, **headers).status_code == 202  # The token is known from now on.

    async def place_and_revoke(*_: object) -> PlaceResult:
        revoke_token(database, "shop", ANNA, clock=clock)
        api.app.state.access.tokens.outdate()
        return PlaceResult("1", OrderStatus.DECLINED)

    monkeypatch.setattr("breakwall.web.orders.short_way.place", place_and_revoke)
    assert send(api, short=True, **headers).status_code == 402
    assert send(api, short=True, **headers).status_code == 401


LENGTH = b"content-length"
JSON = (b"content-type", b"application/json")


class TestWhatTakesTheShortWay:
    """The rest goes to the framework, which bounds the body and makes the request's span."""

    @pytest.mark.parametrize("length", [b"0", b"48", b"%d" % MAX_BODY])
    def test_a_body_with_an_allowed_length(self, length: bytes) -> None:
        assert plain_headers(scope(JSON, (LENGTH, length)))

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
        assert plain_headers(scope(JSON, *headers)) is None

    @pytest.mark.parametrize("header", [b"cookie", b"origin", b"sec-fetch-site"])
    def test_no_browser(self, header: bytes) -> None:
        assert plain_headers(scope(JSON, (LENGTH, b"48"), (header, b"x"))) is None

    @pytest.mark.parametrize("other", [{"path": "/v1/orders/"}, {"method": "GET"}, {"type": "websocket"}])
    def test_no_other_request(self, other: dict[str, Any]) -> None:
        assert plain_headers({**scope(JSON, (LENGTH, b"48")), **other}) is None

    def test_none_in_a_process_that_traces(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("breakwall.tracing.is_on", lambda: True)
        assert plain_headers(scope(JSON, (LENGTH, b"48"))) is None


def scope(*headers: tuple[bytes, bytes]) -> dict[str, Any]:
    return {"type": "http", "method": "POST", "path": "/v1/orders", "headers": list(headers)}
