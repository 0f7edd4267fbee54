"""A TCP server that runs scripts of the tests of the HTTP gateway, and misbehaves as they say."""

import json
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator

Script = Callable[["StubConnection"], None]

PAID = b'{"status": "succeeded", "charge_id": "ch_1"}'


class StubConnection:
    """One accepted connection, as the script of the test sees it."""

    def __init__(self, sock: socket.socket, stopping: threading.Event) -> None:
        self.sock = sock
        self._stopping = stopping

    def request(self) -> bytes:
        """The next request, headers and body; empty when the client has gone."""
        data = b""
        while b"\r\n\r\n" not in data:
            if not (more := self.sock.recv(65_536)):
                return b""
            data += more
        head, _, body = data.partition(b"\r\n\r\n")
        while len(body) < _content_length(head):
            body += self.sock.recv(65_536)
        return head + b"\r\n\r\n" + body

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def drip(self, data: bytes, every: float) -> None:
        """Send byte by byte until all is sent, the client has gone or the test is over."""
        for byte in data:
            self.sock.sendall(bytes([byte]))
            if self._stopping.wait(every):
                return

    def hang(self) -> None:
        """Neither read, write nor close until the test is over."""
        self._stopping.wait(60)

    def reset(self) -> None:
        """Close with a TCP reset."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()


def hang_before_reading(connection: StubConnection) -> None:
    connection.hang()


def hang_after_reading(connection: StubConnection) -> None:
    connection.request()
    connection.hang()


def reset_after_reading(connection: StubConnection) -> None:
    connection.request()
    connection.reset()


class StubServer:
    """Runs ``script`` for each connection, in a thread of its own, on a free port of the loopback.

    ``requests`` holds what `StubConnection.request` read, ``connections`` counts what was accepted.
    """

    def __init__(self, script: Script, tls: ssl.SSLContext | None = None) -> None:
        self._script = script
        self._tls = tls
        self._stopping = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._threads: list[threading.Thread] = []
        self.port: int = self._listener.getsockname()[1]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"
        self.requests: list[bytes] = []
        self.connections = 0
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()

    def close(self) -> None:
        self._stopping.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._accepting.join(5)
        for thread in self._threads:
            thread.join(5)

    def _accept(self) -> None:
        while not self._stopping.is_set():
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            thread = threading.Thread(target=self._serve, args=(sock,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, sock: socket.socket) -> None:
        sock.settimeout(60)
        # On the loopback, what is sent has then arrived.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            if self._tls is not None:
                sock = self._tls.wrap_socket(sock, server_side=True)
            self._script(_Recording(sock, self._stopping, self.requests))
        except OSError:
            pass  # the gateway hung up first, which is what many tests want
        finally:
            sock.close()


class _Recording(StubConnection):
    def __init__(self, sock: socket.socket, stopping: threading.Event, requests: list[bytes]) -> None:
        super().__init__(sock, stopping)
        self._requests = requests

    def request(self) -> bytes:
        if data := super().request():
            self._requests.append(data)
        return data


def response(status: int, body: bytes = b"", *headers: str) -> bytes:
    """A whole HTTP response."""
    lines = [f"HTTP/1.1 {status} Some Reason", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


def answering(reply: bytes) -> Script:
    """A script that answers every request on a kept connection with ``reply``."""

    def script(connection: StubConnection) -> None:
        while connection.request():
            connection.send(reply)

    return script


def after_reading(
    reply: bytes = b"", *, drip: bytes = b"", endless: bytes = b"", then: Script | None = None
) -> Script:
    """A script that reads a request and sends ``reply``, then ``drip`` byte by byte, then ``endless`` again and again.

    After that it does ``then``, such as `StubConnection.hang`, or closes the connection.
    """

    def script(connection: StubConnection) -> None:
        connection.request()
        connection.send(reply)
        connection.drip(drip, every=0.02)
        while endless:
            connection.send(endless)
        if then is not None:
            then(connection)

    return script


def body_of(request: bytes) -> dict[str, object]:
    """The JSON object that a recorded request carries."""
    parsed: dict[str, object] = json.loads(request.partition(b"\r\n\r\n")[2])
    return parsed


def headers_of(request: bytes) -> dict[str, str]:
    """A recorded request's headers, names in lower case."""
    return dict(_headers(request.partition(b"\r\n\r\n")[0]))


def _headers(head: bytes) -> Iterator[tuple[str, str]]:
    for line in head.decode("latin-1").split("\r\n")[1:]:
        name, _, value = line.partition(":")
        yield name.lower(), value.strip()


def _content_length(head: bytes) -> int:
    return int(dict(_headers(head)).get("content-length", "0"))
