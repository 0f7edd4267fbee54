"""One deadline for a whole HTTP call: resolve, connect, handshake, write, headers, body.

A timeout for each read would never end a service that sends a byte a second, so each socket operation gets the rest of
the call's time. This module also knows whether a byte of the request may have left, which decides between "nothing was
sent" and "unknown". See docs/adr/0004-total-deadline.md.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from breakwall.host.descriptors import free_descriptors
from breakwall.host.exhaustion import exhausted_resource
from breakwall.payments.gateways.transport.causes import connect_failure, refusal_of_our_certificate
from breakwall.payments.gateways.transport.errors import (
    ConnectTimeout,
    Phase,
    ReadError,
    ReadTimeout,
    StrayAnswerError,
    WriteError,
    WriteTimeout,
)
from breakwall.payments.gateways.transport.linger import allow_normal_close, discard_on_close
from breakwall.payments.gateways.transport.resolver import Address, Resolver
from breakwall.payments.gateways.transport.unsolicited import has_unsolicited_data

# Seconds that a call waits when this process has no file descriptor left: other calls finish and free theirs.
DESCRIPTOR_WAIT = 1.0
CHUNK = 65_536  # Bytes taken from a socket at once.


@dataclass(slots=True)
class Call:
    """The state of one call."""

    deadline: float  # on `time.monotonic`
    phase: Phase = Phase.WAITING  # how far it came

    def left(self) -> float:
        """Seconds until the deadline; negative past it."""
        return self.deadline - time.monotonic()

    def timeout(self) -> float:
        """Seconds that the next socket operation may take; `TimeoutError` if none are left."""
        if (left := self.left()) <= 0:
            raise TimeoutError("the deadline passed")
        return left


class DeadlineStream:
    """A connected socket whose every operation ends by the deadline of the call that uses it."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        # Whether the other side had the whole request when data last arrived. What a service sends after it has read
        # the request also acknowledges the request; so an answer that began earlier cannot belong to it. Only Linux
        # reports this; elsewhere any data counts as an acknowledgement.
        self.delivered = True
        # Until the first answer, an alert about our certificate belongs to the handshake, so nothing was read. That
        # holds for TLS 1.3 only: TLS 1.2 may shake hands again, and we allow no later authentication in 1.3.
        self._refusal_is_proof = (
            isinstance(sock, ssl.SSLSocket)
            and sock.version() == "TLSv1.3"
            and not sock.context.post_handshake_auth
        )

    def read(self, call: Call) -> bytes:
        """The next bytes, empty at the connection's end.

        `ReadTimeout`, `ReadError` or `CertificateRefusedError` if none arrived.
        """
        with _raising(ReadTimeout, ReadError, self._refusal_is_proof):
            self._sock.settimeout(call.timeout())
            data = self._sock.recv(CHUNK)
        self._refusal_is_proof = False
        if data and not self.delivered:
            self.delivered = allow_normal_close(self._sock)
        return data

    def write(self, request: bytes, call: Call) -> None:
        """Send a whole request; its first byte changes ``call.phase``.

        `StrayAnswerError` if data arrived before the request was written; `WriteTimeout` or `WriteError` if nothing or
        only a part was sent.
        """
        view = memoryview(request)
        with _raising(WriteTimeout, WriteError, self._refusal_is_proof):
            discard_on_close(self._sock, call.timeout())
            self.delivered = False
            while view:
                if has_unsolicited_data(self._sock):
                    raise StrayAnswerError("it hung up, or sent something, before the request was sent")
                self._sock.settimeout(call.timeout())
                view = view[self._send(view, call) :]

    def _send(self, view: memoryview, call: Call) -> int:
        before, call.phase = call.phase, Phase.SENT
        try:
            return self._sock.send(view)
        except OSError:
            # A failed send on a plain socket has queued nothing (send(2)). TLS may have queued a part.
            if not isinstance(self._sock, ssl.SSLSocket):
                call.phase = before
                raise
            self._raise_alert()
            raise

    def _raise_alert(self) -> None:
        """Raise the other side's alert, if there is one: it says why it has hung up."""
        with suppress(ssl.SSLWantReadError, ssl.SSLEOFError, ConnectionError):
            self._sock.settimeout(0)
            self._sock.recv(1)

    def has_unsolicited_data(self) -> bool:
        """Whether data arrived that belongs to no request; then the connection must not be used again."""
        try:
            return has_unsolicited_data(self._sock)
        except (OSError, ValueError):  # broken, or closed
            return True

    def close(self) -> None:
        """Close the connection, and discard what was not delivered."""
        self._sock.close()

    def start_tls(self, context: ssl.SSLContext, host: str, call: Call) -> DeadlineStream:
        """The same connection, encrypted. If the handshake fails, it is closed: `ConnectTimeout` or `ConnectError`."""
        # CPython counts the handshake's timeout as a total (`_ssl.c`), so it also ends a peer that sends slowly.
        with _raising(ConnectTimeout):
            try:
                self._sock.settimeout(call.timeout())
                return DeadlineStream(context.wrap_socket(self._sock, server_hostname=host))
            except BaseException:
                self.close()
                raise


def connect(host: str, port: int, resolver: Resolver, call: Call) -> DeadlineStream:
    """Connect to ``host``, address after address; `ConnectTimeout` or `ConnectError` if none accepts."""
    call.phase = Phase.CONNECTING
    with _raising(ConnectTimeout):
        addresses = resolver.resolve(host, port, timeout=call.timeout())
        try:
            return DeadlineStream(_connect_to_any(addresses, call))
        except OSError:
            resolver.forget(host, port)
            raise


def _connect_to_any(addresses: list[Address], call: Call) -> socket.socket:
    """The first address that answers. Each may use only its share of the time."""
    failure: OSError = OSError("the name has no address")
    for tried, (family, address) in enumerate(addresses):
        share = call.timeout() / (len(addresses) - tried)
        try:
            return _connect(family, address, share)
        except OSError as error:
            failure = error
    raise failure


def _connect(family: socket.AddressFamily, address: tuple[Any, ...], timeout: float) -> socket.socket:
    end = time.monotonic() + timeout
    sock = _socket(family, min(timeout / 2, DESCRIPTOR_WAIT))
    try:
        sock.settimeout(max(end - time.monotonic(), 0.001))
        sock.connect(address)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except BaseException:
        sock.close()
        raise
    return sock


def _socket(family: socket.AddressFamily, timeout: float) -> socket.socket:
    end = time.monotonic() + timeout
    while True:
        try:
            return socket.socket(family, socket.SOCK_STREAM)
        except OSError as error:
            if exhausted_resource(error) is None or time.monotonic() > end:
                raise
            free_descriptors(error)
        time.sleep(0.02)


@contextmanager
def _raising(
    on_timeout: type[Exception], on_failure: type[Exception] | None = None, refusal_is_proof: bool = False
) -> Iterator[None]:
    """Raise our own errors instead; without ``on_failure``, a `ConnectError` of the kind that fits."""
    try:
        yield
    except TimeoutError as error:
        raise on_timeout(str(error)) from error
    except OSError as error:
        if (refusal := refusal_of_our_certificate(error)) is None:
            raise (on_failure or connect_failure(error))(str(error)) from error
        refused = refusal(str(error))
        refused.unread = refusal_is_proof
        raise refused from error
