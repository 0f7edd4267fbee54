"""One process that serves the API, until SIGTERM or SIGINT.

It stops within `stopping.LONGEST_STOP` seconds. At once it closes the listening socket and ends the event streams. The
requests in hand have `GRACE` seconds for their answers. Then it waits for the charges in hand. Those that last longer
are left as a crash leaves them: when their claims expire, a worker finishes the orders.
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from fastapi import FastAPI

from breakwall.errors import ExitCode
from breakwall.settings import Settings
from breakwall.trace_export import start_tracing
from breakwall.web.access.protect import refuse_open_bind
from breakwall.web.app import create_app
from breakwall.web.listening import BACKLOG, url_of
from breakwall.web.services import Services

log = logging.getLogger("breakwall.api")

GRACE = 2  # Seconds. As long as an order waits by default, so that a caller whose charge hangs hears of it.


def serve(settings: Settings, listener: socket.socket) -> int:
    """Serve until a signal comes. Returns the exit code; if charges are still in hand, ends the process itself.

    Raises as `Services.from_settings` and `refuse_open_bind`.
    """
    stop_tracing = start_tracing(settings, "api")
    host, services = listener.getsockname()[0], Services.from_settings(settings)
    refuse_open_bind(host, settings, services.access)
    app = create_app(services, host=host)
    try:
        _Server(app).run(sockets=[listener])
    except SystemExit:  # The application could not start, and uvicorn has logged why.
        return ExitCode.FAILURE
    stop_tracing()
    if not app.state.closed:
        _leave()
    return ExitCode.OK


def _leave() -> None:
    log.warning("charges were still in hand: when their claims expire, a worker finishes these orders")
    logging.shutdown()
    os._exit(ExitCode.OK)  # The interpreter's exit would wait for the charges until their deadlines.


class _Server(uvicorn.Server):
    """Says that it is ready, and tells the application that it stops before it waits for the connections."""

    def __init__(self, app: FastAPI) -> None:
        config = uvicorn.Config(
            app,
            lifespan="on",
            ws="none",
            log_config=None,
            access_log=False,
            server_header=False,
            # Anybody can send the headers of a proxy: `protect` believes those of the setting API__PROXIES.
            proxy_headers=False,
            backlog=BACKLOG,
            timeout_graceful_shutdown=GRACE,
        )
        super().__init__(config)
        self._services: Services = app.state.services

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        for listener in sockets or []:
            log.info("the API and the operator's page are at %s: ready.", url_of(listener))

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._services.stopping.begin()
        await super().shutdown(sockets=sockets)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        with super().capture_signals():
            yield
            self._captured_signals.clear()  # Uvicorn would send them to this process again: no exit code 0.
