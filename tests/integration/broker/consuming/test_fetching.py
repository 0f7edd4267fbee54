"""What RabbitMQ sends to a worker whose messages are all held up by a slow order."""

from __future__ import annotations

from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import pytest
from kombu import Connection, Consumer, Queue

from breakwall.broker.consuming import channels
from breakwall.broker.consuming.fetching import FIRST_SIZE, RabbitMQFetching

SIZE = int(FIRST_SIZE)


class NoListener:
    def set_aside(self, message: object) -> None: ...

    def refused(self, error: BaseException) -> None: ...


class Taker:
    """Takes messages, and holds their orders."""

    def __init__(self, connection: Connection, queue: Queue) -> None:
        self.messages: list[Any] = []
        self.intake = SimpleNamespace(capacity=2 * SIZE, held=0)
        consumer = Consumer(connection, [queue], on_message=self._take)
        self.fetching = RabbitMQFetching(consumer, self.intake)
        self._connection = connection

    def take(self) -> int:
        """How many more messages come."""
        before = len(self.messages)
        self.fetching.adjust()
        with suppress(TimeoutError):
            while True:
                self._connection.drain_events(timeout=1.0)
        return len(self.messages) - before

    def _take(self, message: Any) -> None:
        self.messages.append(message)
        self.intake.held += SIZE
        self.fetching.received(message, SIZE)


@pytest.mark.parametrize("kind", ["quorum", "classic"])
def test_a_worker_with_room_gets_messages_although_slow_orders_hold_up_those_it_has(
    rabbitmq_url: str, kind: str
) -> None:
    with Connection(rabbitmq_url) as connection:
        channels.guard(connection, NoListener())
        queue = Queue("slow", routing_key="slow", queue_arguments={"x-queue-type": kind})
        for number in range(10):
            connection.SimpleQueue(queue).put(number)
        taker = Taker(connection, queue)
        assert (taker.take(), taker.take()) == (2, 0)
        taker.intake.held = 2  # one slow order of each message
        assert taker.take() == 2
        # What the present consumer has is still bounded, and an old message is no concern of its.
        taker.messages[0].ack()
        assert taker.take() == 0
        taker.messages[2].ack()
        assert taker.take() == 1
