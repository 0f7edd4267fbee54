"""The OpenAPI document: what FastAPI knows of the routes, and the problems and scopes that it does not know."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import iter_route_contexts

from breakwall.access.scopes import Scope
from breakwall.web.problems import MEDIA_TYPE, PATH

TAGS = [
    {"name": "orders", "description": "Place orders, look at them, and act on one."},
    {"name": "bulk retries", "description": "Retry all orders that match, at a rate."},
    {"name": "operations", "description": "The backlog, its history, the workers, and a stream of events."},
    {"name": "breaker", "description": "The circuit: see it, override it, probe now."},
    {"name": "queue", "description": "Pause the queue of waiting orders, or limit its rate."},
    {"name": "audit", "description": "What people did, and why."},
    {"name": "hooks", "description": "What the payment service calls."},
    {"name": "metrics", "description": "For Prometheus."},
    {"name": "health", "description": "For whoever starts and watches the process. They need no token."},
    {"name": "problems", "description": "What the `type` of a problem document leads to."},
]

SCHEME = "token"

SCOPES = {
    Scope.ORDERS_WRITE: "place orders, and look at one's own by its id or key",
    Scope.OPS_READ: "see the backlog, the circuit and all orders",
    Scope.OPS_WRITE: "retry, cancel, resolve, pause, override the circuit",
}

DESCRIPTION = f"""Orders are charged through a circuit breaker. While the payment service is down, they wait in a
durable queue; a worker charges them when it is back. No order is lost, and none is charged twice.

Every error is a problem document (RFC 9457). Its `type` is an address of this server, below `{PATH}`, that explains it.
Any request can be answered with 405 (another method), 421 (the `Host` header does not name this server) and 500; one
that changes something, with 403 if another site's page has sent it.
"""

_ERRORS = {
    "400": "The request cannot be read.",
    "401": "A valid token is needed.",
    "403": "The token has none of the scopes, or the request comes from another site.",
    "404": "Nothing has this id, key or address.",
    "413": "The body is too large.",
    "415": "The body has an unknown format.",
    "422": "A field is missing or has a wrong value.",
    "429": "Too many tries with a wrong token, or too many requests.",
    "503": "What this needs does not answer now.",
    "default": "Another problem, which any request can meet: 405, 421 or 500.",
}

_PROBLEM = {
    "title": "Problem",
    "description": "A problem document (RFC 9457). Some types have more members.",
    "type": "object",
    "required": ["type", "title", "status"],
    "properties": {
        "type": {
            "type": "string",
            "format": "uri-reference",
            "description": "Where the problem is explained.",
        },
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "What is wrong with this request, and what to do."},
        "errors": {
            "type": "object",
            "description": "By the field, what would be right. The values are not repeated.",
            "additionalProperties": {"type": "string"},
        },
    },
}

_METHODS = ("get", "put", "post", "delete", "patch")
_OF_THE_FRAMEWORK = ("HTTPValidationError", "ValidationError")  # Schemas of an answer that is never given.

Document = dict[str, Any]


def describe(app: FastAPI) -> None:
    """Let ``app`` complete its document, each time that FastAPI has made it anew."""
    make = app.openapi
    completed: Document = {}

    def openapi() -> Document:
        nonlocal completed
        document = make()
        if document is not completed:
            _complete(document, _scopes_by_operation(app))
            completed = document
        return document

    app.openapi = openapi  # type: ignore[method-assign]


def _complete(document: Document, scopes: dict[tuple[str, str], frozenset[Scope]]) -> None:
    components = document.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    schemas["Problem"] = _PROBLEM
    for name in _OF_THE_FRAMEWORK:
        schemas.pop(name, None)
    components["securitySchemes"] = {SCHEME: _scheme()}
    for path, operations in document["paths"].items():
        for method in _METHODS & operations.keys():
            operation = operations[method]
            _add_scopes(operation, scopes.get((path, method)))
            _add_problems(path, operation)


def _scheme() -> Document:
    listed = "; ".join(f"`{scope}`: {what}" for scope, what in SCOPES.items())
    return {
        "type": "http",
        "scheme": "bearer",
        "description": "A token of `breakwall token create`. An API without tokens, which listens on loopback, needs "
        f"none. Scopes: {listed}.",
    }


def _add_scopes(operation: Document, scopes: frozenset[Scope] | None) -> None:
    if scopes is None:
        return
    alternatives = sorted(scopes)
    operation["security"] = [{SCHEME: [scope]} for scope in alternatives] or [{SCHEME: []}]
    if alternatives:
        names = " or ".join(f"`{scope}`" for scope in alternatives)
        operation["description"] = f"{operation.get('description', '')}\n\nScope: {names}.".strip()


def _add_problems(path: str, operation: Document) -> None:
    # FastAPI's own answer to wrong fields is replaced; what a route says of its problems stays.
    if _is_of_the_framework(operation["responses"].get("422")):
        del operation["responses"]["422"]
    for status in _problems_of(path, operation):
        operation["responses"].setdefault(status, _problem(status))


def _problems_of(path: str, operation: Document) -> Iterator[str]:
    if "security" in operation:
        yield from ("401", "403", "429", "503")
    if "{" in path:
        yield "404"
    if "requestBody" in operation:
        yield from ("400", "413", "415")
    if "requestBody" in operation or "parameters" in operation:
        yield "422"
    yield "default"


def _is_of_the_framework(answer: Document | None) -> bool:
    return answer is not None and _OF_THE_FRAMEWORK[0] in str(answer)


def _problem(status: str) -> Document:
    schema = {"$ref": "#/components/schemas/Problem"}
    return {"description": _ERRORS[status], "content": {MEDIA_TYPE: {"schema": schema}}}


def _scopes_by_operation(app: FastAPI) -> dict[tuple[str, str], frozenset[Scope]]:
    """By path and method, the scopes of which a token needs one; without what needs no token."""
    found = {}
    for route in iter_route_contexts(app.routes):
        dependant = getattr(route, "dependant", None)
        for scopes in _scopes_in(dependant) if dependant else ():
            for method in route.methods or ():
                found[str(route.path_format), method.lower()] = scopes
    return found


def _scopes_in(dependant: Dependant) -> Iterator[frozenset[Scope]]:
    """What `allow` has noted on its dependencies."""
    if (scopes := getattr(dependant.call, "scopes", None)) is not None:
        yield scopes
    for one in dependant.dependencies:
        yield from _scopes_in(one)
