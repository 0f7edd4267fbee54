"""A listening port whose connections can be refused and cut."""

from __future__ import annotations

import logging
import socket
import sys
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from breakwall.simulator.server import Simulator

logger = logging.getLogger("breakwall.simulator")


def bind(host: str, port: int) -> socket.socket:
    """A socket that holds the port without listening: connections to it are refused.

    `OSError` if the port is taken or the host is unknown.
    """
    family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(address)
    except BaseException as error:
        sock.close()
        if isinstance(error, OSError):
            error.strerror = f"{error.strerror} (port {port})"
        raise
    return sock


def url_of(sock: socket.socket) -> str:
    """The bound socket's address as a URL."""
    host, port = sock.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class Port(ThreadingHTTPServer):
    """Serves one bound socket, a thread for each connection, until it is stopped."""

    daemon_threads = True
    request_queue_size = 512

    def __init__(
        self, bound: socket.socket, handler: type[BaseHTTPRequestHandler], simulator: Simulator
    ) -> None:
        """Listen and serve. `OSError` if another process listens there now."""
        super().__init__(bound.getsockname()[:2], handler, bind_and_activate=False)
        self.socket.close()
        self.socket = bound
        self.simulator = simulator
        self._connections: set[Any] = set()
        self._lock = threading.Lock()
        self.server_activate()
        self._thread = threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def refuse(self) -> None:
        """Accept no more connections."""
        self.shutdown()
        self.server_close()
        self._thread.join()

    def cut(self) -> None:
        """End all connections at once, also those in use."""
        with self._lock:
            for connection in self._connections:
                with suppress(OSError):  # it may have ended by itself
                    connection.shutdown(socket.SHUT_RDWR)

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._connections.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Log only our own mistakes: clients that close the connection are normal."""
        if not isinstance(sys.exception(), OSError):
            logger.exception("a request could not be answered")
