"""What of a request the kernel may still deliver after its call has ended.

After a plain close, and after the death of the process, the kernel keeps sending what the other side has not
acknowledged. A request that waited out a network partition there would be executed long after the attempt
ended, behind the back of a look-up that truthfully said "no such charge". So from its first byte until
something is heard, a request lives no longer than its socket (SO_LINGER with a time of zero: closing it
discards the rest and sends a reset), and no longer than its call (TCP_USER_TIMEOUT, where the system has it).
"""

from __future__ import annotations

import fcntl
import math
import socket
import struct
import sys
import termios
from contextlib import suppress

_DISCARD = struct.pack("ii", 1, 0)
_DELIVER = struct.pack("ii", 0, 0)

# The kernel counts from the oldest unacknowledged byte, which may be of the handshake: it must never cut a
# call that is within its deadline.
_GRACE = 1.0
_LONGEST = 2**31 - 1


def discard_on_close(sock: socket.socket, seconds: float) -> None:
    """Whatever way ``sock`` ends, what was not delivered by then never is.

    On Linux neither is what was not delivered a second after ``seconds``, although a copy of the socket may
    be open in a forked child, or this process stopped.

    Raises:
        OSError: the socket is of no use any more; nothing was changed that matters.
    """
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _DISCARD)
    if sys.platform == "linux":
        wait = math.ceil(min((seconds + _GRACE) * 1000, _LONGEST))
        with suppress(OSError):  # the second line of defence: a system without it must not stop the payments
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, wait)


def close_in_order(sock: socket.socket) -> bool:
    """Have ``sock`` end without a reset, which many servers log as an error, where nothing is undelivered.

    Returns:
        Whether nothing is. Never raises: an answer that was read must not be lost over this.
    """
    if not _is_all_delivered(sock):
        return False
    with suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _DELIVER)
    return True


def _is_all_delivered(sock: socket.socket) -> bool:
    # SIOCOUTQ is TIOCOUTQ by another name (tcp(7)). Other systems do not say: there the answer is the proof.
    if sys.platform != "linux":
        return True
    try:
        (outstanding,) = struct.unpack("i", fcntl.ioctl(sock.fileno(), termios.TIOCOUTQ, bytes(4)))
    except OSError:
        return True
    return bool(outstanding == 0)
