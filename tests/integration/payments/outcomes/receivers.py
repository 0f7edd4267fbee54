"""Endpoints of a shop that misbehave below HTTP: they hang, drip, reset, or answer what they are told."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

Behaviour = Callable[[socket.socket], None]
RESET = struct.pack("ii", 1, 0)


def answer(head: str, body: str = "") -> Behaviour:
    """Answer with this status and these headers, after the whole request."""

    def behave(client: socket.socket) -> None:
        _read_request(client)
        client.sendall(f"HTTP/1.1 {head}\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())

    return behave


def hang(client: socket.socket) -> None:
    """Read the request, and never answer."""
    _read_request(client)
    while client.recv(65_536):
        pass


def drip(client: socket.socket) -> None:
    """Answer 200 a byte at a time, so slowly that no timeout of a single read ends it."""
    _read_request(client)
    with suppress(OSError):
        for byte in b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-Long: " + b"x" * 100_000:
            client.send(bytes([byte]))
            time.sleep(0.05)


def reset(client: socket.socket) -> None:
    """Reset the connection after the request."""
    _read_request(client)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)


def garbage(client: socket.socket) -> None:
    _read_request(client)
    client.sendall(b"\x00\x01 this is no HTTP\r\n\r\n")


class Receiver:
    """Listens on the loopback; each connection is treated by ``behaviour``."""

    def __init__(self, behaviour: Behaviour) -> None:
        self.behaviour, self.connections = behaviour, 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/hook?shop=1"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self.connections += 1
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, suppress(OSError):
            self.behaviour(client)


@contextmanager
def receiving(behaviour: Behaviour) -> Iterator[Receiver]:
    receiver = Receiver(behaviour)
    try:
        yield receiver
    finally:
        receiver.close()


def _read_request(client: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        data += client.recv(65_536)
    head, _, body = data.partition(b"\r\n\r\n")
    length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
    while len(body) < length:
        body += client.recv(65_536)
    return head + b"\r\n\r\n" + body
