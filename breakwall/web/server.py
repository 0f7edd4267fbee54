"""One process that serves the API, until SIGTERM or SIGINT.

It stops within `stopping.LONGEST_STOP` seconds. At once it closes the listening socket and ends the event streams. The
requests in hand have `GRACE` seconds for their answers, and are told then that nobody answers them. Then it waits for
the charges in hand. Those that last longer are left as a crash leaves them: when their claims expire, a worker finishes
the orders. Nothing that hangs, such as a database that does not answer, keeps the process longer.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from fastapi import FastAPI

from breakwall.access.shared_read import in_a_thread
from breakwall.errors import ExitCode
from breakwall.settings import Settings
from breakwall.trace_export import start_tracing
from breakwall.web.access.protect import refuse_open_bind
from breakwall.web.app import create_app
from breakwall.web.client_connection import IDLE_TIMEOUT, ClientConnection
from breakwall.web.listening import BACKLOG, url_of
from breakwall.web.orders.short_way import ShortWay
from breakwall.web.problems import ProblemType
from breakwall.web.services import Services
from breakwall.web.stopping import LONGEST_STOP

log = logging.getLogger("breakwall.api")

_STOPS = "This server stops, and the request was not finished in time. What it asked for may happen or not."

GRACE = 2  # Seconds. More than `stopping.ANSWER_AFTER`, and the time in which a database confirms an order.
LAST_ANSWERS = (
    GRACE - 0.2
)  # Seconds until all other requests are answered: those that are cancelled say nothing.
MARGIN = 0.4  # Seconds of Python's own for its end.


def serve(settings: Settings, listener: socket.socket) -> int:
    """Serve until a signal comes. Returns the exit code; if charges are still in hand, ends the process itself.

    Raises as `Services.from_settings` and `refuse_open_bind`.
    """
    stop_tracing = start_tracing(settings, "api")
    host, services = listener.getsockname()[0], Services.from_settings(settings)
    refuse_open_bind(host, settings, services.access)
    app = create_app(services, host=host)
    # On loopback nothing waits for the tokens: the server starts also while the database does not answer.
    in_a_thread(app.state.access.warn_if_open)
    try:
        _Server(app).run(sockets=[listener])
    except SystemExit:  # The application could not start, and uvicorn has logged why.
        return ExitCode.FAILURE
    stop_tracing()
    if not app.state.closed:
        _leave()
    return ExitCode.OK


def _leave() -> None:
    log.warning("not all that was in hand has ended: a worker finishes its orders when their claims expire")
    logging.shutdown()
    os._exit(ExitCode.OK)  # The interpreter's exit would wait for the charges and the threads that hang.


def _leave_in(seconds: float) -> None:
    leaving = threading.Timer(seconds, _leave)
    leaving.daemon = True
    leaving.start()


class _Server(uvicorn.Server):
    """Says that it is ready, and tells the application that it stops before it waits for the connections."""

    def __init__(self, app: FastAPI) -> None:
        config = uvicorn.Config(
            ShortWay(app),
            http=ClientConnection,
            lifespan="on",
            ws="none",
            log_config=None,
            access_log=False,
            server_header=False,
            # Anybody can send the headers of a proxy: `protect` believes those of the setting API__PROXIES.
            proxy_headers=False,
            backlog=BACKLOG,
            timeout_keep_alive=IDLE_TIMEOUT,
            timeout_graceful_shutdown=GRACE,
        )
        super().__init__(config)
        self._services: Services = app.state.services

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        # What was made up to now stays: no collection needs to look at it again, while requests make garbage.
        gc.collect()
        gc.freeze()
        for listener in sockets or []:
            log.info("the API and the operator's page are at %s: ready.", url_of(listener))

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._services.stopping.begin()
        _leave_in(LONGEST_STOP + MARGIN)
        asyncio.get_running_loop().call_later(LAST_ANSWERS, self._refuse_rest)
        await super().shutdown(sockets=sockets)

    def _refuse_rest(self) -> None:
        """Answer what is still in hand, such as a read of a database that hangs. Orders were answered before."""
        for connection in list(self.server_state.connections):
            if isinstance(connection, ClientConnection):
                connection.refuse(ProblemType.UNAVAILABLE, _STOPS)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        with super().capture_signals():
            yield
            self._captured_signals.clear()  # Uvicorn would send them to this process again: no exit code 0.
