"""A TCP proxy in front of a payment service that hangs, cuts, drips, repeats and talks nonsense on command."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Self
from urllib.parse import urlsplit

from breakwall.payments.gateways.fault_proxy.faults import Delivery, Fault, Instructions
from breakwall.payments.gateways.fault_proxy.passing import Passage
from breakwall.payments.gateways.fault_proxy.ways import WayAsAsked, Ways, WayToOneService

LONGEST_ARRIVAL = 30.0  # Seconds for which a late request is awaited, at most.


class FaultProxy:
    """Listens on the loopback and passes everything on until it is told to fail.

    With a ``target``, a URL, it is the service for a gateway: it speaks plain TCP to the gateway, and TLS to a target
    whose URL begins with https.

    Without one it is the gateway's HTTP proxy: of a tunnel (CONNECT) it reads nothing. ``next_proxy`` is the URL of
    another one behind it; `url` then has the user and password that the gateway has for that one.
    """

    def __init__(self, target: str | None = None, *, next_proxy: str | None = None) -> None:
        self._now, self._closed = Instructions(), threading.Event()
        self._open: set[socket.socket] = set()
        self._listen(0)
        self.port: int = self._listener.getsockname()[1]
        self._ways: Ways = WayAsAsked(next_proxy) if target is None else WayToOneService(target, self.port)
        self.url = _url(self.port, target, next_proxy)
        self.received = 0  # Bytes of gateways, without those of a CONNECT.
        self.tunnels = 0  # Connections that cannot be read.
        self.repeated = 0  # Requests that were delivered twice.

    @contextmanager
    def failing(self, fault: Fault) -> Iterator[None]:
        """Fail in this way inside the block. At its end, connections that the fault holds are closed."""
        if fault is Fault.DOWN:
            self._stop_listening()
        try:
            with self._following(Instructions(fault)):
                yield
        finally:
            if fault is Fault.DOWN:
                self._listen(self.port)

    @contextmanager
    def delivering(self, delivery: Delivery) -> Iterator[None]:
        """Deliver requests in this way inside the block. Its end waits for a late request's arrival."""
        with self._following(Instructions(delivery=delivery)) as now:
            yield
            if now.held.is_set():
                now.arrived.wait(LONGEST_ARRIVAL)

    @contextmanager
    def gathering(self, number: int) -> Iterator[None]:
        """Hold requests inside the block until there are so many, and pass them on at once."""
        with self._following(Instructions(gathering=threading.Barrier(number))):
            yield

    def close(self) -> None:
        """End all connections."""
        self._closed.set()
        self._now.healed.set()
        self._stop_listening()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    @contextmanager
    def _following(self, instructions: Instructions) -> Iterator[Instructions]:
        self._now = instructions
        try:
            yield instructions
        finally:
            self._now = Instructions()
            instructions.healed.set()

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
            # If the service does not answer, the gateway's connection ends.
            with client, suppress(OSError):
                way = self._ways.open(client)
                self.tunnels += way.tls is not None
                Passage(client, way, lambda: self._now, self._count, self._closed, self._count_repeat).run()
        finally:
            self._open.discard(client)

    def _count(self, received: int) -> None:
        self.received += received

    def _count_repeat(self) -> None:
        self.repeated += 1


def _url(port: int, target: str | None, next_proxy: str | None) -> str:
    path = urlsplit(target or "").path.rstrip("/")
    user = urlsplit(next_proxy or "").netloc.rpartition("@")[0]
    return f"http://{user}{'@' if user else ''}127.0.0.1:{port}{path}"
