"""A parameter that an address does not have is refused, so that a misspelt filter does not show everything."""

from __future__ import annotations

import pytest

from breakwall.access.scopes import Scope
from breakwall.access.stored_tokens import create_token
from tests.contract.people import ANNA
from tests.contract.web.api_site import ApiSite


@pytest.mark.parametrize(
    ("address", "wrong"),
    [
        ("/v1/orders?state=dead", "state"),
        ("/v1/orders?status=dead&state=dead", "state"),
        ("/v1/orders?Status=dead", "Status"),
        ("/v1/orders/cart-1?wiat=10", "wiat"),
        ("/v1/audit?user=anna", "user"),
        ("/v1/backlog/history?from=2026-11-30T00:00:00Z", "from"),
        ("/v1/backlog?x", "x"),
        ("/v1/backlog?x=", "x"),
    ],
)
def test_an_unknown_parameter_is_refused_by_its_name(api: ApiSite, address: str, wrong: str) -> None:
    answer = api.client.get(address)
    assert answer.status_code == 422
    assert answer.json()["type"] == "/problems/invalid-request"
    assert list(answer.json()["errors"]) == [wrong]


def test_the_answer_names_the_parameters_that_there_are(api: ApiSite) -> None:
    errors = api.client.get("/v1/orders?state=dead").json()["errors"]
    assert errors == {"state": "is no parameter of this address, which has status, limit, cursor"}


def test_a_name_that_may_be_a_secret_is_not_repeated(api: ApiSite) -> None:
    assert "4111" not in api.client.get("/v1/orders?4111111111111111=1").text


@pytest.mark.parametrize(
    "address", ["/?lang=ko", "/orders?status=dead&utm=x", "/healthz?probe=1", "/metrics?x=1"]
)
def test_addresses_for_browsers_and_probes_take_any(api: ApiSite, address: str) -> None:
    assert api.client.get(address).status_code == 200


def test_who_has_no_token_is_told_that_first(api: ApiSite) -> None:
    create_token(api.site.database, "shop", frozenset({Scope.OPS_READ}), ANNA, clock=api.site.clock)
    assert api.client.get("/v1/backlog?access_token=x").status_code == 401
