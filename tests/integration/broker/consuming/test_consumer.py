"""A worker's consumer loses Redis while messages are unacknowledged."""

from __future__ import annotations

from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import pytest
from kombu import Connection, Consumer, Exchange, Queue

from breakwall.broker.config import QUEUE, TASK
from breakwall.broker.consuming.consumer import RetryConsumer
from breakwall.settings import load_settings
from breakwall.worker.app import create_app
from breakwall.worker.message import DoneMessages, RetryRequest
from tests.servers import RedisServer


def take_a_message(connection: Connection, channel: Any, name: str) -> Any:
    """Take one and leave it unacknowledged; the channel asks for the next."""
    taken: list[Any] = []
    queue = Queue(name, Exchange(name), routing_key=name)
    Consumer(channel, [queue], on_message=taken.append).consume()
    while not taken:
        connection.drain_events(timeout=5)
    return taken[0]


def lose_redis(server: RedisServer, url: str) -> tuple[RetryConsumer, Any]:
    """A consumer after it has lost its connection, and a message that it had in hand.

    kombu fails at one channel, forgets the broker's address, and asks for it to close the other.
    """
    app = create_app(load_settings({"BREAKWALL_BROKER_URL": url}))
    app.send_task(TASK, ("some-order",), queue=QUEUE)
    app.send_task(TASK, ("some-order",), queue="another")
    connection = Connection(url)
    channels = [connection.default_channel, connection.channel()]
    message = take_a_message(connection, channels[0], QUEUE)
    take_a_message(connection, channels[1], "another")
    with suppress(TimeoutError):
        connection.drain_events(timeout=0.1)  # both channels have asked for their next message
    pool, controller = SimpleNamespace(num_processes=1, is_green=False), SimpleNamespace(use_eventloop=False)
    consumer = RetryConsumer(print, app=app, pool=pool, controller=controller)
    consumer.connection = connection
    server.kill()
    consumer.on_connection_error_after_connected(ConnectionError("Redis is gone"))
    for channel in channels:
        # Otherwise kombu asks the dead server for them once more when this process ends.
        channel.qos._on_collect.cancel()
    return consumer, message


@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")
def test_a_worker_that_cannot_give_its_messages_back_survives(
    redis_server: RedisServer, redis_url: str
) -> None:
    consumer, _ = lose_redis(redis_server, redis_url)
    assert consumer.connection is None


@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")
def test_a_message_that_outlives_its_connection_cannot_end_the_worker(
    redis_server: RedisServer, redis_url: str
) -> None:
    """It is acknowledged in the event loop, where an unknown error ends the process."""
    consumer, message = lose_redis(redis_server, redis_url)
    done = DoneMessages()
    request = RetryRequest(message, app=consumer.app, task=consumer.app.tasks[TASK])
    request.on_accepted(pid=1, time_accepted=0.0)
    done.add(request)
    assert request.acknowledged
