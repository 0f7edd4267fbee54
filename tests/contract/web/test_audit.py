from __future__ import annotations

import pytest

from breakwall.access.scopes import Scope
from breakwall.access.stored_tokens import create_token
from breakwall.payments.fleet.drain_control import DrainControl
from tests.contract.people import ANNA
from tests.contract.web.api_site import ApiSite


@pytest.fixture
def drain(api: ApiSite) -> DrainControl:
    return DrainControl(api.site.database, clock=api.site.clock)


def test_pages_lead_from_one_to_the_next(api: ApiSite, drain: DrainControl) -> None:
    for rate in (1.0, 2.0, 3.0):
        drain.set_rate(ANNA, rate)
        api.site.advance(1.0)
    first = api.client.get("/v1/audit", params={"limit": 2}).json()
    assert [entry["detail"] for entry in first["entries"]] == ["3 orders a second", "2 orders a second"]
    second = api.client.get("/v1/audit", params={"limit": 2, "after": first["next"]}).json()
    assert [entry["detail"] for entry in second["entries"]] == ["1 orders a second"]
    assert second["next"] is None


def test_an_entry_has_its_fields(api: ApiSite, drain: DrainControl) -> None:
    drain.pause(ANNA)
    [entry] = api.client.get("/v1/audit", params={"actor": "anna", "action": "queue"}).json()["entries"]
    del entry["at"], entry["cursor"]
    assert entry == {
        "action": "queue_pause",
        "subject": "queue",
        "actor": "anna",
        "reason": ANNA.reason,
        "detail": None,
        "result": "done",
    }


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("after", "x"),
        ("since", "yesterday"),
        ("since", "2026-11-27T00:00:00"),
        ("since", "0001-01-01T00:00:00+14:00"),
        ("until", "9999-12-31T23:59:59-14:00"),
        ("limit", "0"),
        ("actor", "a\x00"),
    ],
)
def test_a_wrong_parameter_is_named(api: ApiSite, name: str, value: str) -> None:
    answer = api.client.get("/v1/audit", params={name: value})
    assert answer.status_code == 422
    assert name in answer.text


def test_it_needs_the_scope_to_read(api: ApiSite) -> None:
    shop = create_token(
        api.site.database, "shop", frozenset({Scope.ORDERS_WRITE}), ANNA, clock=api.site.clock
    )
    anna = create_token(api.site.database, "anna", frozenset({Scope.OPS_READ}), ANNA, clock=api.site.clock)
    codes = [
        api.client.get("/v1/audit", headers={"Authorization": f"Bearer {token}"}).status_code
        for token in (shop, anna)
    ]
    assert codes == [403, 200]
