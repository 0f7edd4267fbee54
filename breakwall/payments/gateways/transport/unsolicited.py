"""Detects data on a connection that belongs to no request."""

import select
import socket
import ssl

PEEK = 65_536  # Bytes read ahead below TLS at once: more than all session tickets together.
MAX_TICKETS = 16  # TLS's own records between two requests. Usual servers send two after the handshake.
RECORD_HEADER = 5  # Bytes in front of each TLS record; the last two of them are its length (RFC 8446, 5.1).


def has_unsolicited_data(sock: socket.socket) -> bool:
    """Whether data or the connection's end can be read; `OSError` if the connection is broken.

    If so, the connection must not be used again: a byte of the data may be gone. TLS's session tickets do not count.
    """
    return _holds_data(sock) if isinstance(sock, ssl.SSLSocket) else _is_readable(sock)


def _is_readable(sock: socket.socket) -> bool:
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(0))


def _holds_data(sock: ssl.SSLSocket) -> bool:
    """Whether there is more to read than whole records of TLS's own.

    OpenSSL hides the beginning of a record, so the bytes below TLS are checked first.
    """
    sock.settimeout(0)
    for _ in range(MAX_TICKETS):
        if sock.pending():
            return True
        if not _is_readable(sock):
            return False
        waiting = socket.socket.recv(sock, PEEK, socket.MSG_PEEK)  # `SSLSocket.recv` cannot look below TLS
        if not _is_whole_records(waiting):
            return True
        try:
            sock.recv(1)
        except ssl.SSLWantReadError:
            continue  # it was a record of TLS's own
        return True
    return True


def _is_whole_records(data: bytes) -> bool:
    at = 0
    while at + RECORD_HEADER <= len(data):
        at += RECORD_HEADER + int.from_bytes(data[at + RECORD_HEADER - 2 : at + RECORD_HEADER])
    return at == len(data) > 0
