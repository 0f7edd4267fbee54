"""A TCP proxy in front of a payment service that hangs, cuts, drips and talks nonsense on command."""

import select
import socket
import ssl
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from enum import StrEnum
from typing import Self
from urllib.parse import urlsplit

CHUNK = 65_536
DRIP_INTERVAL = 0.1  # Seconds between two bytes: an answer then takes longer than any deadline.
LONGEST_HANG = 120.0  # Seconds.
CONNECT_TIMEOUT = 10.0

# No protocol begins so: neither HTTP nor TLS nor JSON.
GARBAGE = b"\x00\xff\xfe<<<{]not an answer\r\n\r\n" * 8


class Fault(StrEnum):
    """What the proxy does to a connection. The first group keeps the request from the service."""

    DOWN = "down"  # Refuses connections.
    RESET_AT_ONCE = "reset_at_once"  # Resets the connection when the request comes.
    HANG_AT_ONCE = "hang_at_once"  # Takes the request, and does nothing.
    GARBAGE = "garbage"  # Answers nonsense.
    FLOOD = "flood"  # Answers nonsense without an end.

    HANG = "hang"  # Passes the request on, and keeps the answer.
    RESET = "reset"  # Passes the request on, and resets the connection instead of the answer.
    CUT = "cut"  # Passes half of the answer on, and closes.
    DRIP = "drip"  # Passes the answer on, byte by byte.

    @property
    def reaches_the_service(self) -> bool:
        """Whether the service gets the request: then it may have charged."""
        return self in {Fault.HANG, Fault.RESET, Fault.CUT, Fault.DRIP}


class FaultProxy:
    """Listens on the loopback and passes everything on to ``target``, a URL, until it is told to fail.

    It speaks plain TCP to the gateway. If the URL begins with https, it speaks TLS to the service. The header ``Host``
    of HTTP is made the target's.
    """

    def __init__(self, target: str) -> None:
        parts = urlsplit(target)
        self._tls = ssl.create_default_context() if parts.scheme == "https" else None
        self._host = parts.hostname or ""
        self._target = (self._host, parts.port or (443 if self._tls else 80))
        self._fault: Fault | None = None
        self._healed = threading.Event()
        self._closed = False
        self._open: set[socket.socket] = set()
        self._listen(0)
        self.port: int = self._listener.getsockname()[1]
        self._names = (f"127.0.0.1:{self.port}".encode(), parts.netloc.rpartition("@")[2].encode())
        self.url = f"http://127.0.0.1:{self.port}{parts.path.rstrip('/')}"
        self.received = 0  # Bytes of gateways.

    @contextmanager
    def failing(self, fault: Fault) -> Iterator[None]:
        """Fail in this way inside the block. At its end, connections that the fault holds are closed."""
        self._fault, self._healed = fault, threading.Event()
        if fault is Fault.DOWN:
            self._stop_listening()
        try:
            yield
        finally:
            self._fault = None
            self._healed.set()
            if fault is Fault.DOWN:
                self._listen(self.port)

    def close(self) -> None:
        """End all connections."""
        self._closed = True
        self._healed.set()
        self._stop_listening()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def _listen(self, port: int) -> None:
        self._listener = socket.create_server(("127.0.0.1", port))
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def _stop_listening(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in list(self._open):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._open.add(client)
        try:
            with client, suppress(OSError), self._connect() as service:
                while self._pass_on(client, service):
                    pass
        except OSError:
            pass  # the service does not answer, so the gateway's connection ends
        finally:
            self._open.discard(client)

    def _connect(self) -> socket.socket:
        service = socket.create_connection(self._target, CONNECT_TIMEOUT)
        if self._tls is not None:
            service = self._tls.wrap_socket(service, server_hostname=self._host)
        service.settimeout(None)
        return service

    def _pass_on(self, client: socket.socket, service: socket.socket) -> bool:
        """Pass the next bytes on, in whichever direction they come; False: the connection is over."""
        pending = isinstance(service, ssl.SSLSocket) and service.pending()
        ready = [service] if pending else select.select([client, service], [], [])[0]
        if service in ready:
            return self._answer(client, service.recv(CHUNK))
        data = client.recv(CHUNK)
        self.received += len(data)
        return bool(data) and self._request(client, service, data)

    def _request(self, client: socket.socket, service: socket.socket, data: bytes) -> bool:
        match self._fault:
            case Fault.RESET_AT_ONCE | Fault.DOWN:
                _reset(client)
            case Fault.HANG_AT_ONCE:
                self._healed.wait(LONGEST_HANG)
            case Fault.GARBAGE:
                client.sendall(GARBAGE)
            case Fault.FLOOD:
                while not self._healed.is_set():
                    client.sendall(GARBAGE)
            case _:
                ours, theirs = self._names
                service.sendall(data.replace(b"Host: " + ours, b"Host: " + theirs, 1))
                return True
        return False

    def _answer(self, client: socket.socket, data: bytes) -> bool:
        match self._fault:
            case Fault.HANG:
                self._healed.wait(LONGEST_HANG)
            case Fault.RESET:
                _reset(client)
            case Fault.CUT:
                client.sendall(data[: len(data) // 2])
            case Fault.DRIP:
                return self._drip(client, data)
            case _:
                client.sendall(data)
                return bool(data)
        return False

    def _drip(self, client: socket.socket, data: bytes) -> bool:
        for byte in data:
            client.sendall(bytes([byte]))
            if self._healed.wait(DRIP_INTERVAL):
                return False
        return bool(data)


def _reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()
