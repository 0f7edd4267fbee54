"""The bound on reads, while the database hangs: it takes requests, and answers none."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from fastapi import FastAPI
from httpx2 import Response
from sqlalchemy import make_url
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from breakwall.web import read_limit
from breakwall.web.read_limit import ReadLimit
from tests.contract.site import Site
from tests.contract.web.api_site import ApiSite
from tests.contract.web.orders.requests import place_order, problem
from tests.servers.silent_relay import SilentRelay

BOUND = 1.0
LONG = 45.0  # Seconds until which a busy machine has answered too.

READS = [
    "/v1/orders",
    "/v1/orders/cart-1",
    "/v1/orders/cart-1?wait=0.5",
    "/v1/bulk-retries",
    "/v1/audit",
    "/v1/queue",
    "/v1/breakers/payment/transitions",
    "/v1/backlog/history",
]


@pytest.fixture
def hanging(migrated_postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[ApiSite]:
    """An API whose database answers nothing any more, on no connection."""
    url = make_url(migrated_postgres_url)
    relay = SilentRelay(url.port or 5432)
    site = Site(url.set(host="127.0.0.1", port=relay.port).render_as_string(hide_password=False))
    api = ApiSite(site)
    with api.client:
        assert api.client.get("/v1/orders").status_code == 200
        monkeypatch.setattr(read_limit, "LONGEST_READ", BOUND)
        relay.stay_silent()
        yield api
        relay.close()
        relay.cut()
    site.producer.close()
    site.database.close()


def ask(api: ApiSite, paths: list[str]) -> list[Response]:
    """All at once."""
    with ThreadPoolExecutor(len(paths)) as threads:
        return [one.result(LONG) for one in [threads.submit(api.client.get, path) for path in paths]]


def test_every_read_is_answered_with_when_to_ask_again(hanging: ApiSite) -> None:
    for answer in ask(hanging, READS):
        assert (answer.status_code, problem(answer)) == (503, "unavailable")
        assert int(answer.headers["retry-after"]) >= 1
    (page,) = ask(hanging, ["/audit"])
    assert (page.status_code, page.headers["content-type"]) == (503, "text/html; charset=utf-8")


def test_reads_that_hang_keep_nothing_else_from_its_answer(
    hanging: ApiSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert {answer.status_code for answer in ask(hanging, READS[:2] * 25)} == {503}
    monkeypatch.setattr(read_limit, "LONGEST_READ", LONG)
    for path, status in [("/healthz", 200), ("/openapi.json", 200), ("/problems/unavailable", 200)]:
        assert hanging.client.get(path).status_code == status
    assert hanging.client.get("/readyz").json()["status"] == "unavailable"
    placed = place_order(hanging.client, headers={"Prefer": "wait=1"})
    assert (placed.status_code, problem(placed)) == (503, "unavailable")


async def get(app: ASGIApp, path: str, query: str = "") -> int:
    """The status that a GET is answered with, within the bound."""
    found: list[int] = []

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            found.append(message["status"])

    scope = {"type": "http", "method": "GET", "path": path, "query_string": query.encode(), "headers": []}
    await ReadLimit(app)(scope, asyncio.Event().wait, send)  # type: ignore[arg-type]  # It sends no body.
    return found[0]


def test_the_thread_of_a_read_that_hangs_counts_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """Or forty of them would be all that the framework has."""
    app, may_end = FastAPI(), threading.Event()
    app.get("/hangs")(lambda: may_end.wait(60))
    app.get("/answers")(lambda: None)

    async def play() -> list[int]:
        monkeypatch.setattr(read_limit, "LONGEST_READ", 0.2)
        hung = await asyncio.gather(*(get(app, "/hangs") for _ in range(50)))
        monkeypatch.setattr(read_limit, "LONGEST_READ", LONG)
        answered = await get(app, "/answers")
        may_end.set()
        return [*hung, answered]

    assert asyncio.run(play()) == [503] * 50 + [200]


@pytest.mark.parametrize(
    ("asked", "status"), [("wait=30", 200), ("wait=-1", 503), ("wait=x", 503), ("wait=nan", 503), ("", 503)]
)
def test_who_asks_to_wait_has_that_time_too(monkeypatch: pytest.MonkeyPatch, asked: str, status: int) -> None:
    app = FastAPI()

    @app.get("/slow")
    async def slow() -> None:
        await asyncio.sleep(0.05)

    monkeypatch.setattr(read_limit, "LONGEST_READ", 0.0)
    assert asyncio.run(get(app, "/slow", asked)) == status


def test_an_answer_that_has_begun_may_last(monkeypatch: pytest.MonkeyPatch) -> None:
    lasted = []

    async def stream(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await asyncio.sleep(0.2)
        await send({"type": "http.response.body"})
        lasted.append(True)

    monkeypatch.setattr(read_limit, "LONGEST_READ", 0.1)
    assert (asyncio.run(get(stream, "/events")), lasted) == (200, [True])
