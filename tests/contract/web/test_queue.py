"""The queue over HTTP: what an operator decides holds for every worker, with who and why."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from breakwall.payments.db.database import Database, DatabaseUnavailableError
from breakwall.payments.db.schema import drain_actions
from breakwall.payments.fleet.drain_control import DrainControl, DrainState
from tests.contract.web.api_site import ApiSite

WHY: dict[str, Any] = {"reason": "maintenance", "actor": "kim"}


def post(api: ApiSite, action: str, **fields: Any) -> Any:
    answer = api.client.post(f"/v1/queue/{action}", json={**WHY, **fields})
    assert answer.status_code == 200, answer.text
    return answer.json()


def state(api: ApiSite) -> DrainState:
    return DrainControl(api.site.database, clock=api.site.clock).read()


def audit(api: ApiSite) -> list[tuple[str, str]]:
    table = drain_actions.c
    rows = api.site.database.read(
        lambda on: on.execute(select(table.action, table.actor).order_by(table.id)).all()
    )
    return [tuple(row) for row in rows]


def test_without_a_decision_nothing_holds(api: ApiSite) -> None:
    assert api.client.get("/v1/queue").json() == {"paused": None, "rate": None}


def test_a_pause_has_its_author_and_ends_by_itself(api: ApiSite) -> None:
    shown = post(api, "pause", for_seconds=60)
    assert (shown["paused"]["actor"], shown["paused"]["reason"]) == ("kim", "maintenance")
    assert shown["paused"]["until"] is not None
    assert state(api).paused is not None
    api.site.advance(60)
    assert api.client.get("/v1/queue").json()["paused"] is None


def test_resume_ends_a_pause_and_does_nothing_without_one(api: ApiSite) -> None:
    post(api, "pause")
    assert post(api, "resume")["paused"] is None
    post(api, "resume")
    assert audit(api) == [("pause", "kim"), ("resume", "kim")]


def test_a_rate_holds_until_it_is_lifted(api: ApiSite) -> None:
    assert post(api, "rate", per_second=2.5)["rate"]["per_second"] == 2.5
    assert state(api).rate is not None
    assert post(api, "rate", per_second=None)["rate"] is None


@pytest.mark.parametrize(
    ("action", "fields"),
    [
        ("pause", {"for_seconds": 0}),
        ("pause", {"for_seconds": 1e12}),
        ("rate", {}),
        ("rate", {"per_second": 0}),
        ("rate", {"per_second": 1_000_001}),
        ("resume", {"reason": ""}),
    ],
)
def test_what_is_not_valid_changes_nothing(api: ApiSite, action: str, fields: dict[str, Any]) -> None:
    assert api.client.post(f"/v1/queue/{action}", json={**WHY, **fields}).status_code == 422
    assert audit(api) == []


def test_a_change_without_a_reason_is_refused(api: ApiSite) -> None:
    assert api.client.post("/v1/queue/pause", json={}).status_code == 422


def test_a_database_that_is_away_is_a_problem_with_a_time_to_retry(
    api: ApiSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object, **__: object) -> None:
        raise DatabaseUnavailableError("the orders database does not answer")

    monkeypatch.setattr(Database, "write", away)
    answer = api.client.post("/v1/queue/pause", json=WHY)
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) > 0
