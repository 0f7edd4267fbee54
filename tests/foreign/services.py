"""Payment services as others write them, with FastAPI under uvicorn, and an nginx to stand in front of them.

Each keeps its own charge book, which decides what was charged. None imports anything of Breakwall.
"""

from __future__ import annotations

import socket
import subprocess
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
from tests.servers import UnavailableError, packages
from tests.waiting import wait_until


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


_NGINX = """
daemon off; master_process off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 64; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port};
        location / {{ proxy_pass {upstream}/; }}
    }}
}}
"""


@contextmanager
def nginx_before(upstream: str, folder: Path) -> Iterator[str]:
    """An nginx whose ``proxy_pass`` ends with a slash; yields its address. `UnavailableError` if there is none."""
    program = packages.program("nginx", "nginx-light")
    if program is None:
        raise UnavailableError("there is none on this machine, and it cannot be installed (root, apt-get)")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    configuration = folder / "nginx.conf"
    configuration.write_text(_NGINX.format(folder=folder, port=port, upstream=upstream))
    process = subprocess.Popen([program, "-p", folder, "-c", configuration], stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: _is_listening(port))
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


def _is_listening(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
