"""The headers that every answer has, also one to a crash. Pure ASGI: streams pass unchanged."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

STATIC = "/static/"

# No script and style inside a page, nothing from elsewhere, no other site's frame around it.
POLICY = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    ]
)

HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}

# As the server writes them: made once, because every answer has them.
_OF_FILES = {name.lower().encode(): value.encode() for name, value in HEADERS.items()}
_OF_OTHERS = {**_OF_FILES, b"cache-control": b"no-store"}
OF_ANSWERS = list(_OF_OTHERS.items())
"""Those of an answer that is no file."""


class SecurityHeaders:
    """Adds the headers. Only static files may be kept by a browser or a proxy."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                ours = _OF_FILES if scope["path"].startswith(STATIC) else _OF_OTHERS
                message["headers"] = [one for one in message["headers"] if one[0] not in ours] + list(
                    ours.items()
                )
            await send(message)

        await self._app(scope, receive, send_with_headers if scope["type"] == "http" else send)
