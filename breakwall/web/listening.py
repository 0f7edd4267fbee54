"""The socket that the API listens on, and its address for people."""

from __future__ import annotations

import errno
import socket

from breakwall.errors import BreakwallError

BACKLOG = 2048  # Connections that wait to be accepted: what a shop sends while a process starts.


class CannotListenError(BreakwallError):
    """Nothing can listen at this address."""

    kind = "cannot_listen"


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; with port 0 at a free port. Raises `CannotListenError`."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        # `localhost` may also be an address of IPv6, which people do not mean.
        family, kind, protocol, _, address = min(found, key=lambda one: one[0] is not socket.AF_INET)
        return _listening(socket.socket(family, kind, protocol), address)
    except (OSError, UnicodeError) as error:
        raise CannotListenError(_sentence(error, host, port)) from error


def inherited(number: int) -> socket.socket:
    """The listening socket with this number, which the process that started this one has opened."""
    return socket.socket(fileno=number)


def url_of(listener: socket.socket) -> str:
    """The address, for a browser on this machine or one that can reach it."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _listening(listener: socket.socket, address: tuple[object, ...]) -> socket.socket:
    try:
        # Else nothing could listen here for a minute after the last process.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
    except BaseException:
        listener.close()
        raise
    return listener


def _sentence(error: Exception, host: str, port: int) -> str:
    number = getattr(error, "errno", None)
    if number == errno.EADDRINUSE:
        return f"port {port} of {host} is taken: stop what listens there, or choose another one with --port"
    if number == errno.EACCES:
        return f"this user may not listen on port {port}: choose one above 1023 with --port"
    why = getattr(error, "strerror", None) or str(error)
    return f"nothing can listen on {host}, port {port} ({why}): --host should be an address of this machine"
