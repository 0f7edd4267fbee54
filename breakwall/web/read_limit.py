"""The bound on reads: whoever asks is answered, whatever hangs. Pure ASGI."""

from __future__ import annotations

import asyncio

from fastapi import Request
from starlette.datastructures import QueryParams
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from breakwall.web.orders.preferences import LONGEST_WAIT
from breakwall.web.page.problem_route import PageRoute, away
from breakwall.web.problems import ProblemError, ProblemType, problem_response

# Seconds. More than a read itself waits for the first snapshot or for the numbers of `/metrics`, and less than the 10
# that Prometheus waits.
LONGEST_READ = 8.0
RETRY_AFTER = 5  # Seconds.


class ReadLimit:
    """Answers a GET with 503 if its answer has not begun in time. An answer that has begun, such as a stream, goes on.

    The thread of such a read is left behind, with its connection, until the database answers or the connection breaks.
    It holds up no other request: the framework does not count it any more, and the pool of connections is what bounds
    such threads.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "GET":
            await self._app(scope, receive, send)
            return
        try:
            async with asyncio.timeout(LONGEST_READ + _asked_wait(scope)) as limit:

                async def send_in_time(message: Message) -> None:
                    limit.reschedule(None)
                    await send(message)

                await self._app(scope, receive, send_in_time)
        except TimeoutError:
            if not limit.expired():
                raise
            await _too_late(scope)(scope, receive, send)


def _asked_wait(scope: Scope) -> float:
    """Seconds that the caller wants to wait for an order's end; 0 if the text is no such number."""
    text = QueryParams(scope["query_string"]).get("wait", "0")
    try:
        return min(max(0.0, float(text)), LONGEST_WAIT)
    except ValueError:
        return 0.0


def _too_late(scope: Scope) -> ASGIApp:
    if isinstance(scope.get("route"), PageRoute):
        answer: ASGIApp = away(Request(scope))
        return answer
    return problem_response(
        ProblemError(
            ProblemType.UNAVAILABLE,
            f"What this request reads has not answered within {LONGEST_READ:g} seconds. Nothing was changed.",
            headers={"Retry-After": str(RETRY_AFTER)},
        )
    )
