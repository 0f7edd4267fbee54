"""Who calls a route, and the scopes that the route requires."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any

from fastapi import Depends, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from breakwall.access.scopes import Scope
from breakwall.actors import NO_NAME
from breakwall.web.known_parameters import refuse_unknown_parameters
from breakwall.web.problems import ProblemError, ProblemType


@dataclass(frozen=True, slots=True)
class Principal:
    """Whoever has sent a request."""

    name: str | None  # The token's name; None: the API runs without tokens, on loopback.
    scopes: frozenset[Scope]

    @property
    def may_act(self) -> bool:
        """Whether the page offers actions."""
        return Scope.OPS_WRITE in self.scopes

    def actor(self, given: str | None) -> str:
        """Who is recorded as the author of an action: the token's name, or without tokens the name that was given."""
        return self.name or given or NO_NAME


# For the OpenAPI document. `Access` reads the header itself, to refuse a wrong one.
_DOCUMENTED = HTTPBearer(
    auto_error=False,
    scheme_name="token",
    description="A token of `breakwall token create`. An API without tokens, on loopback, needs none.",
)


def allow(*scopes: Scope) -> Any:
    """A dependency that gives the `Principal`, and refuses one who has none of the scopes."""
    return Depends(_check(frozenset(scopes)))


async def require(request: Request, *scopes: Scope) -> Principal:
    """The same for a route that finds out by itself whether it needs a token."""
    principal: Principal = await request.app.state.access.principal(request)
    return _permitted(principal, frozenset(scopes))


async def while_allowed(request: Request, events: AsyncGenerator[str], *scopes: Scope) -> AsyncGenerator[str]:
    """An event stream, until its token or session has ended. Before each event that is asked, of the memory."""
    async with aclosing(events):
        async for event in events:
            if not await request.app.state.access.may_go_on(request, frozenset(scopes)):
                return
            yield event


@cache  # The same function for the same scopes, so that FastAPI calls it once for a request.
def _check(scopes: frozenset[Scope]) -> Callable[..., Awaitable[Principal]]:
    async def principal(
        request: Request, _: Annotated[HTTPAuthorizationCredentials | None, Security(_DOCUMENTED)] = None
    ) -> Principal:
        found = await require(request, *scopes)
        refuse_unknown_parameters(request)  # Not before it is known who asks.
        return found

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
