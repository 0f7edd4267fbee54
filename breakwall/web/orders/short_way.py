"""The short way of `POST /v1/orders`: the framework's way there and back costs as much as the order itself. Pure ASGI.

It takes the plain requests that end well. Whatever else has to be answered is left to the framework: before an order is
placed it gets the request as it came, and afterwards what came of it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi import FastAPI
from pydantic import ValidationError
from starlette.requests import HTTPConnection
from starlette.types import Message, Receive, Scope, Send

from breakwall import tracing
from breakwall.access.scopes import Scope as AccessScope
from breakwall.payments.orders import InvalidOrderError, Order
from breakwall.producers import PlaceResult
from breakwall.urls.host_names import host_in
from breakwall.web.access.access import IDENTIFIED
from breakwall.web.access.principal import Principal
from breakwall.web.access.security_headers import OF_ANSWERS
from breakwall.web.body_limit import MAX_BODY
from breakwall.web.orders.answers import placed_parts
from breakwall.web.orders.bodies import NewOrder
from breakwall.web.orders.keys import key_in
from breakwall.web.orders.place import PATH, PLACED, order_under, place
from breakwall.web.orders.preferences import NONE, Preferences, preferences_in
from breakwall.web.problems import ProblemError
from breakwall.web.whole_answers import send_whole

Headers = dict[bytes, bytes]

_MOST_DIGITS = len(str(MAX_BODY))
_JSON = b"application/json"
# With one of them, a request is a browser's, or has a body of another kind.
_ELSEWHERE = frozenset({b"cookie", b"origin", b"sec-fetch-site", b"transfer-encoding"})


class ShortWay:
    """Stands before ``app``, with all that `create_app` puts around the routes."""

    def __init__(self, app: FastAPI) -> None:
        self._app = app
        self._state = app.state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = plain_headers(scope)
        principal = None if headers is None else self._principal(scope, headers)
        key = None if headers is None or principal is None else _key_in(headers)
        if headers is None or key is None:
            await self._app(scope, receive, send)
            return
        came = [await receive()]
        while came[-1].get("more_body"):
            came.append(await receive())
        order = _order_in(came, key)
        if order is None:
            await self._app(scope, _again(came, receive), send)
            return
        scope[IDENTIFIED] = principal
        await self._place(order, _preferred(headers), scope, receive, send)

    def _principal(self, scope: Scope, headers: Headers) -> Principal | None:
        """Whoever may place the order, as the guard and the route decide it; None also if that needs the database."""
        host = host_in(headers.get(b"host", b"").decode("latin-1"))
        if host is None or not self._state.is_own_host(host):
            return None
        try:
            found: Principal | None = self._state.access.identify_at_once(HTTPConnection(scope))
        except ProblemError:
            return None
        return found if found is not None and AccessScope.ORDERS_WRITE in found.scopes else None

    async def _place(
        self, order: Order, preferred: Preferences, scope: Scope, receive: Receive, send: Send
    ) -> None:
        try:
            result = await place(self._state.services, order, preferred)
        except Exception as error:
            scope[PLACED] = _raising(error)
        else:
            parts = placed_parts(order.idempotency_key, result, preferred.headers)
            if parts is not None:
                status, more, body = parts
                await send_whole(scope, send, status, more + OF_ANSWERS, body)
                return
            scope[PLACED] = _returning(result)
        await self._app(scope, receive, send)


def plain_headers(scope: Scope) -> Headers | None:
    """The headers of a plain order. None: the framework reads them, and bounds the body, and makes the span."""
    if scope["type"] != "http" or scope["path"] != PATH or scope["method"] != "POST" or tracing.is_on():
        return None
    headers = dict(scope["headers"])
    is_plain = len(headers) == len(scope["headers"]) and headers.keys().isdisjoint(_ELSEWHERE)
    return headers if is_plain and _has_short_json(headers) else None


def _has_short_json(headers: Headers) -> bool:
    """Whether JSON of an allowed length is announced, to which the server holds the client."""
    length = headers.get(b"content-length", b"")
    is_short = length.isdigit() and len(length) <= _MOST_DIGITS and int(length) <= MAX_BODY
    return is_short and headers.get(b"content-type") == _JSON


def _key_in(headers: Headers) -> str | None:
    """None: it is missing or wrong, which the framework answers before it waits for the body."""
    try:
        return key_in(headers.get(b"idempotency-key", b"").decode("latin-1"))
    except ProblemError:
        return None


def _order_in(came: list[Message], key: str) -> Order | None:
    """None: something is wrong with it, or its client left before it had sent the body as a whole."""
    if came[-1]["type"] != "http.request":
        return None
    try:
        return order_under(NewOrder.model_validate_json(b"".join(one["body"] for one in came)), key)
    except (ProblemError, ValidationError, InvalidOrderError):
        return None


def _preferred(headers: Headers) -> Preferences:
    prefer = headers.get(b"prefer")
    return NONE if prefer is None else preferences_in([prefer.decode("latin-1")])


def _again(came: list[Message], receive: Receive) -> Receive:
    """What has come of a request, and then the rest."""

    async def receive_again() -> Message:
        return came.pop(0) if came else await receive()

    return receive_again


def _raising(error: Exception) -> Callable[[], PlaceResult]:
    def fail() -> PlaceResult:
        raise error

    return fail


def _returning(result: PlaceResult) -> Callable[[], Any]:
    return lambda: result
