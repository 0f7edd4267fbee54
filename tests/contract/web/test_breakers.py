"""The circuit over HTTP: seen, overridden for every process, and probed now."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest
from sqlalchemy import select

from breakwall.breaker import CircuitBreaker, OverrideMode, StoreLostError
from breakwall.payments.db.database import Database, DatabaseUnavailableError
from breakwall.payments.db.operator_tables import operator_actions
from breakwall.web.breakers import Mode
from tests.contract.site import Site
from tests.contract.web.api_site import ApiSite

WHY: dict[str, Any] = {"reason": "maintenance", "actor": "kim"}
PATH = "/v1/breakers/payment"


def override(api: ApiSite, mode: str, **fields: Any) -> httpx2.Response:
    return api.client.put(f"{PATH}/override", json={"mode": mode, **WHY, **fields})


def audit(api: ApiSite) -> list[tuple[str, str | None, str, str | None, str | None, str | None]]:
    """Action, subject, actor, reason, detail and result."""
    table = operator_actions.c
    columns = (table.action, table.subject, table.actor, table.reason, table.detail, table.result)
    rows = api.site.database.read(lambda on: on.execute(select(*columns).order_by(table.id)).all())
    return [tuple(row) for row in rows]


def test_it_shows_the_computed_state_beside_what_decides(api: ApiSite) -> None:
    api.site.open_circuit()
    api.site.breaker.force_close("a false alarm", "kim")
    shown = api.client.get(PATH).json()
    assert (shown["state"], shown["effective_state"]) == ("open", "disabled")
    assert shown["override"]["mode"] == "forced_closed"


@pytest.mark.parametrize(
    ("mode", "set_", "action"),
    [
        ("forced_open", OverrideMode.FORCED_OPEN, "breaker_force_open"),
        ("forced_closed", OverrideMode.FORCED_CLOSED, "breaker_force_close"),
        ("observe", OverrideMode.OBSERVING, "breaker_observe"),
    ],
)
def test_an_override_holds_with_its_author_and_its_end(
    api: ApiSite, mode: str, set_: OverrideMode, action: str
) -> None:
    answer = override(api, mode, for_seconds=60)
    assert answer.status_code == 200
    held = api.site.breaker.status().override
    assert held is not None
    assert (held.mode, held.actor, held.reason) == (set_, "kim", "maintenance")
    assert held.expires_at == held.set_at + 60
    assert audit(api) == [(action, "payment", "kim", "maintenance", "for 60 s", "done")]


def test_auto_lifts_it(api: ApiSite) -> None:
    override(api, "forced_open")
    assert override(api, "auto").json()["override"] is None
    assert [row[0] for row in audit(api)] == ["breaker_force_open", "breaker_auto"]


def test_auto_for_some_time_is_refused(api: ApiSite) -> None:
    answer = override(api, "auto", for_seconds=60)
    assert answer.status_code == 422
    assert answer.json()["errors"].keys() == {"for_seconds"}


@pytest.mark.parametrize("fields", [{"for_seconds": 0}, {"for_seconds": -1}, {"reason": ""}, {"unknown": 1}])
def test_what_is_not_valid_changes_nothing(api: ApiSite, fields: dict[str, Any]) -> None:
    assert override(api, "forced_open", **fields).status_code == 422
    assert api.site.breaker.status().override is None
    assert audit(api) == []


def test_a_reason_that_cannot_be_stored_is_refused(api: ApiSite) -> None:
    answer = override(api, "forced_open", reason="a\x00b")
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", ""), ("PUT", "/override"), ("POST", "/probe")],
)
def test_another_name_is_not_found(api: ApiSite, method: str, path: str) -> None:
    body = None if method == "GET" else {"mode": "auto", **WHY} if method == "PUT" else WHY
    answer = api.client.request(method, f"/v1/breakers/shipping{path}", json=body)
    assert answer.status_code == 404
    assert "payment" in answer.json()["detail"]


class TestALocalCircuit:
    """In memory:// only this process would obey."""

    @pytest.fixture
    def api(self, site: Site) -> ApiSite:
        return ApiSite(site, breaker_store_url="memory://")

    def test_an_override_and_a_probe_are_refused(self, api: ApiSite) -> None:
        api.site.open_circuit()
        with api.client:
            for answer in (override(api, "forced_open"), api.client.post(f"{PATH}/probe", json=WHY)):
                assert answer.status_code == 409
                assert "BREAKWALL_BREAKER_STORE_URL" in answer.json()["detail"]
            assert api.client.get(PATH).json()["override"] is None


def test_what_the_store_does_not_confirm_is_said_and_recorded(
    api: ApiSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(*_: object) -> None:
        raise StoreLostError("the store of circuit 'payment' did not confirm the override in time")

    monkeypatch.setattr(CircuitBreaker, "force_open", lost)
    answer = override(api, "forced_open")
    assert answer.status_code == 503
    assert answer.json()["result"] == "unconfirmed"
    assert "may have stored" in answer.json()["detail"]
    assert int(answer.headers["retry-after"]) > 0
    assert [row[-1] for row in audit(api)] == ["unconfirmed"]


class TestProbe:
    def test_the_next_call_is_a_probe(self, api: ApiSite) -> None:
        api.site.open_circuit()
        assert api.site.breaker.status().retry_after > 0
        answer = api.client.post(f"{PATH}/probe", json=WHY)
        assert answer.json()["state"] == "half_open"
        assert api.site.breaker.acquire().is_probe
        assert [row[0] for row in audit(api)] == ["breaker_probe"]

    def test_it_is_refused_where_it_would_change_nothing(self, api: ApiSite) -> None:
        def refused() -> str:
            answer = api.client.post(f"{PATH}/probe", json=WHY)
            assert answer.status_code == 409
            return str(answer.json()["detail"])

        assert "is closed" in refused()
        api.site.open_circuit()
        api.site.breaker.force_open("maintenance", "kim")
        assert "forced open" in refused()
        api.site.breaker.auto("kim")
        api.site.advance(api.site.breaker.status().retry_after)
        assert "half-open" in refused()
        assert audit(api) == []


def test_the_modes_are_those_of_the_contract() -> None:
    assert [mode.value for mode in Mode] == ["forced_open", "forced_closed", "observe", "auto"]


def test_what_cannot_be_recorded_is_not_done(api: ApiSite, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object, **__: object) -> None:
        raise DatabaseUnavailableError("the orders database does not answer")

    monkeypatch.setattr(Database, "write", away)
    assert override(api, "forced_open").status_code == 503
    assert api.site.breaker.status().override is None
