"""The short way of `POST /v1/orders` from the socket to `place_order`: the framework's way there costs as much as the
order itself. Pure ASGI."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import Request
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from breakwall.web.body_limit import MAX_BODY
from breakwall.web.orders.place import ALLOWED, PATH, place_order

_MOST_DIGITS = len(str(MAX_BODY))


class ShortWay:
    """Answers what it can as the routes behind it would, and leaves the rest to them.

    ``handlers`` answer errors, by their class. What none of them answers is raised.
    """

    def __init__(self, app: ASGIApp, *, handlers: Mapping[Any, Any]) -> None:
        self._app = app
        known = {kind: handler for kind, handler in handlers.items() if kind is not Exception}
        self._place = ExceptionMiddleware(_place, known)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await (self._place if is_plain_order(scope) else self._app)(scope, receive, send)


def is_plain_order(scope: Scope) -> bool:
    """Not if the request is traced, which the framework does, or if its body may be larger than is allowed."""
    if scope["type"] != "http" or scope["path"] != PATH or scope["method"] != "POST":
        return False
    return "fastapi.telemetry" not in scope and _has_short_body(scope["headers"])


def _has_short_body(headers: list[tuple[bytes, bytes]]) -> bool:
    """Whether one length is announced, to which the server holds the client, and no chunks."""
    found = [one for one in headers if one[0] in {b"content-length", b"transfer-encoding"}]
    if len(found) != 1 or found[0][0] != b"content-length":
        return False
    length = found[0][1]
    return length.isdigit() and len(length) <= _MOST_DIGITS and int(length) <= MAX_BODY


async def _place(scope: Scope, receive: Receive, send: Send) -> None:
    request = Request(scope, receive, send)
    await ALLOWED.dependency(request)
    response = await place_order(request)
    await response(scope, receive, send)
