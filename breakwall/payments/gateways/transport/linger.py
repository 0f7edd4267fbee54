"""Keeps the kernel from delivering a request after its call has ended.

After a plain close, and after the death of the process, the kernel continues to send what the other side has not
acknowledged. After a network partition such a request would be executed long after its attempt, and after a look-up
that truthfully said "no such charge". So from its first byte until an answer arrives, a request lives no longer than
its socket (SO_LINGER of zero: closing discards the rest and sends a reset) and its call (TCP_USER_TIMEOUT).
"""

import fcntl
import math
import socket
import struct
import sys
import termios
from contextlib import suppress

_DISCARD = struct.pack("ii", 1, 0)
_DELIVER = struct.pack("ii", 0, 0)

# The kernel counts from the oldest unacknowledged byte, which may be one of the handshake. It must never end a call
# that is within its deadline.
_GRACE = 1.0
_LONGEST = 2**31 - 1


def discard_on_close(sock: socket.socket, seconds: float) -> None:
    """When ``sock`` ends, discard what was not delivered by then. `OSError` if the socket is broken.

    On Linux, also discard what was not delivered a second after ``seconds``: a forked child may hold a copy of the
    socket, or this process may be stopped.
    """
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _DISCARD)
    if sys.platform == "linux":
        wait = math.ceil(min((seconds + _GRACE) * 1000, _LONGEST))
        with suppress(OSError):  # a second defence: a system without it must not stop the payments
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, wait)


def allow_normal_close(sock: socket.socket) -> bool:
    """If all is delivered, let ``sock`` end without a reset, which many servers log as an error.

    Returns whether all is delivered. Never raises: an answer that was read must not be lost.
    """
    if not _is_all_delivered(sock):
        return False
    with suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _DELIVER)
    return True


def _is_all_delivered(sock: socket.socket) -> bool:
    # SIOCOUTQ is TIOCOUTQ by another name (tcp(7)). Other systems have no such query; there the answer is the proof.
    if sys.platform != "linux":
        return True
    try:
        (outstanding,) = struct.unpack("i", fcntl.ioctl(sock.fileno(), termios.TIOCOUTQ, bytes(4)))
    except OSError:
        return True
    return bool(outstanding == 0)
