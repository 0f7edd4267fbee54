"""Answers that are sent as a whole, past what the server does for each message and each header.

An extension of ASGI that our own server offers. With any other server the answer is sent in the usual way.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from starlette.types import Scope, Send

Header = tuple[bytes, bytes]
Write = Callable[[Scope, int, Sequence[Header], bytes], bool]
"""Takes the request's scope, status, headers and body. False: it cannot be written at once, and nothing was."""

EXTENSION = "breakwall.whole_answer"


async def send_whole(scope: Scope, send: Send, status: int, headers: Sequence[Header], body: bytes) -> None:
    """Send an answer. Nobody checks the headers: they must not hold what a client has sent."""
    length = (b"content-length", b"%d" % len(body))
    write: Write | None = scope.get("extensions", {}).get(EXTENSION)
    if write is not None and write(scope, status, (length, *headers), body):
        return
    await send({"type": "http.response.start", "status": status, "headers": [length, *headers]})
    await send({"type": "http.response.body", "body": body})
