"""What a caller reads names no host, port, user or folder of the database, and has no driver's words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import APIRouter
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient

from breakwall.breaker.errors import StoreLostError
from breakwall.payments.db.database import Database, DatabaseUnavailableError
from breakwall.web.access import sign_in
from breakwall.web.app import ROUTERS
from tests.contract.people import queued
from tests.contract.web.api_site import ADDRESS, ApiSite

HOST, PORT, USER, WORDS = "orders-db-7.internal", "59432", "keeper_of_orders", "FATAL: no pg_hba.conf entry"
TEXT = f'the orders database does not answer (server at "{HOST}", port {PORT}: {WORDS}, user "{USER}")'

WHY = {"reason": "A test"}
ORDER = {"user_id": "u1", "amount": 10_000, "currency": "KRW"}
BODIES: dict[str, dict[str, Any]] = {
    "/v1/orders": ORDER,
    "/v1/orders/batch": {"orders": [{**ORDER, "idempotency_key": "cart-2"}]},
    "/v1/orders/{name:path}/resolve": {**WHY, "result": "not_charged"},
    "/v1/bulk-retries": {**WHY, "selection": {"statuses": ["dead"]}},
    "/v1/queue/rate": {**WHY, "per_second": 1.0},
    "/v1/breakers/{name}/override": {**WHY, "mode": "forced_open"},
    "/v1/hooks/payment": {"order_id": "cart-1"},
}
STREAMS = {"/v1/events", "/page/events"}


def routes_of(router: APIRouter) -> Iterator[APIRoute]:
    for route in router.routes:
        if isinstance(route, APIRoute):
            yield route
        elif isinstance(inner := getattr(route, "original_router", None), APIRouter):
            yield from routes_of(inner)


def calls() -> list[tuple[str, str]]:
    """Each method and address of the application, without the streams, which do not end."""
    found = [
        (method, route.path)
        for router in (*ROUTERS, sign_in.router)
        for route in routes_of(router)
        if route.path not in STREAMS
        for method in sorted((route.methods or set()) - {"HEAD"})
    ]
    assert len(found) > 35
    return found


def call(client: TestClient, api: ApiSite, method: str, path: str) -> tuple[int, str]:
    names = {"{name:path}": "cart-1", "{name}": api.services.breaker.name, "{bulk_id}": "a" * 32}
    address = path
    for name, value in {**names, "{slug}": "unavailable"}.items():
        address = address.replace(name, "cart-1" if "orders" in path and name == "{name}" else value)
    body = None if method == "GET" else BODIES.get(path, WHY)
    answer = client.request(method, address, json=body, headers={"Idempotency-Key": "cart-1"})
    return answer.status_code, f"{answer.headers} {answer.text}"


@pytest.fixture
def client(api: ApiSite) -> TestClient:
    queued(api.site)
    api.client.get("/v1/backlog")  # It knows now that no token is needed.
    return TestClient(api.app, base_url=ADDRESS, raise_server_exceptions=False)


@pytest.mark.one_database
def test_no_answer_shows_where_the_database_is_while_it_is_away(
    api: ApiSite, client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object, **__: object) -> None:
        raise DatabaseUnavailableError(TEXT)

    for name in ("read", "write"):
        monkeypatch.setattr(Database, name, away)
    api.services.live._looked_at = float("-inf")  # The snapshot is too old.
    statuses = {}
    for method, path in calls():
        statuses[method, path], text = call(client, api, method, path)
        shown = [word for word in (HOST, PORT, USER, "FATAL", "pg_hba") if word in text]
        assert not shown, (method, path, text)
    assert list(statuses.values()).count(503) > 25, statuses  # The others need no database.


@pytest.mark.one_database
def test_no_answer_names_the_database_while_it_works(api: ApiSite, client: TestClient) -> None:
    where = api.site.database.where
    for method, path in calls():
        _, text = call(client, api, method, path)
        assert where not in text, (method, path, text)
        _, missing = call(client, api, method, path.replace("{name:path}", "none").replace("{name}", "none"))
        assert where not in missing, (method, path, missing)


def test_a_snapshot_that_fails_is_explained_in_the_log_alone(
    api: ApiSite, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def away(*_: object, **__: object) -> None:
        raise DatabaseUnavailableError(TEXT)

    monkeypatch.setattr(Database, "read", away)
    seen = api.services.live.latest(0.0)
    assert seen.problem == "The orders database does not answer."
    assert HOST in caplog.text


def test_a_store_that_confirms_no_change_is_explained_in_the_log_alone(
    api: ApiSite, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def lost(*_: object) -> None:
        raise StoreLostError(lost_text)

    lost_text = f"{TEXT} {api.site.database.where}"  # The log takes the same sentence once a minute.
    monkeypatch.setattr(type(api.services.breaker), "force_open", lost)
    path = f"/v1/breakers/{api.services.breaker.name}/override"
    answer = api.client.put(path, json=BODIES["/v1/breakers/{name}/override"])
    assert answer.status_code == 503
    assert HOST not in answer.text
    assert HOST in caplog.text
