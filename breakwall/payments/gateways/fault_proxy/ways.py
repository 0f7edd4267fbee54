"""Where a connection leads: always to one service, or, as with every HTTP proxy, to the service that is asked for."""

import re
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlsplit

from breakwall.payments.gateways.fault_proxy.tls_records import TlsRecords

CHUNK = 65_536
CONNECT_TIMEOUT = 10.0
LONGEST_HEAD = 65_536  # Bytes.

_ABSOLUTE = re.compile(rb"\A([A-Z]+) http://([^/ ]+)/?")


@dataclass
class Way:
    """A connection to the service.

    Attributes:
        reopen: makes another one.
        begun: bytes of the first request, which were read to find the way.
        adapt: changes the bytes of a request for the service.
        tls: of a tunnel.
    """

    service: socket.socket
    reopen: Callable[[], socket.socket]
    begun: bytes = b""
    adapt: Callable[[bytes], bytes] = bytes
    tls: TlsRecords | None = None


class Ways(Protocol):
    """Opens the way of each connection."""

    def open(self, client: socket.socket) -> Way:
        """The way of a new connection. `OSError` if there is none."""
        ...


class WayToOneService:
    """To the service of a URL. If it begins with https, the proxy speaks TLS to it.

    The header ``Host`` is made the service's; ``port`` is that of the proxy.
    """

    def __init__(self, url: str, port: int) -> None:
        parts = urlsplit(url)
        self._tls = ssl.create_default_context() if parts.scheme == "https" else None
        self._host = parts.hostname or ""
        self._address = (self._host, parts.port or (443 if self._tls else 80))
        self._names = (
            f"Host: 127.0.0.1:{port}".encode(),
            b"Host: " + parts.netloc.rpartition("@")[2].encode(),
        )

    def open(self, client: socket.socket) -> Way:
        return Way(self._connect(), self._connect, adapt=self._rename)

    def _rename(self, data: bytes) -> bytes:
        return data.replace(*self._names, 1)

    def _connect(self) -> socket.socket:
        service = _connected(self._address)
        if self._tls is None:
            return service
        return self._tls.wrap_socket(service, server_hostname=self._host)


class WayAsAsked:
    """To the service that the client names: with CONNECT, whose tunnel is not read, or with the full URL.

    ``proxy_url``: the next proxy on the way, ``http://host:port``. It gets the client's own words, with the credentials
    for it.
    """

    def __init__(self, proxy_url: str | None = None) -> None:
        parts = urlsplit(proxy_url or "")
        self._proxy = (parts.hostname or "", parts.port or 80) if proxy_url else None

    def open(self, client: socket.socket) -> Way:
        head = _read_head(client)
        return self._tunnel(client, head) if head.startswith(b"CONNECT ") else self._forward(head)

    def _forward(self, head: bytes) -> Way:
        asked = _ABSOLUTE.match(head)
        if asked is None:
            raise ConnectionError("not a request to a proxy")
        address = self._proxy or _address(asked[2], 80)
        adapt = bytes if self._proxy else _without_the_host
        return Way(_connected(address), lambda: _connected(address), begun=head, adapt=adapt)

    def _tunnel(self, client: socket.socket, head: bytes) -> Way:
        address = self._proxy or _address(head.split(b" ", 2)[1], 443)
        try:
            service = _connected(address)
        except OSError:
            client.sendall(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")
            raise
        if self._proxy is None:
            client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        else:
            service.sendall(head)
            client.sendall(_read_head(service))
        return Way(service, lambda: _connected(address), tls=TlsRecords())


def _without_the_host(data: bytes) -> bytes:
    return _ABSOLUTE.sub(rb"\1 /", data)


def _address(authority: bytes, port: int) -> tuple[str, int]:
    parts = urlsplit(b"//" + authority)
    return (parts.hostname or b"").decode("ascii"), parts.port or port


def _read_head(connection: socket.socket) -> bytes:
    """The bytes of a head, with whatever came with its end."""
    head = b""
    while b"\r\n\r\n" not in head:
        data = connection.recv(CHUNK)
        head += data
        if not data or len(head) > LONGEST_HEAD:
            raise ConnectionError("no whole head came")
    return head


def _connected(address: tuple[str, int]) -> socket.socket:
    service = socket.create_connection(address, CONNECT_TIMEOUT)
    service.settimeout(None)
    service.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return service
