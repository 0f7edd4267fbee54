"""Payment services behind TLS that demand a certificate of ours: nginx, uvicorn, and Python's ssl in both versions."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse

from tests.application_server import serving
from tests.integration.certificate_authority import Authority
from tests.integration.gateway_stub import PAID, Script, StubConnection, StubServer, response
from tests.servers import UnavailableError, not_available
from tests.servers.nginx import running_nginx

ABSENT = response(404, b'{"error": "no such charge"}')
NOWHERE = response(404, b'{"error": "no such address"}')


@dataclass
class Certificates:
    """The service's certificate, and the authorities of both sides."""

    folder: Path
    services: Authority = field(init=False)
    clients: Authority = field(init=False)
    of_service: Path = field(init=False)

    def __post_init__(self) -> None:
        self.services = Authority(self.folder / "services", "Service CA")
        self.clients = Authority(self.folder / "clients", "Client CA")
        self.of_service = self.services.issue("IP:127.0.0.1,DNS:localhost", subject="service")

    def server_context(self, version: ssl.TLSVersion | None = None, *, demand: bool = True) -> ssl.SSLContext:
        """For a server with the service's certificate, which by default demands one of ours."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.of_service)
        if demand:
            context.load_verify_locations(self.clients.certificate)
            context.verify_mode = ssl.CERT_REQUIRED
        if version is not None:
            context.minimum_version = context.maximum_version = version
        return context


def paying(connection: StubConnection) -> None:
    """A service in one script: it charges, knows no charge, and has no other address."""
    while request := connection.request():
        method, path, _ = request.split(b" ", 2)
        if method == b"POST":
            connection.send(response(200, PAID))
        else:
            connection.send(ABSENT if b"/api/charges/" in path else NOWHERE)


@contextmanager
def serving_script(script: Script, context: ssl.SSLContext | None = None) -> Iterator[StubServer]:
    server = StubServer(script, context)
    try:
        yield server
    finally:
        server.close()


@contextmanager
def python_tls_1_2(certificates: Certificates, folder: Path) -> Iterator[str]:
    with serving_script(paying, certificates.server_context(ssl.TLSVersion.TLSv1_2)) as server:
        yield server.url


@contextmanager
def python_tls_1_3(certificates: Certificates, folder: Path) -> Iterator[str]:
    with serving_script(paying, certificates.server_context(ssl.TLSVersion.TLSv1_3)) as server:
        yield server.url


def application(*, token: str | None = None, looks_up: bool = True) -> FastAPI:
    """A service as others write one. With a ``token`` it demands that one."""

    async def authorize(request: Request) -> None:
        if token is not None and request.headers.get("authorization") != f"Bearer {token}":
            raise HTTPException(401, "unauthorized")

    app = FastAPI(dependencies=[Depends(authorize)])

    @app.post("/api/charge")
    async def charge() -> JSONResponse:
        return JSONResponse({"status": "succeeded", "charge_id": "ch_1"})

    if looks_up:

        @app.get("/api/charges/{key}")
        async def look_up(key: str) -> JSONResponse:
            return JSONResponse({"error": "no such charge"}, 404)

    return app


@contextmanager
def uvicorn(certificates: Certificates, folder: Path) -> Iterator[str]:
    tls = {
        "ssl_certfile": str(certificates.of_service),
        "ssl_ca_certs": str(certificates.clients.certificate),
        "ssl_cert_reqs": ssl.CERT_REQUIRED,
    }
    with serving(application(), **tls) as url:
        yield url


NGINX = """
ssl_certificate {service}; ssl_certificate_key {service}; ssl_client_certificate {clients}; ssl_verify_client on;
location = /api/charge {{
    if ($request_method = GET) {{ return 405; }}
    return 200 '{{"status": "succeeded", "charge_id": "ch_1"}}';
}}
location /api/charges/ {{ return 404 '{{"error": "no such charge"}}'; }}
location / {{ return 404 '{{"error": "no such address"}}'; }}
"""


@contextmanager
def nginx(certificates: Certificates, folder: Path) -> Iterator[str]:
    block = NGINX.format(service=certificates.of_service, clients=certificates.clients.certificate)
    try:
        with running_nginx(block, folder, tls=True) as port:
            yield f"https://127.0.0.1:{port}"
    except UnavailableError as error:
        not_available("nginx", str(error))


DEMANDING = {
    "nginx": nginx,
    "uvicorn": uvicorn,
    "ssl, TLS 1.2": python_tls_1_2,
    "ssl, TLS 1.3": python_tls_1_3,
}
