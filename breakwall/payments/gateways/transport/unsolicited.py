"""What is on a connection that nobody asked for."""

from __future__ import annotations

import select
import socket
import ssl

GLANCE = 65_536
"""Bytes looked at below TLS at once: more than all session tickets have."""

MOST_TICKETS = 16
"""Records of TLS's own between two requests. Usual servers send two after the handshake."""

RECORD_HEADER = 5
"""Bytes in front of each TLS record; the last two of them are its length (RFC 8446, 5.1)."""


def holds_unasked(sock: socket.socket) -> bool:
    """Whether there is something to be read: data, or the connection's end. TLS's session tickets are neither.

    The connection is of no use then, and a byte of it may be gone.

    Raises:
        OSError: the connection is broken.
    """
    return _holds_data(sock) if isinstance(sock, ssl.SSLSocket) else _is_readable(sock)


def _is_readable(sock: socket.socket) -> bool:
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(0))


def _holds_data(sock: ssl.SSLSocket) -> bool:
    """Whether there is more to be read than whole records of TLS's own.

    OpenSSL would keep the beginning of a record out of everybody's sight, so that is looked at before.
    """
    sock.settimeout(0)
    for _ in range(MOST_TICKETS):
        if sock.pending():
            return True
        if not _is_readable(sock):
            return False
        waiting = socket.socket.recv(sock, GLANCE, socket.MSG_PEEK)  # `SSLSocket.recv` cannot look below TLS
        if not _is_whole_records(waiting):
            return True
        try:
            sock.recv(1)
        except ssl.SSLWantReadError:
            continue  # that was one record of TLS's own
        return True
    return True


def _is_whole_records(data: bytes) -> bool:
    at = 0
    while at + RECORD_HEADER <= len(data):
        at += RECORD_HEADER + int.from_bytes(data[at + RECORD_HEADER - 2 : at + RECORD_HEADER])
    return at == len(data) > 0
