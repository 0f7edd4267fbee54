"""The backlog, its history and the workers over HTTP. The stream itself: `test_stream`."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from breakwall.monitor.history import store
from breakwall.monitor.history.sample import Sample
from breakwall.worker.background.heartbeat import Heartbeat
from tests.contract.site import order
from tests.contract.web.api_site import ApiSite
from tests.public_names import BACKLOG_FIELDS


def test_the_backlog_has_the_fields_of_the_command(api: ApiSite) -> None:
    api.site.producer.enqueue([order("a"), order("b")])
    document = api.client.get("/v1/backlog").json()
    assert set(document) >= BACKLOG_FIELDS
    assert (document["queued"], document["money"]["queued"]) == (2, {"KRW": 20_000})


def test_the_workers_are_listed(api: ApiSite) -> None:
    worker = Heartbeat(api.site.database, clock=api.site.clock)
    worker.identify("celery@web-1", 20)
    worker.run_once()
    document = api.client.get("/v1/workers").json()
    assert (document["alive"], document["workers"][0]["name"]) == (1, "celery@web-1")


def test_the_documents_are_those_of_the_openapi_document(api: ApiSite) -> None:
    """Each field that is sent is described, and each that is described is sent."""
    described = api.client.get("/openapi.json").json()["components"]["schemas"]
    sent = api.client.get("/v1/backlog").json()
    assert set(described["Backlog"]["properties"]) == set(sent)
    assert set(described["BreakerStatus"]["properties"]) == set(sent["breaker"])
    assert described["Backlog"]["properties"]["at"]["format"] == "date-time"


def samples(api: ApiSite, number: int) -> None:
    calm = {"queued": 0, "due": 0, "in_flight": 0, "review": 0, "dead": 0}
    taken = [
        Sample(at=api.site.clock.now + timedelta(seconds=10 * n), span=10.0, **{**calm, "queued": n})
        for n in range(number)
    ]
    api.site.database.write(lambda found: store.add(found, taken))


def history(api: ApiSite, **asked: Any) -> Any:
    start = api.site.clock.now - timedelta(seconds=1)
    usual = {"since": start.isoformat(), "until": (start + timedelta(hours=1)).isoformat()}
    return api.client.get("/v1/backlog/history", params={**usual, **asked})


def test_the_history_is_reduced_to_the_points_that_are_asked_for(api: ApiSite) -> None:
    samples(api, 90)
    points = history(api, points=10).json()["points"]
    assert 3 <= len(points) <= 10
    assert max(point["queued"] for point in points) == 89


def test_the_history_has_a_point_for_each_sample_if_they_are_few(api: ApiSite) -> None:
    samples(api, 3)
    assert [point["queued"] for point in history(api).json()["points"]] == [0, 1, 2]


@pytest.mark.parametrize(
    "asked",
    [
        {"since": "2026-11-28T00:00:00Z", "until": "2026-11-27T00:00:00Z"},
        {"since": "0001-01-01T00:00:00Z", "until": "0001-01-01T00:00:01Z"},
        {"points": 0},
        {"since": "yesterday"},
        {"since": "2026-11-27T00:00:00"},
    ],
)
def test_a_history_that_makes_no_sense_is_refused(api: ApiSite, asked: dict[str, object]) -> None:
    assert history(api, **asked).status_code == 422


def test_without_the_database_each_answer_says_when_to_come_again(
    api: ApiSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    from breakwall.payments.db.database import Database, DatabaseUnavailableError

    def fail(self: Database, *given: object, **named: object) -> None:
        raise DatabaseUnavailableError("the orders database does not answer")

    monkeypatch.setattr(Database, "read", fail)
    for path in ("/v1/backlog", "/v1/workers", "/v1/backlog/history"):
        answer = api.client.get(path)
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")
        assert answer.json()["type"] == "/problems/unavailable"
