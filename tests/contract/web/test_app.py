from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import quote

import pytest
from fastapi.testclient import TestClient
from opentelemetry.trace import StatusCode

from breakwall.access.scopes import Scope
from breakwall.access.stored_tokens import create_token
from tests.contract.people import ANNA, queued
from tests.contract.web.api_site import ADDRESS, ApiSite
from tests.contract.web.orders.requests import place_order
from tests.gateway import PAID
from tests.spans import Spans, recording, trace_id

SECRET = "password=hunter2"


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Iterator[Spans]:
    with recording(monkeypatch) as found:
        yield found


def test_the_api_has_a_document_of_itself(api: ApiSite) -> None:
    document = api.client.get("/openapi.json").json()
    assert document["openapi"].startswith("3.1")


def test_the_span_of_a_request_is_the_parent_of_the_orders(spans: Spans, api: ApiSite) -> None:
    api.site.gateway.answers.append(PAID)
    assert place_order(api.client).status_code == 201
    [request] = spans.named("POST /v1/orders")
    [placed] = spans.named("breakwall.place")
    assert trace_id(placed) == trace_id(request)
    assert placed.parent is not None
    assert placed.parent.span_id == request.get_span_context().span_id


def test_a_bug_is_in_the_trace_without_its_text(spans: Spans, api: ApiSite) -> None:
    @api.app.get("/tried/bug")
    def fail() -> None:
        raise ZeroDivisionError(SECRET)

    client = TestClient(api.app, base_url=ADDRESS, raise_server_exceptions=False)
    assert client.get("/tried/bug").status_code == 500
    [request] = spans.named("GET /tried/bug")
    assert request.status.status_code is StatusCode.ERROR
    assert SECRET not in spans.text()


@pytest.mark.parametrize("name", ["cart-of-anna", "none/of anna"])
def test_no_name_of_an_order_is_in_a_span(spans: Spans, api: ApiSite, name: str) -> None:
    queued(api.site, "cart-of-anna")
    for path in ("/v1/orders/", "/orders/", "/nothing/"):
        api.client.get(f"{path}{quote(name)}", params={"by": "key", "name": "anna"})
    api.client.get("/v1/orders", params={"name": "anna"})
    assert [span.name for span in spans.named("GET /v1/orders/{name}")]
    assert "anna" not in spans.text()


def test_a_request_that_is_refused_is_no_failure_in_the_trace(spans: Spans, api: ApiSite) -> None:
    assert place_order(api.client, amount=0).status_code == 422
    assert api.client.get("/v1/orders/none").status_code == 404
    assert len(spans.all()) >= 2
    assert all(span.status.status_code is not StatusCode.ERROR for span in spans.all())


ORDERS, READ, WRITE = Scope.ORDERS_WRITE, Scope.OPS_READ, Scope.OPS_WRITE
SCOPES: dict[str, set[Scope]] = {
    "post /v1/orders": {ORDERS},
    "post /v1/orders/batch": {ORDERS},
    "get /v1/orders": {READ},
    "get /v1/orders/{name}": {ORDERS, READ},
    "post /v1/orders/{name}/retry": {WRITE},
    "post /v1/orders/{name}/cancel": {WRITE},
    "post /v1/orders/{name}/resolve": {WRITE},
    "get /v1/bulk-retries": {READ},
    "post /v1/bulk-retries": {WRITE},
    "get /v1/bulk-retries/{bulk_id}": {READ},
    "post /v1/bulk-retries/{bulk_id}/abort": {WRITE},
    "get /v1/backlog": {READ},
    "get /v1/backlog/history": {READ},
    "get /v1/workers": {READ},
    "get /v1/events": {READ},
    "get /v1/breakers/{name}": {READ},
    "get /v1/breakers/{name}/transitions": {READ},
    "put /v1/breakers/{name}/override": {WRITE},
    "post /v1/breakers/{name}/probe": {WRITE},
    "get /v1/queue": {READ},
    "post /v1/queue/pause": {WRITE},
    "post /v1/queue/resume": {WRITE},
    "post /v1/queue/rate": {WRITE},
    "get /v1/audit": {READ},
    "post /v1/hooks/payment": {ORDERS},
    "get /metrics": {READ},
}
"""Of which a token needs one."""
FREE = {"get /healthz", "get /readyz", "get /problems", "get /problems/{slug}"}


def test_each_route_takes_the_tokens_of_its_scopes_and_no_others(api: ApiSite) -> None:
    api.client.portal.call(api.services.stopping.begin)  # type: ignore[union-attr]  # The stream of events ends.
    for scope in Scope:
        token = create_token(api.site.database, scope.name, frozenset({scope}), ANNA, clock=api.site.clock)
        taken = {name for name in SCOPES if code(api, name, f"Bearer {token}") not in {401, 403}}
        assert taken == {name for name, scopes in SCOPES.items() if scope in scopes}, scope
    assert {code(api, name) for name in SCOPES} == {401}
    assert not {code(api, name) for name in FREE} & {401, 403}


def test_the_scopes_of_each_route_are_known(api: ApiSite) -> None:
    paths = api.client.get("/openapi.json").json()["paths"]
    assert {f"{method} {path}" for path, methods in paths.items() for method in methods} == {*SCOPES, *FREE}


def code(api: ApiSite, name: str, authorization: str | None = None) -> int:
    method, path = name.split()
    headers = {} if authorization is None else {"Authorization": authorization}
    sent = {} if method == "get" else {"json": {}}
    address = re.sub(r"{\w+}", "none", path)
    return api.client.request(method, address, headers=headers, **sent).status_code
