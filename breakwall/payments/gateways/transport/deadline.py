"""One deadline over a whole HTTP call: resolve, connect, handshake, write, headers, body.

A time-out for each read would never cut off a service that sends a byte a second. Here every operation on
a socket gets what is left of the call's deadline. The same place knows whether a byte of the request may
have left, which is what decides between "nothing was sent" and "unknown". See
docs/adr/0004-total-deadline.md.
"""

from __future__ import annotations

import re
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from breakwall.host.exhaustion import lack_of, relieve
from breakwall.payments.gateways.answers import Phase, StrayAnswerError
from breakwall.payments.gateways.transport.linger import close_in_order, discard_on_close
from breakwall.payments.gateways.transport.resolver import Address, Resolver
from breakwall.payments.gateways.transport.unsolicited import holds_unasked

DESCRIPTOR_WAIT = 1.0
"""Seconds that a call waits for a descriptor when this process has none left: others end, and give theirs back."""

CHUNK = 65_536
"""Bytes taken from a socket at once."""

CERTIFICATE_ALERT = re.compile("ALERT_.*(CERTIFICATE|UNKNOWN_CA)")
"""OpenSSL's names for what the other side says of our certificate."""


class ConnectTimeout(Exception):  # noqa: N818 - operators know these names: they are codes of answers
    """The deadline passed before there was a connection."""


class ConnectError(Exception):
    """There is no connection to be had."""


class WriteTimeout(Exception):  # noqa: N818
    """The deadline passed while the request was written."""


class WriteError(Exception):
    """The connection broke while the request was written."""


class ReadTimeout(Exception):  # noqa: N818
    """The deadline passed before the answer was there."""


class ReadError(Exception):
    """The connection broke before the answer was there."""


class CertificateRefusedError(Exception):
    """The service wants another certificate of ours. TLS 1.3 may say so only after the request was written."""


class Call:
    """One call on its way.

    Attributes:
        deadline: on `time.monotonic`.
        phase: how far it came.
    """

    __slots__ = ("deadline", "phase")

    def __init__(self, deadline: float) -> None:
        self.deadline = deadline
        self.phase = Phase.WAITING

    def left(self) -> float:
        """Seconds until the deadline; negative past it."""
        return self.deadline - time.monotonic()

    def bound(self) -> float:
        """Seconds that an operation on a socket may take.

        Raises:
            TimeoutError: none are left.
        """
        if (left := self.left()) <= 0:
            raise TimeoutError("the deadline passed")
        return left


class DeadlineStream:
    """A connected socket whose every operation ends by the deadline of the call that uses it."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._undelivered = False

    @property
    def delivered(self) -> bool:
        """Whether the whole request was at the other side when something was last read.

        An answer that began before cannot be the request's own: what the service sends after it has read the
        request acknowledges the request too. Where the system does not tell (it is not Linux), always True.
        """
        return not self._undelivered

    def read(self, call: Call) -> bytes:
        """What came next; empty at the connection's end.

        Raises:
            ReadTimeout, ReadError, CertificateRefusedError: nothing came.
        """
        with _raising(ReadTimeout, ReadError):
            self._sock.settimeout(call.bound())
            data = self._sock.recv(CHUNK)
        if data and self._undelivered:
            self._undelivered = not close_in_order(self._sock)
        return data

    def write(self, request: bytes, call: Call) -> None:
        """Send a whole request; its first byte changes ``call.phase``.

        Raises:
            StrayAnswerError: something was there to be read before the request was written.
            WriteTimeout, WriteError: it was not sent, or not whole.
        """
        view = memoryview(request)
        with _raising(WriteTimeout, WriteError):
            discard_on_close(self._sock, call.bound())
            self._undelivered = True
            while view:
                if holds_unasked(self._sock):
                    raise StrayAnswerError
                self._sock.settimeout(call.bound())
                view = view[self._send(view, call) :]

    def _send(self, view: memoryview, call: Call) -> int:
        before, call.phase = call.phase, Phase.SENT
        try:
            return self._sock.send(view)
        except OSError:
            # A plain socket's failed send has queued nothing (send(2)). TLS may have passed on a part.
            if not isinstance(self._sock, ssl.SSLSocket):
                call.phase = before
            raise

    def has_unasked(self) -> bool:
        """Whether something came that nobody asked for; the connection is of no use then."""
        try:
            return holds_unasked(self._sock)
        except (OSError, ValueError):  # broken, or closed
            return True

    def close(self) -> None:
        """Give the connection up, and with it what was not delivered."""
        self._sock.close()

    def start_tls(self, context: ssl.SSLContext, host: str, call: Call) -> DeadlineStream:
        """The same connection, encrypted; closed where the handshake fails.

        Raises:
            ConnectTimeout, ConnectError: the handshake failed.
        """
        # The handshake's timeout is a total in CPython (`_ssl.c` counts a deadline), so dripping ends too.
        with _raising(ConnectTimeout, ConnectError):
            try:
                self._sock.settimeout(call.bound())
                return DeadlineStream(context.wrap_socket(self._sock, server_hostname=host))
            except BaseException:
                self.close()
                raise


def connect(host: str, port: int, resolver: Resolver, call: Call) -> DeadlineStream:
    """Connect to ``host``, address after address.

    Raises:
        ConnectTimeout, ConnectError: none of them took the connection.
    """
    call.phase = Phase.CONNECTING
    with _raising(ConnectTimeout, ConnectError):
        addresses = resolver.resolve(host, port, timeout=call.bound())
        try:
            return DeadlineStream(_connect_to_any(addresses, call))
        except OSError:
            resolver.forget(host, port)
            raise


def _connect_to_any(addresses: list[Address], call: Call) -> socket.socket:
    """The first address that answers; an unreachable one may use up only its share of the time."""
    failure: OSError = OSError("the name has no address")
    for tried, (family, address) in enumerate(addresses):
        share = call.bound() / (len(addresses) - tried)
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


def _socket(family: socket.AddressFamily, patience: float) -> socket.socket:
    end = time.monotonic() + patience
    while True:
        try:
            return socket.socket(family, socket.SOCK_STREAM)
        except OSError as error:
            if lack_of(error) is None or time.monotonic() > end:
                raise
            relieve(error)
        time.sleep(0.02)


@contextmanager
def _raising(timeout: type[Exception], failure: type[Exception]) -> Iterator[None]:
    try:
        yield
    except TimeoutError as error:
        raise timeout(str(error)) from error
    except OSError as error:
        refused = isinstance(error, ssl.SSLError) and CERTIFICATE_ALERT.search(error.reason or "")
        raise (CertificateRefusedError if refused else failure)(str(error)) from error
