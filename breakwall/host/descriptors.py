"""Closes idle connections when the process has run out of file descriptors.

Otherwise one part of the process would wait for ever for descriptors that another part keeps idle.
"""

import time
import weakref
from typing import Protocol

from breakwall.host.exhaustion import DESCRIPTORS, exhausted_resource

INTERVAL = 1.0  # Seconds between two closings of idle connections.


class IdleConnections(Protocol):
    """Keeps connections open for later use."""

    def close_idle(self) -> None:
        """Close those that are not in use. Thread-safe."""
        ...


_registered: weakref.WeakSet[IdleConnections] = weakref.WeakSet()
_freed_at = float("-inf")


def register_idle_connections(connections: IdleConnections) -> None:
    """Have them closed when this process runs out of descriptors."""
    _registered.add(connections)


def free_descriptors(error: BaseException | None) -> None:
    """Close all idle connections if exhausted descriptors caused ``error``."""
    global _freed_at
    while error is not None and exhausted_resource(error) != DESCRIPTORS:
        error = error.__context__
    now = time.monotonic()
    if error is None or now - _freed_at < INTERVAL:
        return
    _freed_at = now
    for connections in list(_registered):
        connections.close_idle()
