"""Payment services as others write them, with FastAPI under uvicorn, and an nginx to stand in front of them.

Each keeps its own charge book, which decides what was charged. None imports anything of Breakwall.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from tests.application_server import serving
from tests.servers.nginx import running_nginx


class BrokenOff(Response):
    """An answer that begins; then the connection is closed."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"100")]})


@dataclass(frozen=True)
class ServiceCharge:
    id: str
    kept_as: str
    body: dict[str, Any]


Answering = Callable[[ServiceCharge], Response]


def hangs_up(charge: ServiceCharge) -> Response:
    return BrokenOff()


def breaks(charge: ServiceCharge) -> Response:
    return JSONResponse({"code": "internal"}, 500)


@dataclass
class ForeignService:
    """A running service. Its attributes change what it does."""

    url: str = ""
    keep: Callable[[str], str] = str  # how it stores a key from the header
    find: Callable[[str], str] = str  # how it reads a key from a look-up's path
    decodes_first: bool = True  # `%2F` in a path is a slash to its router, as FastAPI has it by default
    deduplicates: bool = False  # it answers a known key with the first charge
    names: tuple[str, ...] = ()  # the fields of the request's body that its answers repeat
    next: list[Answering] = field(default_factory=list)  # how the next charges are answered; each is charged
    refusals: list[Response] = field(default_factory=list)  # to the next requests, which are not charged
    repeated: Response | None = None  # the answer to a key that has a charge; None: see `deduplicates`
    charges: list[ServiceCharge] = field(default_factory=list)  # its charge book
    asked: list[str] = field(default_factory=list)  # the keys of all requests to charge
    looked_up: list[str] = field(default_factory=list)

    def charge(self, key: str, body: dict[str, Any]) -> ServiceCharge:
        self.charges.append(ServiceCharge(f"ch_{len(self.charges) + 1}", self.keep(key), body))
        return self.charges[-1]

    def of(self, key: str) -> ServiceCharge | None:
        return next((charge for charge in self.charges if charge.kept_as == key), None)

    def take(self, key: str, body: dict[str, Any]) -> Response:
        """Answer a request to charge."""
        self.asked.append(key)
        if self.refusals:
            return self.refusals.pop(0)
        earlier = self.of(self.keep(key))
        if earlier is not None and self.repeated is not None:
            return self.repeated
        if earlier is not None and self.deduplicates:
            return self.tell(earlier)
        charge = self.charge(key, body)
        return self.next.pop(0)(charge) if self.next else self.tell(charge)

    def answer_look_up(self, key: str) -> Response:
        self.looked_up.append(key)
        found = self.of(self.find(key))
        return JSONResponse({"detail": "Not Found"}, 404) if found is None else self.tell(found)

    def tell(self, charge: ServiceCharge) -> Response:
        named = {name: charge.body[name] for name in self.names}
        return JSONResponse({"status": "succeeded", "charge_id": charge.id, **named})


@contextmanager
def running(service: ForeignService) -> Iterator[ForeignService]:
    with serving(_application(service)) as service.url:
        yield service


def _application(service: ForeignService) -> FastAPI:
    application = FastAPI()

    @application.post("/api/charge")
    async def charge(request: Request) -> Response:
        return service.take(request.headers["idempotency-key"], await request.json())

    if service.decodes_first:

        @application.get("/api/charges/{key}")
        async def look_up(key: str) -> Response:
            return service.answer_look_up(unquote(key))

    else:

        @application.get("/api/charges/{rest:path}")
        async def look_up_raw(request: Request) -> Response:
            raw: str = request.scope["raw_path"].decode().removeprefix("/api/charges/")
            if "/" in raw:
                return JSONResponse({"detail": "Not Found"}, 404)
            return service.answer_look_up(unquote(unquote(raw)))

    return application


@contextmanager
def nginx_before(upstream: str, folder: Path) -> Iterator[str]:
    """An nginx whose ``proxy_pass`` ends with a slash; yields its address. `UnavailableError` if there is none."""
    with running_nginx(f"location / {{ proxy_pass {upstream}/; }}", folder) as port:
        yield f"http://127.0.0.1:{port}"
