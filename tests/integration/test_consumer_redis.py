"""A worker's consumer loses Redis while it has messages in hand."""

from __future__ import annotations

from contextlib import suppress
from types import SimpleNamespace

from celery import Celery
from kombu import Connection, Consumer, Exchange, Producer, Queue

from breakwall.broker.consumer import RetryConsumer
from tests.servers import RedisServer


def hold_a_message_and_wait_for_more(connection: Connection, channel: object, name: str) -> None:
    queue = Queue(name, Exchange(name), routing_key=name)
    Producer(channel).publish({}, exchange=name, routing_key=name, declare=[queue])
    taken: list[object] = []
    consumer = Consumer(channel, [queue], callbacks=[lambda _, message: taken.append(message)])
    consumer.consume()
    while not taken:
        connection.drain_events(timeout=5)


def test_a_worker_that_cannot_hand_its_messages_back_lives_on(
    redis_server: RedisServer, redis_url: str
) -> None:
    """kombu closes one channel, fails at the next, forgets the broker's address, and then asks for it."""
    connection = Connection(redis_url)
    for name, channel in (("one", connection.default_channel), ("two", connection.channel())):
        hold_a_message_and_wait_for_more(connection, channel, name)
    with suppress(TimeoutError):
        connection.drain_events(timeout=0.1)  # both channels have asked for their next message
    controller = SimpleNamespace(use_eventloop=False)
    consumer = RetryConsumer(print, app=Celery(), pool=None, controller=controller, initial_prefetch_count=1)
    consumer.connection = connection
    redis_server.kill()
    consumer.on_connection_error_after_connected(ConnectionError("Redis is gone"))
    assert consumer.connection is None
