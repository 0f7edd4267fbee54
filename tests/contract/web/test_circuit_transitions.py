"""The circuit's transitions over HTTP."""

from __future__ import annotations

from typing import Any

import pytest

from breakwall.access.scopes import Scope
from breakwall.access.stored_tokens import create_token
from tests.circuit_changes import keep_transitions
from tests.contract.people import ANNA
from tests.contract.web.api_site import ApiSite

pytestmark = pytest.mark.one_database

PATH = "/v1/breakers/payment/transitions"


def page(api: ApiSite, **parameters: Any) -> Any:
    answer = api.client.get(PATH, params=parameters)
    assert answer.status_code == 200
    return answer.json()


def test_the_newest_comes_first_with_its_cause(api: ApiSite) -> None:
    keep_transitions(api.site.database)
    assert [one["cause"] for one in page(api)["transitions"]] == [
        "probes_succeeded",
        "interval_over",
        "failures",
    ]
    assert page(api)["transitions"][2] == {
        "at": "2026-11-28T12:00:01Z",
        "before": "closed",
        "after": "open",
        "cause": "failures",
        "failures": 3,
        "generation": 1,
        "open_count": 1,
    }


def test_pages_lead_from_one_to_the_next(api: ApiSite) -> None:
    keep_transitions(api.site.database, 7)
    seen, after = [], None
    for _ in range(3):
        found = page(api, limit=3, **({} if after is None else {"after": after}))
        seen.append([one["generation"] for one in found["transitions"]])
        after = found["next"]
    assert (seen, after) == ([[7, 6, 5], [4, 3, 2], [1]], None)


def test_a_circuit_that_never_changed_has_none(api: ApiSite) -> None:
    assert page(api) == {"transitions": [], "next": None}


def test_there_is_only_the_one_circuit(api: ApiSite) -> None:
    assert api.client.get("/v1/breakers/other/transitions").status_code == 404


@pytest.mark.parametrize(("name", "value"), [("limit", "0"), ("after", "x"), ("after", str(2**31))])
def test_a_wrong_parameter_is_named(api: ApiSite, name: str, value: str) -> None:
    answer = api.client.get(PATH, params={name: value})
    assert answer.status_code == 422
    assert name in answer.json()["errors"]


def test_it_needs_the_scope_to_read(api: ApiSite) -> None:
    codes = []
    for scope in (Scope.ORDERS_WRITE, Scope.OPS_READ):
        token = create_token(
            api.site.database, scope.value.replace(":", "-"), frozenset({scope}), ANNA, clock=api.site.clock
        )
        codes.append(api.client.get(PATH, headers={"Authorization": f"Bearer {token}"}).status_code)
    assert codes == [403, 200]
