"""One deadline over a whole HTTP call: resolve, connect, handshake, write, headers, body.

httpx2's own timeouts bound each read, so a service that sends a byte a second is never cut off. Here the
sockets themselves look at the deadline of the call that is using them: every operation gets what is left
of it. The same place knows whether a byte of the request may have left, which is what decides between
"nothing was sent" and "unknown". See docs/adr/0004-total-deadline.md.
"""

from __future__ import annotations

import select
import socket
import ssl
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import httpcore2
import httpx2

from .answers import Phase
from .resolver import Address, Resolver
from .undelivered import close_in_order, discard_on_close


class Call:
    """One call on its way.

    Attributes:
        deadline: on `time.monotonic`.
        phase: how far it came.
        heard: whether anything was read since the request was written.
    """

    __slots__ = ("deadline", "heard", "phase")

    def __init__(self, deadline: float) -> None:
        self.deadline = deadline
        self.phase = Phase.WAITING
        self.heard = False

    def left(self) -> float:
        """Seconds until the deadline; negative past it."""
        return self.deadline - time.monotonic()


# A context variable and not an argument: httpcore2 passes nothing of a request down to its streams.
_current: ContextVar[Call] = ContextVar("payment_call")


@contextmanager
def bounded_by(call: Call) -> Iterator[None]:
    """Every socket operation of this thread inside the block is bounded by ``call``."""
    token = _current.set(call)
    try:
        yield
    finally:
        _current.reset(token)


class DeadlineStream(httpcore2.NetworkStream):
    """A socket whose every operation ends by the current call's deadline, and with it what it has written."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._unanswered = False

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        with _raising(httpcore2.ReadTimeout, httpcore2.ReadError):
            self._sock.settimeout(_time_left())
            data = self._sock.recv(max_bytes)
        _current.get().heard = True
        if data and self._unanswered:
            self._unanswered = not close_in_order(self._sock)
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        view = memoryview(buffer)
        with _raising(httpcore2.WriteTimeout, httpcore2.WriteError):
            if not self._unanswered:
                discard_on_close(self._sock, _time_left())
                self._unanswered = True
            while view:
                self._sock.settimeout(_time_left())
                view = view[self._send(view) :]

    def _send(self, view: memoryview) -> int:
        call = _current.get()
        before, call.phase = call.phase, Phase.SENT
        try:
            return self._sock.send(view)
        except OSError:
            # A plain socket's failed send has queued nothing (send(2)). TLS may have passed on a part.
            if not isinstance(self._sock, ssl.SSLSocket):
                call.phase = before
            raise

    def close(self) -> None:
        self._sock.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> DeadlineStream:
        # The handshake's timeout is a total in CPython (`_ssl.c` counts a deadline), so dripping ends too.
        with _raising(httpcore2.ConnectTimeout, httpcore2.ConnectError):
            try:
                self._sock.settimeout(_time_left())
                return DeadlineStream(ssl_context.wrap_socket(self._sock, server_hostname=server_hostname))
            except BaseException:
                self.close()
                raise

    def get_extra_info(self, info: str) -> Any:
        match info:
            case "ssl_object":
                return self._sock if isinstance(self._sock, ssl.SSLSocket) else None
            case "socket":
                return self._sock
            case "is_readable":
                return _is_readable(self._sock)
        return None


class DeadlineBackend(httpcore2.NetworkBackend):
    """Opens `DeadlineStream` connections, address after address, within the current call's deadline."""

    def __init__(self, resolver: Resolver) -> None:
        self._resolver = resolver

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> DeadlineStream:
        _current.get().phase = Phase.CONNECTING
        with _raising(httpcore2.ConnectTimeout, httpcore2.ConnectError):
            addresses = self._resolver.resolve(host, port, timeout=_time_left())
            try:
                return DeadlineStream(_connect_to_any(addresses))
            except OSError:
                self._resolver.forget(host, port)
                raise


class DeadlineTransport(httpx2.BaseTransport):
    """httpx2's way to a connection pool with our backend; `httpx2.HTTPTransport` takes none.

    Never retries. The pool itself never makes a caller wait as long as there are no more callers than
    ``max_connections``; the gateway sees to that.
    """

    def __init__(
        self, resolver: Resolver, *, max_connections: int, keepalive: float, tls: ssl.SSLContext | None
    ) -> None:
        self._pool = httpcore2.ConnectionPool(
            ssl_context=tls,
            max_connections=max_connections,
            keepalive_expiry=keepalive,
            network_backend=DeadlineBackend(resolver),
            retries=0,
        )

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        url = request.url
        answer = self._pool.handle_request(
            httpcore2.Request(
                method=request.method,
                url=httpcore2.URL(
                    scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path
                ),
                headers=request.headers.raw,
                content=request.stream,
                extensions=request.extensions,
            )
        )
        return httpx2.Response(
            answer.status, headers=answer.headers, stream=_Body(answer), extensions=answer.extensions
        )

    def close(self) -> None:
        self._pool.close()


class _Body(httpx2.SyncByteStream):
    def __init__(self, answer: httpcore2.Response) -> None:
        self._answer = answer

    def __iter__(self) -> Iterator[bytes]:
        yield from self._answer.iter_stream()

    def close(self) -> None:
        self._answer.close()


def _time_left() -> float:
    left = _current.get().left()
    if left <= 0:
        raise TimeoutError("the deadline passed")
    return left


def _connect_to_any(addresses: list[Address]) -> socket.socket:
    """The first address that answers; an unreachable one may use up only its share of the time."""
    failure: OSError = OSError("the name has no address")
    for tried, (family, address) in enumerate(addresses):
        share = _time_left() / (len(addresses) - tried)
        try:
            return _connect(family, address, share)
        except OSError as error:
            failure = error
    raise failure


def _connect(family: socket.AddressFamily, address: tuple[Any, ...], timeout: float) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.settimeout(timeout)
        sock.connect(address)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except BaseException:
        sock.close()
        raise
    return sock


@contextmanager
def _raising(timeout: type[Exception], failure: type[Exception]) -> Iterator[None]:
    try:
        yield
    except TimeoutError as error:
        raise timeout(str(error)) from error
    except OSError as error:
        raise failure(str(error)) from error


def _is_readable(sock: socket.socket) -> bool:
    # An idle connection with something to read was closed by the server or carries a stray answer.
    if sock.fileno() < 0 or (isinstance(sock, ssl.SSLSocket) and sock.pending()):
        return True
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(0))
