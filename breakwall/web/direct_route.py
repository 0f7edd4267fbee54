"""A route without what FastAPI does for each request: for the one address that gets most of them."""

from __future__ import annotations

from typing import Any

from fastapi import Request
from fastapi.routing import APIRoute
from starlette.types import Receive, Scope, Send


class DirectRoute(APIRoute):
    """Checks its ``dependencies``, then calls its endpoint, which reads the request and returns the response.

    The endpoint's only parameter, and each dependency's only required one, is the request. All of them are ``async``.
    It is documented like any other route. Added to the application itself, before any router, it is found at once.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._checks = [one.dependency for one in self.dependencies]
        self.app = self._answer

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive, send)
        for check in self._checks:
            await check(request)
        response = await self.endpoint(request)
        await response(scope, receive, send)
