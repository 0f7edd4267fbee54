"""HEAD wherever there is GET. FastAPI, unlike Starlette, adds it to no route."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send


class _HeadSentError(BaseException):
    """Ends a request after its head: the body of an event stream would have no end. No handler catches it."""


class HeadRequests:
    """Lets the routes of GET answer HEAD, without the body."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return

        async def send_head(message: Message) -> None:
            await send(message)
            if message["type"] == "http.response.start":
                await send({"type": "http.response.body"})
                raise _HeadSentError

        try:
            await self._app({**scope, "method": "GET"}, receive, send_head)
        except* _HeadSentError:
            pass
