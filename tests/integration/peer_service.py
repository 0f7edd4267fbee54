"""A payment service as other teams write one: FastAPI under uvicorn."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse

from tests.application_server import serving


@dataclass
class Peer:
    """The service while it runs."""

    url: str = ""
    # To every charge and every look-up.
    reply: Response = field(default_factory=lambda: JSONResponse({}, 500))
    charges: list[dict[str, Any]] = field(default_factory=list)  # The bodies of the requests to charge.


@contextmanager
def running_peer() -> Iterator[Peer]:
    """The service on a free port of the loopback, until the block ends."""
    peer = Peer()
    with serving(_application(peer)) as peer.url:
        yield peer


def _application(peer: Peer) -> FastAPI:
    application = FastAPI()

    @application.post("/api/charge")
    async def charge(request: Request) -> Response:
        peer.charges.append(await request.json())
        return peer.reply

    @application.get("/api/charges/{key}")
    async def look_up(key: str) -> Response:
        return peer.reply

    return application
