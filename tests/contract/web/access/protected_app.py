"""An application with a few routes behind the protections, and a clock turned by hand."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import FastAPI, Request
from fastapi.responses import StreamingResponse
from fastapi.testclient import TestClient

from breakwall.access.scopes import Scope
from breakwall.access.stored_tokens import create_token, revoke_token
from breakwall.payments.db.database import Database
from breakwall.settings import Settings
from breakwall.web.access.principal import Principal, allow, require
from breakwall.web.access.protect import protect
from breakwall.web.problems import ProblemError, answer_problem
from tests.contract.people import ANNA
from tests.manual_clock import ManualClock

ADDRESS = "http://127.0.0.1:8080"
READ, WRITE = Scope.OPS_READ, Scope.OPS_WRITE


class ProtectedApp:
    """``client`` sends requests without a token, from loopback, as a program does."""

    def __init__(self, database: Database, host: str = "127.0.0.1", **settings: Any) -> None:
        self.database = database
        self.clock = ManualClock()
        self.seconds = 0.0
        self.app = FastAPI()
        self.app.add_exception_handler(ProblemError, answer_problem)
        _add_routes(self.app)
        protect(
            self.app,
            Settings(**settings),
            database,
            host,
            clock=self.clock,
            monotonic=lambda: self.seconds,
        )
        self.client = self.client_at(ADDRESS)

    def client_at(self, address: str, came_from: str = "127.0.0.1") -> TestClient:
        return TestClient(
            self.app,
            base_url=address,
            client=(came_from, 50_000),
            follow_redirects=False,
            raise_server_exceptions=False,
        )

    def advance(self, seconds: float) -> None:
        self.seconds += seconds
        self.clock.advance(seconds)

    def new_token(self, *scopes: Scope, name: str = "anna", lasting: float | None = None) -> str:
        wanted = frozenset(scopes or (READ,))
        return create_token(self.database, name, wanted, ANNA, lasting=lasting, clock=self.clock)

    def revoke(self, name: str = "anna") -> None:
        revoke_token(self.database, name, ANNA, clock=self.clock)

    def sign_in(self, client: TestClient, token: str) -> Any:
        return client.post("/login", data={"token": token}, headers={"Sec-Fetch-Site": "same-origin"})


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def read(principal: Annotated[Principal, allow(READ)]) -> dict[str, str | None]:
    return {"name": principal.name, "actor": principal.actor("given")}


def write(principal: Annotated[Principal, allow(WRITE)]) -> dict[str, str | None]:
    return {"name": principal.name}


async def required(request: Request) -> str | None:
    return (await require(request, READ)).name


def nothing() -> None:
    pass


def crash() -> None:
    raise RuntimeError("a bug")


def stream() -> StreamingResponse:
    async def events() -> AsyncIterator[str]:
        yield "data: 1\n\n"

    return StreamingResponse(events(), media_type="text/event-stream")


def _add_routes(app: FastAPI) -> None:
    app.get("/v1/read")(read)
    app.post("/v1/write")(write)
    app.get("/v1/either", dependencies=[allow(READ, WRITE)])(nothing)
    app.post("/v1/hooks/payment")(nothing)
    app.get("/required")(required)
    app.get("/page", dependencies=[allow(READ)])(nothing)
    app.post("/page", dependencies=[allow(WRITE)])(nothing)
    app.get("/static/style.css")(nothing)
    app.get("/crash")(crash)
    app.get("/stream")(stream)
