"""The bound on bodies. A route that takes more says so with ``max_body_size``."""

from __future__ import annotations

from fastapi import FastAPI
from starlette.middleware.body_limit import RequestBodyLimitMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from breakwall.web.problems import ProblemError, ProblemType, problem_response

MAX_BODY = 64 * 1024  # Bytes. The largest order, with all of its optional texts in UTF-8, has half of that.


def limit_bodies(app: FastAPI) -> None:
    """Refuse bodies above `MAX_BODY`, chunked ones too, with 413."""
    app.add_middleware(RequestBodyLimitMiddleware, max_body_size=MAX_BODY)
    app.add_middleware(_TooLargeAsProblem)  # Added later, so it stands outside.


class _TooLargeAsProblem:
    """Starlette answers an announced length above the limit by itself, with plain text."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        replaced = False

        async def send_problem(message: Message) -> None:
            nonlocal replaced
            if _is_plain_413(message):
                replaced = True
                await _too_large()(scope, receive, send)
            elif not replaced:
                await send(message)

        await self._app(scope, receive, send_problem)


def _is_plain_413(message: Message) -> bool:
    if message["type"] != "http.response.start" or message["status"] != 413:
        return False
    return (b"content-type", b"text/plain; charset=utf-8") in message["headers"]


def _too_large() -> ASGIApp:
    return problem_response(
        ProblemError(ProblemType.TOO_LARGE, "The body is larger than this address takes.")
    )
