"""Answers on the socket, and the several ways of not giving one."""

from __future__ import annotations

import json
import os
import socket
import struct
import threading
from email.utils import formatdate
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any

from breakwall.pickling import Picklable

if TYPE_CHECKING:
    from breakwall.simulator.ports import Port
    from breakwall.simulator.server import Simulator

LARGEST_BODY = 65_536
"""Bytes; a charge needs a few hundred."""

GARBAGE = b"\x16\x03\x01\x02\x00 not HTTP at all \x00\xff\xfe\r\n\r\n" * 8


class BadRequestError(Picklable, Exception):
    """The request cannot be read; the message says what would be right."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class JsonHandler(BaseHTTPRequestHandler):
    """Reads and writes JSON over a kept connection, each answer in one piece."""

    server: Port
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 60  # seconds that an idle connection is kept
    error_content_type = "application/json"
    error_message_format = '{"error": "%(message)s"}'

    @property
    def simulator(self) -> Simulator:
        """Whose port this connection came in by."""
        return self.server.simulator

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Say nothing: the ledger and the counts are the log."""

    def read_json(self) -> Any:
        """The request's body.

        Raises:
            BadRequestError: it is none, too long, or no JSON.
        """
        try:
            length = int(self.headers.get("Content-Length", ""))
        except ValueError:
            raise self.unread(411, "a Content-Length header and a JSON body are needed") from None
        if not 0 <= length <= LARGEST_BODY:
            raise self.unread(413, f"the body should have at most {LARGEST_BODY} bytes")
        try:
            return json.loads(self.rfile.read(length))
        except (ValueError, RecursionError):
            raise BadRequestError(400, "the body is not JSON") from None

    def answer(self, status: int, said: object, **headers: str) -> None:
        """Send a whole answer."""
        self.wfile.write(self.rendered(status, json.dumps(said).encode(), "application/json", headers))

    def rendered(self, status: int, body: bytes, kind: str, headers: dict[str, str] | None = None) -> bytes:
        """A whole answer's bytes; an underscore in a header's name stands for a hyphen."""
        lines = [
            f"HTTP/1.1 {status} {_reason(status)}",
            f"Date: {formatdate(usegmt=True)}",
            f"Content-Type: {kind}",
            f"Content-Length: {len(body)}",
            *(f"{name.replace('_', '-')}: {value}" for name, value in (headers or {}).items()),
        ]
        if self.close_connection:
            lines.append("Connection: close")
        return "\r\n".join([*lines, "", ""]).encode("latin-1") + body

    def reset(self) -> None:
        """End the connection with a TCP reset instead of an answer."""
        self.close_connection = True
        on, no_seconds = 1, 0
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", on, no_seconds))
        # Closing the object would wait for the files made of it, and socketserver would send a FIN first.
        os.close(self.connection.detach())

    def hang(self, stopping: threading.Event) -> None:
        """Say nothing until the client hangs up."""
        self.close_connection = True
        self.connection.settimeout(0.25)
        while not stopping.is_set():
            try:
                if not self.connection.recv(4096):
                    return
            except TimeoutError:
                continue
            except OSError:
                return

    def send_garbage(self) -> None:
        """Answer with something that is no HTTP."""
        self.close_connection = True
        self.wfile.write(GARBAGE)

    def drip(self, answer: bytes, interval: float, stopping: threading.Event) -> None:
        """Send byte after byte, each after ``interval`` seconds."""
        for byte in answer:
            if stopping.wait(interval):
                return
            self.wfile.write(bytes([byte]))

    def unread(self, status: int, message: str) -> BadRequestError:
        """An error about a request whose body stays unread."""
        self.close_connection = True  # what follows on this connection is the body, not a request
        return BadRequestError(status, message)


def _reason(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"
