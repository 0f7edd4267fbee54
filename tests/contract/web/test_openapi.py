from __future__ import annotations

from typing import Annotated, Any

import pytest

from breakwall.access.scopes import Scope
from breakwall.web.access.principal import Principal, allow
from breakwall.web.openapi import SCOPES
from breakwall.web.problems import MEDIA_TYPE
from tests.contract.web.api_site import ApiSite

METHODS = {"get", "put", "post", "delete", "patch"}


@pytest.fixture
def document(api: ApiSite) -> dict[str, Any]:
    """With one more route, which needs a token."""

    @api.app.put("/tried/{name}", summary="A tried route", tags=["orders"])
    def put(name: str, body: dict[str, int], principal: Annotated[Principal, allow(Scope.OPS_WRITE)]) -> str:
        """It does nothing."""
        return name

    found: dict[str, Any] = api.client.get("/openapi.json").json()
    return found


def operations(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {
        f"{method} {path}": operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if method in METHODS
    }


def test_every_operation_says_what_it_is_for(document: dict[str, Any]) -> None:
    unexplained = [
        name
        for name, operation in operations(document).items()
        if not (operation.get("summary") and operation.get("description") and operation.get("tags"))
    ]
    assert unexplained == []


def test_every_tag_is_explained(document: dict[str, Any]) -> None:
    used = {tag for operation in operations(document).values() for tag in operation["tags"]}
    assert used <= {tag["name"] for tag in document["tags"]}


def test_every_operation_declares_its_problems(document: dict[str, Any]) -> None:
    for name, operation in operations(document).items():
        declared = set(operation["responses"])
        assert "default" in declared, name
        assert declared >= ({"401", "403", "429", "503"} if "security" in operation else set()), name
        assert declared >= ({"404"} if "{" in name else set()), name
        assert declared >= ({"400", "413", "415", "422"} if "requestBody" in operation else set()), name


def test_every_problem_is_a_problem_document(document: dict[str, Any]) -> None:
    for name, operation in operations(document).items():
        for status, answer in operation["responses"].items():
            if status in {"default", "400", "401", "403", "404", "413", "415", "422", "429"}:
                assert list(answer["content"]) == [MEDIA_TYPE], f"{name} {status}"


def test_what_needs_a_token_says_which_scope(document: dict[str, Any]) -> None:
    tried = document["paths"]["/tried/{name}"]["put"]
    assert tried["security"] == [{"token": ["ops:write"]}]
    assert tried["description"] == "It does nothing.\n\nScope: `ops:write`."
    assert "security" not in document["paths"]["/healthz"]["get"]


def test_every_route_needs_a_token_but_these(document: dict[str, Any]) -> None:
    free = {name for name, operation in operations(document).items() if "security" not in operation}
    assert free == {"get /healthz", "get /readyz", "get /problems", "get /problems/{slug}"}
    optional = {
        name for name, operation in operations(document).items() if {} in operation.get("security", [])
    }
    assert optional == {"post /v1/hooks/payment"}


def test_pages_and_forms_are_not_in_the_document(document: dict[str, Any]) -> None:
    roots = {path.split("/")[1] for path in document["paths"]}
    assert roots == {"v1", "metrics", "healthz", "readyz", "problems", "tried"}


def test_each_scope_is_explained(document: dict[str, Any]) -> None:
    assert set(SCOPES) == set(Scope)
    scheme = document["components"]["securitySchemes"]["token"]
    assert all(scope in scheme["description"] for scope in Scope)


def test_nothing_of_the_frameworks_own_errors_is_left(document: dict[str, Any]) -> None:
    assert "ValidationError" not in str(document)
