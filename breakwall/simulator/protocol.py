"""Reads requests and writes answers on the socket, or fails to, on purpose."""

from __future__ import annotations

import json
import os
import socket
import struct
import threading
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any

from breakwall.pickling import Picklable

if TYPE_CHECKING:
    from breakwall.simulator.ports import Port
    from breakwall.simulator.server import Simulator

LARGEST_BODY = 65_536  # Bytes; a charge needs a few hundred.
GARBAGE = b"\x16\x03\x01\x02\x00 not HTTP at all \x00\xff\xfe\r\n\r\n" * 8


class BadRequestError(Picklable, Exception):
    """The request is invalid; the message says what would be right."""

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
        return self.server.simulator

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Log nothing: the charge book and the statistics are the log."""

    def read_json(self) -> Any:
        """The request's body. `BadRequestError` if it is missing, too long, or not JSON."""
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

    def answer(self, status: int, document: object, retry_after: float | None = None) -> None:
        self.wfile.write(self.rendered(status, document, retry_after))

    def rendered(self, status: int, document: object, retry_after: float | None = None) -> bytes:
        """A whole answer's bytes; ``retry_after`` is in seconds."""
        body = json.dumps(document).encode()
        reason, _ = self.responses.get(status, ("Error", ""))
        lines = [
            f"HTTP/1.1 {status} {reason}",
            f"Date: {formatdate(usegmt=True)}",
            "Content-Type: application/json",
            f"Content-Length: {len(body)}",
        ]
        if retry_after is not None:
            lines.append(f"Retry-After: {retry_after:g}")
        if self.close_connection:
            lines.append("Connection: close")
        return "\r\n".join([*lines, "", ""]).encode("latin-1") + body

    def reset(self) -> None:
        """End the connection with a TCP reset instead of an answer."""
        self.close_connection = True
        on, no_seconds = 1, 0
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", on, no_seconds))
        # Closing the socket object would wait for its files, and socketserver would send a FIN first.
        os.close(self.connection.detach())

    def hang(self, stopping: threading.Event) -> None:
        """Send nothing until the client closes the connection."""
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
        """Answer with bytes that are not HTTP."""
        self.close_connection = True
        self.wfile.write(GARBAGE)

    def drip(self, answer: bytes, interval: float, stopping: threading.Event) -> None:
        """Send the answer byte by byte, every ``interval`` seconds."""
        for byte in answer:
            if stopping.wait(interval):
                return
            self.wfile.write(bytes([byte]))

    def unread(self, status: int, message: str) -> BadRequestError:
        """The error for a request whose body stays unread."""
        self.close_connection = True  # the unread body would be taken for the next request
        return BadRequestError(status, message)
