"""Takes the address out of a request's span: it holds names of orders and of people. Pure ASGI: streams pass."""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send

from breakwall import tracing


class SpanAddresses:
    """Leaves ``http.route``, the address without its values."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            tracing.redact("url.path", *(["url.query"] if scope["query_string"] else []))
        await self._app(scope, receive, send)
