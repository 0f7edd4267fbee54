"""HTTP/1.1 on kept connections, where an answer belongs to the request that it was given to.

Nothing that is on a connection before, behind or beside an answer is taken for the next one's. A connection
is kept only where nothing at all is left over, and looked at again before it is used: at the parser's
buffer, at TLS's and at the socket's. The parser's is why this is not a general HTTP client: those do not
show it.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import h11

from breakwall.host.exhaustion import remember
from breakwall.payments.gateways.answers import StrayAnswerError
from breakwall.payments.gateways.transport.deadline import Call, DeadlineStream

LONGEST_HEAD = 102_400
"""Bytes of an answer's status line and headers."""


@dataclass(frozen=True, slots=True, repr=False)  # the headers hold credentials
class Request:
    """One request; ``target`` and ``headers`` as they travel."""

    method: str
    target: bytes
    headers: Mapping[str, str]
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer.

    Attributes:
        headers: names in lower case.
        body: None where it was too long to be read.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes | None


class Connection:
    """One connection to the service, for one request after the other."""

    def __init__(self, stream: DeadlineStream) -> None:
        self._stream = stream
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=LONGEST_HEAD)

    def exchange(self, request: Request, max_body: int, call: Call) -> Reply:
        """Send the request and read its answer.

        Raises:
            StrayAnswerError: what came cannot be the answer to this request.
            Exception: whatever the network or the service did.
        """
        self._stream.write(self._encode(request), call)
        head = self._head(call)
        return Reply(head.status_code, _joined(head.headers), self._body(max_body, call))

    def renew(self) -> bool:
        """Make ready for the next request; False where anything is left over of the last one."""
        http = self._http
        if not (http.our_state is http.their_state is h11.DONE) or http.trailing_data != (b"", False):
            return False
        http.start_next_cycle()
        return self.is_quiet()

    def tunnelled(self) -> DeadlineStream | None:
        """What is below, where the answer to a CONNECT has made a tunnel of it; None where it has not.

        What came behind that answer is lost. In front of TLS there is nothing: the client speaks first.
        """
        return self._stream if self._http.their_state is h11.SWITCHED_PROTOCOL else None

    def is_quiet(self) -> bool:
        """Whether nothing has come since."""
        return not self._stream.has_unasked()

    def close(self) -> None:
        """Give it up."""
        self._stream.close()

    def _encode(self, request: Request) -> bytes:
        head = h11.Request(
            method=request.method, target=request.target, headers=list(request.headers.items())
        )
        events = [head, *([h11.Data(data=request.body)] if request.body else []), h11.EndOfMessage()]
        return b"".join(self._http.send(event) or b"" for event in events)

    def _head(self, call: Call) -> h11.Response:
        early = False
        while True:
            while (event := self._http.next_event()) is h11.NEED_DATA:
                self._receive(call)
                early = early or not self._stream.delivered
            if isinstance(event, h11.Response):
                break
            # "100 Continue" may come before the body has arrived.
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
        self._http.receive_data(self._stream.read(call))


class ConnectionPool:
    """Keeps idle connections for a while; safe to share between threads."""

    def __init__(self, connect: Callable[[Call], DeadlineStream], *, keepalive: float) -> None:
        """Nothing is connected yet; ``keepalive`` is in seconds."""
        self._connect, self._keepalive = connect, keepalive
        self._lock = threading.Lock()
        self._idle: deque[tuple[float, Connection]] = deque()  # the longest idle first
        self._closed = False
        remember(self)

    def exchange(self, request: Request, max_body: int, call: Call) -> Reply:
        """Send the request and read its answer; see `Connection.exchange`."""
        connection = self._take() or Connection(self._connect(call))
        try:
            return connection.exchange(request, max_body, call)
        finally:
            self._give_back(connection)

    def close(self) -> None:
        """Close the idle connections now, and those in use when their calls end."""
        with self._lock:
            self._closed = True
        self.close_idle()

    def close_idle(self) -> None:
        """Close those that no call uses."""
        with self._lock:
            idle = [connection for _, connection in self._idle]
            self._idle.clear()
        for connection in idle:
            connection.close()

    def _take(self) -> Connection | None:
        self._close_expired()
        while True:
            with self._lock:
                if not self._idle:
                    return None
                _, connection = self._idle.pop()
            if connection.is_quiet():
                return connection
            connection.close()

    def _give_back(self, connection: Connection) -> None:
        if connection.renew():
            with self._lock:
                if not self._closed:
                    self._idle.append((time.monotonic() + self._keepalive, connection))
                    return
        connection.close()

    def _close_expired(self) -> None:
        now = time.monotonic()
        expired: list[Connection] = []
        with self._lock:
            while self._idle and self._idle[0][0] <= now:
                expired.append(self._idle.popleft()[1])
        for connection in expired:
            connection.close()


def _joined(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """The headers by name; what is there more than once has commas between (RFC 9110, 5.2)."""
    joined: dict[str, str] = {}
    for raw_name, raw_value in headers:
        name, value = raw_name.decode("ascii"), raw_value.decode("latin-1")
        joined[name] = f"{joined[name]}, {value}" if name in joined else value
    return joined
