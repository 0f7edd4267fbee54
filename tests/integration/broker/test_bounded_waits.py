"""A worker's connection to a RabbitMQ that answers no more."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from kombu import Connection

from breakwall.broker.consuming import channels
from tests.servers import RabbitServer
from tests.servers.silent_relay import SilentRelay
from tests.stopwatch import timed

TIMEOUT = 0.5
BOUND = 5.0  # Seconds, on a busy machine.


class NoListener:
    def set_aside(self, message: object) -> None: ...

    def refused(self, error: BaseException) -> None: ...


@pytest.fixture
def connection(
    rabbitmq_server: RabbitServer, rabbitmq_url: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Connection]:
    """Of a worker, and silent after its channel is open."""
    monkeypatch.setattr(channels, "ANSWER_TIMEOUT", TIMEOUT)
    monkeypatch.setattr(channels.RabbitMQChannel, "timeout", TIMEOUT)
    relay = SilentRelay(rabbitmq_server.port)
    connection = Connection(rabbitmq_url.replace(f":{rabbitmq_server.port}", f":{relay.port}"))
    channels.guard(connection, NoListener())
    assert connection.default_channel.is_open
    relay.fall_silent()
    yield connection
    relay.close()


@pytest.mark.parametrize(
    "ask",
    [
        lambda channel: channel.basic_qos(0, 1, False),
        lambda channel: channel.basic_consume("any"),
        lambda channel: channel.basic_cancel("any"),
        lambda channel: channel.close(),
        lambda channel: channel.connection.channel(),
        lambda channel: channel.connection.close(),
    ],
    ids=["prefetch", "consume", "cancel", "close the channel", "open a channel", "close the connection"],
)
def test_no_wait_for_a_silent_rabbitmq_is_endless(
    connection: Connection, ask: Callable[[Any], object]
) -> None:
    channel = connection.default_channel

    def fails() -> None:
        with pytest.raises(TimeoutError):
            ask(channel)

    assert timed(fails)[1] < BOUND


def test_after_a_wait_without_an_answer_a_connection_is_closed_at_once(connection: Connection) -> None:
    channel = connection.default_channel
    with pytest.raises(TimeoutError):
        channel.basic_qos(0, 1, False)
    assert timed(connection.close)[1] < TIMEOUT
