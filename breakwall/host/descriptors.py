"""Gives file descriptors back when there are none left.

Otherwise one part of the process would wait for ever for descriptors that another part keeps and does not use.
"""

import time
import weakref
from typing import Protocol

from breakwall.host.exhaustion import DESCRIPTORS, exhausted_resource

INTERVAL = 1.0  # Seconds until idle connections are closed again.


class IdleConnections(Protocol):
    """Keeps connections open for later use."""

    def close_idle(self) -> None:
        """Close those that are not in use; later ones are opened as they are needed. Safe for threads."""
        ...


_registered: weakref.WeakSet[IdleConnections] = weakref.WeakSet()
_freed_at = float("-inf")


def register_idle_connections(connections: IdleConnections) -> None:
    """Have them closed when this process has no descriptors left."""
    _registered.add(connections)


def free_descriptors(error: BaseException | None) -> None:
    """Close all idle connections where ``error`` came because there were no descriptors left."""
    global _freed_at
    while error is not None and exhausted_resource(error) != DESCRIPTORS:
        error = error.__context__
    now = time.monotonic()
    if error is None or now - _freed_at < INTERVAL:
        return
    _freed_at = now
    for connections in list(_registered):
        connections.close_idle()
