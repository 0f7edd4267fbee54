"""Which methods an address has."""

from __future__ import annotations

from fastapi import Request
from starlette.routing import Match

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


def allowed_methods(request: Request) -> list[str]:
    """The methods of the request's address, over all routes: the framework names those of one route only."""
    found = {method for method in METHODS if _is_routed(request, method)}
    if "GET" in found:
        found.add("HEAD")
    return [method for method in METHODS if method in {*found, "OPTIONS"}]


def _is_routed(request: Request, method: str) -> bool:
    scope = {**request.scope, "method": method}
    return any(route.matches(scope)[0] is Match.FULL for route in request.app.routes)
