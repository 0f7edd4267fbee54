"""How many messages a consumer fetches: none while nothing may be sent, and no more orders than the worker can hold.

Messages that are not fetched stay in the broker, where they cost nothing and each worker can have them.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from functools import partial
from math import ceil
from typing import TYPE_CHECKING, Any, Protocol

from celery import bootsteps

if TYPE_CHECKING:
    from breakwall.broker.consuming.consumer import RetryConsumer

# Of a message, to begin with: a worker would rather fetch too little than hold what others could work on.
FIRST_SIZE = 20.0
WEIGHT = 0.2  # Of one message in the mean size.
TOLERANCE = 2.0  # RabbitMQ's prefetch count is kept while the best one differs by less than this factor.


class Demand(Protocol):
    """Says how many orders the worker holds, and may hold. Read for each message, so it may not wait."""

    @property
    def capacity(self) -> int:
        """How many it may hold; 0 while nothing may be sent."""

    @property
    def held(self) -> int: ...


def has_room(demand: Demand) -> bool:
    """Whether the worker takes another message now."""
    return demand.held < demand.capacity


def acknowledge_all(messages: Iterable[Any]) -> None:
    """Acknowledge messages, on Redis in one round trip. Raises nothing.

    After an error the broker delivers a message again, and it finds nothing to claim.
    """
    of_channels: dict[Any, list[Any]] = {}
    for message in messages:
        of_channels.setdefault(message.channel, []).append(message)
    for channel, own in of_channels.items():
        acknowledge_many = getattr(getattr(channel, "qos", None), "ack_many", None)
        # Any error means that the connection is lost, which the event loop notices too, or that the broker refuses.
        if acknowledge_many is None:
            for message in own:
                with suppress(Exception):
                    message.ack()
        else:
            with suppress(Exception):
                acknowledge_many([message.delivery_tag for message in own])


class RabbitMQFetching:
    """Cancels the consumer while nothing may be sent, and begins again with the prefetch count for the room there is.

    A quorum queue applies a new prefetch count only to a new consumer. RabbitMQ counts a consumer's messages until they
    are acknowledged, and one slow order holds up its message. So there is a new consumer too when all messages of the
    present one are in hand, and the worker holds less than half of what it may. The old messages do not count for the
    new one.
    """

    def __init__(self, task_consumer: Any, demand: Demand) -> None:
        self._task_consumer = task_consumer
        self._demand = demand
        self._prefetch = 0  # 0: it does not consume.
        self._size = FIRST_SIZE
        # Celery's loop begins to consume before it is known whether anything may be sent. Here `adjust` begins.
        self._consume, task_consumer.consume = task_consumer.consume, lambda: None

    @property
    def is_used_up(self) -> bool:
        """Whether RabbitMQ sends nothing before a message is acknowledged."""
        return len(self._task_consumer.channel.in_hand) >= self._prefetch

    def received(self, message: Any, orders: int) -> None:
        """A message with so many orders has come."""
        self._size += WEIGHT * (orders - self._size)
        message.channel.in_hand.add(message.delivery_tag)

    def adjust(self) -> None:
        """Begin, cancel, or change the prefetch count. Called in each turn of the event loop."""
        best = ceil(self._demand.capacity / self._size)
        if best == self._prefetch == 0 or (best and self._is_close(best) and not self._is_held_up()):
            return
        channel = self._task_consumer.channel
        if self._prefetch:
            self._task_consumer.cancel()
        self._prefetch = best
        channel.in_hand.clear()
        if best:
            channel.basic_qos(0, best, False)
            self._consume()

    def _is_close(self, best: int) -> bool:
        return best == self._prefetch or self._prefetch / TOLERANCE < best < self._prefetch * TOLERANCE

    def _is_held_up(self) -> bool:
        # Half, because a new consumer costs three round trips.
        return self.is_used_up and self._demand.held < self._demand.capacity / 2


class RedisFetching:
    """Lets kombu ask for the next message only while there is room."""

    is_used_up = False

    def __init__(self, task_consumer: Any, demand: Demand) -> None:
        task_consumer.channel.qos.has_room = partial(has_room, demand)

    def received(self, message: Any, orders: int) -> None:
        """Nothing: kombu asks before each message."""

    def adjust(self) -> None:
        """Nothing."""


class FetchingStep(bootsteps.StartStopStep):
    """Puts the app's intake between a new connection and its queue."""

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def start(self, consumer: RetryConsumer) -> None:
        intake = consumer.intake
        kind = RabbitMQFetching if consumer.connection.transport.driver_type == "amqp" else RedisFetching
        consumer.fetching = kind(consumer.task_consumer, intake)
        # `on_connection_error_after_connected` clears it.
        consumer.hub.on_tick.add(consumer.fetching.adjust)
        intake.on_change = partial(consumer.hub.call_soon, consumer.reconsider)
