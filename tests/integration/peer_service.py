"""A payment service as others write one, with FastAPI under uvicorn, for the tests of the HTTP gateway."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse

from tests.waiting import wait_until


@dataclass
class Peer:
    """The service while it runs.

    Attributes:
        url: its address.
        reply: what it answers to every charge and every look-up.
        charges: the bodies of the charges that it was asked for.
    """

    url: str
    reply: Response = field(default_factory=lambda: JSONResponse({}, 500))
    charges: list[dict[str, Any]] = field(default_factory=list)


@contextmanager
def running_peer() -> Iterator[Peer]:
    """The service on a free port of the loopback, until the block ends."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        peer = Peer(f"http://127.0.0.1:{listener.getsockname()[1]}")
        server = uvicorn.Server(uvicorn.Config(_application(peer), log_config=None, lifespan="off"))
        thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
        thread.start()
        try:
            wait_until(lambda: server.started)
            yield peer
        finally:
            server.should_exit = True
            thread.join(10)


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
