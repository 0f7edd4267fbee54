from __future__ import annotations

import pytest
from sqlalchemy import text

from breakwall.migrations import HEAD
from breakwall.monitor.backlog import Monitor
from tests.contract.web.api_site import ApiSite


def test_the_process_lives_whatever_it_depends_on(api: ApiSite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Monitor, "snapshot", None)
    assert api.client.get("/healthz").json() == {"status": "ok"}


def test_it_is_ready_while_everything_answers_and_says_how_fast(api: ApiSite) -> None:
    answer = api.client.get("/readyz")
    assert (answer.status_code, answer.json()["status"]) == (200, "ready")
    seen = answer.json()["dependencies"]
    assert list(seen) == ["database", "breaker_store", "broker"]
    assert seen["database"]["revision"] == HEAD
    assert all(one["latency_ms"] >= 0 and one["problem"] is None for one in seen.values())


def test_without_the_broker_it_is_degraded_and_still_ready(api: ApiSite) -> None:
    api.messages = None
    answer = api.client.get("/readyz")
    assert (answer.status_code, answer.json()["status"]) == (200, "degraded")
    assert answer.json()["dependencies"]["broker"]["status"] == "down"


def test_with_the_payment_service_down_it_is_ready(api: ApiSite) -> None:
    api.site.open_circuit()
    assert api.client.get("/readyz").json()["status"] == "ready"


@pytest.mark.parametrize("revision", ["0003", "0999"])
def test_at_a_revision_that_it_does_not_know_it_is_not_ready(api: ApiSite, revision: str) -> None:
    change = text("UPDATE alembic_version SET version_num = :revision").bindparams(revision=revision)
    api.site.database.write(lambda connection: connection.execute(change), name="test")
    answer = api.client.get("/readyz")
    assert (answer.status_code, answer.json()["status"]) == (503, "unavailable")
    assert answer.json()["dependencies"]["database"]["problem"] == "schema"
