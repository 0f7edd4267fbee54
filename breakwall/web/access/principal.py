"""Who calls a route, and the scopes that the route requires."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.concurrency import run_in_threadpool

from breakwall.access.scopes import Scope
from breakwall.web.problems import ProblemError, ProblemType


@dataclass(frozen=True, slots=True)
class Principal:
    """Whoever has sent a request."""

    name: str | None  # The token's name; None: the API runs without tokens, on loopback.
    scopes: frozenset[Scope]

    def actor(self, given: str | None) -> str:
        """Who is recorded as the author of an action: the token's name, or without tokens the name that was given."""
        return self.name or given or "unknown"


# For the OpenAPI document. `Access` reads the header itself, to refuse a wrong one.
_DOCUMENTED = HTTPBearer(
    auto_error=False,
    scheme_name="token",
    description="A token of `breakwall token create`. An API without tokens, on loopback, needs none.",
)


def allow(*scopes: Scope) -> Any:
    """A dependency that gives the `Principal`, and refuses one who has none of the scopes."""
    return Depends(_check(frozenset(scopes)))


def require(request: Request, *scopes: Scope) -> Principal:
    """The same for a route that finds out by itself whether it needs a token. It may read the database."""
    principal: Principal = request.app.state.access.identify(request)
    return _permitted(principal, frozenset(scopes))


def _check(scopes: frozenset[Scope]) -> Callable[..., Awaitable[Principal]]:
    async def principal(
        request: Request, _: Annotated[HTTPAuthorizationCredentials | None, Security(_DOCUMENTED)] = None
    ) -> Principal:
        access = request.app.state.access
        # Most requests are answered from memory. The others read the database, which must not hold up the event loop.
        found = access.identify_at_once(request)
        known: Principal = found or await run_in_threadpool(access.identify, request)
        return _permitted(known, scopes)

    principal.scopes = scopes  # type: ignore[attr-defined]  # For the OpenAPI document.
    return principal


def _permitted(principal: Principal, scopes: frozenset[Scope]) -> Principal:
    if scopes and not scopes & principal.scopes:
        names = " or ".join(sorted(scopes))
        challenge = f'Bearer error="insufficient_scope", scope="{" ".join(sorted(scopes))}"'
        raise ProblemError(
            ProblemType.FORBIDDEN,
            f"This needs a token with the scope {names}.",
            {"scopes": sorted(scopes)},
            {"WWW-Authenticate": challenge},
        )
    return principal
