"""Brokers that cannot be reached."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

SCHEMES = ["redis://127.0.0.1:{port}/0", "amqp://127.0.0.1:{port}//"]


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port that neither accepts nor refuses a connection, because its queue is full."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        waiting = [socket.socket() for _ in range(3)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]
        for one in waiting:
            one.close()
