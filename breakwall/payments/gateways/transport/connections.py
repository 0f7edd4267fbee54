"""HTTP/1.1 on kept connections. An answer is only ever taken for the request that it answers.

Bytes before, beside or after an answer never count for the next one. So a connection is kept only if nothing is left in
the buffers of the parser, of TLS and of the socket, and it is checked again before its next use. General HTTP clients
do not show the parser's buffer; that is why this package uses none.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import h11

from breakwall.host.descriptors import register_idle_connections
from breakwall.payments.gateways.transport.deadline import Call, DeadlineStream
from breakwall.payments.gateways.transport.errors import SpeaksTlsError, StrayAnswerError
from breakwall.payments.gateways.transport.request import Request, stand_in

if TYPE_CHECKING:
    from breakwall.payments.gateways.transport.routes import Route

LONGEST_HEAD = 102_400  # Bytes of an answer's status line and headers.
_END = h11.EndOfMessage()
TLS_ALERT = b"\x15\x03"  # How a server that speaks TLS answers to a request without it (RFC 8446, 5.1).


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer."""

    status: int
    headers: Mapping[str, str]  # names in lower case
    body: bytes | None  # None if it was too long


class HttpConnection:
    """One connection to the service, for one request after another."""

    def __init__(self, stream: DeadlineStream, route: Route | None = None) -> None:
        """``route``: how it was opened, for `ConnectionPool`."""
        self.route = route
        self._stream = stream
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=LONGEST_HEAD)

    def exchange(self, request: Request, max_body: int, call: Call) -> Reply:
        """Send the request and read its answer.

        `StrayAnswerError` if the answer began before the whole request had arrived; else whatever h11 or the stream
        raises.
        """
        self._stream.write(self._encode(request), call)
        head = self._head(call)
        return Reply(head.status_code, _joined(head.headers), self._body(max_body, call))

    def reset(self) -> bool:
        """Prepare for the next request; False if anything is left over from the last one."""
        http = self._http
        if not (http.our_state is http.their_state is h11.DONE) or http.trailing_data != (b"", False):
            return False
        http.start_next_cycle()
        return self.is_quiet()

    def tunnel(self) -> DeadlineStream | None:
        """The stream below, if the answer to a CONNECT made it a tunnel; else None.

        Bytes after that answer are lost. There are none before TLS, where the client speaks first.
        """
        return self._stream if self._http.their_state is h11.SWITCHED_PROTOCOL else None

    def is_quiet(self) -> bool:
        """Whether nothing has arrived since the last answer."""
        return not self._stream.has_unsolicited_data()

    def close(self) -> None:
        self._stream.close()

    def _encode(self, request: Request) -> bytes:
        encoded = request.encode()
        for event in (stand_in(request.method), _END):
            self._http.send(event)
        return encoded

    def _head(self, call: Call) -> h11.Response:
        early = False
        while True:
            while (event := self._http.next_event()) is h11.NEED_DATA:
                self._receive(call)
                early = early or not self._stream.delivered
            if isinstance(event, h11.Response):
                break
            # Only "100 Continue" may come before the body has arrived.
            early = early and bool(self._http.trailing_data[0])
        if early:
            raise StrayAnswerError
        return event

    def _body(self, limit: int, call: Call) -> bytes | None:
        body = bytearray()
        while True:
            event = self._http.next_event()
            if event is h11.NEED_DATA:
                self._receive(call)
            elif isinstance(event, h11.Data):
                body += event.data
            else:
                return bytes(body)
            if len(body) > limit:
                return None

    def _receive(self, call: Call) -> None:
        http, data = self._http, self._stream.read(call)
        is_first = http.their_state is h11.SEND_RESPONSE and http.trailing_data == (b"", False)
        if is_first and data.startswith(TLS_ALERT):
            raise SpeaksTlsError
        http.receive_data(data)


class ConnectionPool:
    """Keeps idle connections for a while. Threads may share it."""

    def __init__(self, connect: Callable[[Route, Call], DeadlineStream], *, keepalive: float) -> None:
        """Connect nothing yet; ``keepalive`` is in seconds."""
        self._connect, self._keepalive = connect, keepalive
        self._lock = threading.Lock()
        self._idle: deque[tuple[float, HttpConnection]] = deque()  # the longest idle first
        self._closed = False
        register_idle_connections(self)

    def exchange(self, request: Request, max_body: int, call: Call, route: Route) -> Reply:
        """Send the request over the route and read its answer; see `HttpConnection.exchange`."""
        connection = self._take(route) or HttpConnection(self._connect(route, call), route)
        try:
            return connection.exchange(request, max_body, call)
        finally:
            self._give_back(connection)

    def close(self) -> None:
        """Close the idle connections now, and those in use after their calls."""
        with self._lock:
            self._closed = True
        self.close_idle()

    def close_idle(self) -> None:
        """Close the connections that no call uses."""
        with self._lock:
            idle = [connection for _, connection in self._idle]
            self._idle.clear()
        for connection in idle:
            connection.close()

    def _take(self, route: Route) -> HttpConnection | None:
        self._close_expired()
        while True:
            with self._lock:
                if not self._idle:
                    return None
                _, connection = self._idle.pop()
            # The certificates or the proxy may have changed since.
            if connection.route is route and connection.is_quiet():
                return connection
            connection.close()

    def _give_back(self, connection: HttpConnection) -> None:
        if connection.reset():
            with self._lock:
                if not self._closed:
                    self._idle.append((time.monotonic() + self._keepalive, connection))
                    return
        connection.close()

    def _close_expired(self) -> None:
        now = time.monotonic()
        expired: list[HttpConnection] = []
        with self._lock:
            while self._idle and self._idle[0][0] <= now:
                expired.append(self._idle.popleft()[1])
        for connection in expired:
            connection.close()


def _joined(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """The headers by name; repeated ones are joined with commas (RFC 9110, 5.2)."""
    joined: dict[str, str] = {}
    for raw_name, raw_value in headers:
        name, value = raw_name.decode("ascii"), raw_value.decode("latin-1")
        joined[name] = f"{joined[name]}, {value}" if name in joined else value
    return joined
