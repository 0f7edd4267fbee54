"""kombu's channels, as a worker has them. `tests/integration/worker` has the rest, with whole workers."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from kombu import Connection

from breakwall.broker.consuming.channels import guard


@pytest.fixture
def channel(redis_url: str) -> Any:
    with Connection(redis_url) as connection:
        listener: Any = SimpleNamespace()
        guard(connection, listener)
        yield connection.channel()


def test_messages_and_acknowledgements_share_a_client(channel: Any) -> None:
    with channel.conn_or_acquire() as first, channel.conn_or_acquire() as second:
        assert first is second
        assert first.ping()
    assert channel.client is not first, "this one has a connection of its own, on which it waits for messages"


def test_a_new_connection_pool_gets_a_new_client(channel: Any) -> None:
    with channel.conn_or_acquire() as first:
        channel._disconnect_pools()
    with channel.conn_or_acquire() as second:
        assert second is not first
        assert second.connection_pool is channel.pool
        assert second.ping()
