"""Refuses parameters in the address that a route of the API does not have: a misspelt filter would show everything."""

from __future__ import annotations

from typing import Any

from fastapi import Request

from breakwall.web.problems import invalid
from breakwall.web.validation import MOST_ERRORS, field_name

API = "/v1/"


def refuse_unknown_parameters(request: Request) -> None:
    """Raise `ProblemError` (422) if the address has a parameter that the OpenAPI document does not name.

    Only of requests that read something. The routes of the page are in no document, and are not asked.
    """
    if not request.url.query or request.method != "GET" or not request.url.path.startswith(API):
        return
    known = _known(request)
    unknown = [name for name in request.query_params if name not in known]
    if unknown:
        would_be = f"is no parameter of this address{_named(known)}"
        raise invalid({field_name(name): would_be for name in unknown[:MOST_ERRORS]})


def _known(request: Request) -> list[str]:
    documents: dict[str, Any] = request.app.openapi()["paths"]
    operation = documents[request.scope["route"].path_format]["get"]
    return [one["name"] for one in operation.get("parameters", ()) if one["in"] == "query"]


def _named(known: list[str]) -> str:
    return f", which has {', '.join(known)}" if known else ""
