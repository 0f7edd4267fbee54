"""kombu's channels, changed so that no message and no refusal of the broker can stop a worker.

kombu fails on an element of a Redis list that it has not written: at delivery, and again each time that it puts back a
dead worker's messages. These channels check each element first.
"""

import json
from collections.abc import Callable, Sequence
from functools import partial
from queue import Empty
from typing import Any, ClassVar, Protocol

import redis
from kombu.transport import pyamqp, virtual
from kombu.transport import redis as kombu_redis

from breakwall.broker.bounded_waits import BoundedWaits
from breakwall.broker.messages.command import check_broadcast
from breakwall.broker.messages.envelope import addressed_to, check_envelope, read_envelope
from breakwall.broker.messages.strange import StrangeError, StrangeMessage

ANSWER_TIMEOUT = (
    5.0  # Seconds that a worker waits for RabbitMQ's answer. The event loop stands still meanwhile.
)


class ChannelListener(Protocol):
    """Receives what these channels find. The methods may not raise, and must return soon."""

    def set_aside(self, message: StrangeMessage) -> None: ...

    def refused(self, error: BaseException) -> None: ...


def guard(connection: Any, listener: ChannelListener) -> None:
    """Have kombu's ``connection``, not connected yet, use these channels for each of its addresses."""
    make = connection.create_transport

    def create_transport() -> Any:
        transport: Any = make()
        kind = type(transport)
        if issubclass(kind, kombu_redis.Transport):
            transport.Channel = _combined(RedisChannel, transport.Channel, listener)
        elif issubclass(kind, pyamqp.Transport):
            channel = _combined(RabbitMQChannel, transport.Connection.Channel, listener)
            bases = (BoundedWaits, transport.Connection)
            transport.Connection = type("Connection", bases, {"Channel": channel, "timeout": ANSWER_TIMEOUT})
        return transport

    connection.create_transport = create_transport


def _combined(ours: type, kombus: type, listener: ChannelListener) -> type:
    return type(kombus.__name__, (ours, kombus), {"listener": listener})


class RedisQoS(kombu_redis.QoS):
    """A worker's unacknowledged messages. If Redis refuses to store them, the orders are still in the database.

    ``has_room``, once it is set, decides instead of the prefetch count whether another message is asked for.
    """

    has_room: Callable[[], bool] | None = None

    def can_consume(self) -> bool:
        if self.has_room is None:
            return bool(super().can_consume())
        # A message that was asked for before is taken out of Redis when it comes, and so it is read.
        return bool(self.channel._in_poll) or self.has_room()  # noqa: SLF001

    def ack_many(self, delivery_tags: Sequence[str]) -> None:
        """Acknowledge messages in one round trip."""
        self._is_done(self._remove, delivery_tags)
        for tag in delivery_tags:
            virtual.QoS.ack(self, tag)

    def _remove(self, tags: Sequence[str]) -> None:
        with self.pipe_or_acquire() as pipe:
            pipe.zrem(self.unacked_index_key, *tags).hdel(self.unacked_key, *tags).execute()

    def append(self, message: Any, delivery_tag: str) -> None:
        if not self._is_done(super().append, message, delivery_tag):
            # The message is out of the list already. It is processed now, because it would be republished only later.
            virtual.QoS.append(self, message, delivery_tag)

    def ack(self, delivery_tag: str) -> None:
        if not self._is_done(super().ack, delivery_tag):
            virtual.QoS.ack(self, delivery_tag)

    def reject(self, delivery_tag: str, requeue: bool = False) -> None:
        if not self._is_done(super().reject, delivery_tag, requeue=requeue):
            virtual.QoS.ack(self, delivery_tag)

    def restore_visible(self, *args: Any, **options: Any) -> None:
        self._is_done(super().restore_visible, *args, **options)

    def _is_done(self, operation: Callable[..., None], *args: Any, **options: Any) -> bool:
        """Run the operation; return whether Redis accepted it."""
        try:
            operation(*args, **options)
        except redis.ResponseError as error:
            self.channel.listener.refused(error)
            return False
        return True

    def restore_by_tag(self, tag: str, client: Any = None, leftmost: bool = False) -> None:
        try:
            super().restore_by_tag(tag, client=client, leftmost=leftmost)
        except (redis.RedisError, OSError):
            raise
        except Exception:  # another program has written this message
            self._set_aside(tag)

    def _set_aside(self, tag: str) -> None:
        with self.channel.conn_or_acquire() as client:
            kept = client.hget(self.unacked_key, tag)
            self._remove_from_indices(tag, client.pipeline()).execute()
        self.channel.listener.set_aside(StrangeMessage("it cannot be put back into the queue", None, kept))


class RedisChannel(kombu_redis.Channel):
    """A channel of Redis, Valkey or Sentinel that delivers kombu's envelopes only."""

    QoS = RedisQoS
    listener: ClassVar[ChannelListener]
    _shared_client: Any = None

    def _create_client(self, asynchronous: bool = False) -> Any:
        """kombu's own, but with one client for all messages and acknowledgements of a connection pool.

        kombu makes one for each, which costs more than the command.
        """
        if asynchronous:  # It keeps those itself, and changes them.
            return super()._create_client(asynchronous=True)
        if self._shared_client is None or self._shared_client.connection_pool is not self.pool:
            self._shared_client = super()._create_client()
        return self._shared_client

    def _get_client(self) -> Callable[..., Any]:
        return partial(self._sifting_client, super()._get_client())

    def _sifting_client(self, make: Callable[..., Any], **options: Any) -> Any:
        client = make(**options)
        client.parse_response = partial(self._sift, client.parse_response)
        return client

    def _sift(self, parse: Callable[..., Any], connection: Any, command: str, **options: Any) -> Any:
        reply = parse(connection, command, **options)
        if command != "BRPOP" or not reply:
            return reply
        key, item = reply
        try:
            envelope = addressed_to(self._queue_of(key), read_envelope(item))
        except StrangeError as error:
            self.listener.set_aside(StrangeMessage(str(error), None, item))
            return None  # as if nothing had come
        return key, json.dumps(envelope)

    def _queue_of(self, key: bytes | str) -> str:
        name = key.decode() if isinstance(key, bytes) else key
        return name.rsplit(self.sep, 1)[0]

    def _do_restore_message(
        self, payload: Any, exchange: Any, routing_key: Any, pipe: Any, leftmost: bool = False
    ) -> None:
        # Another program may have written into our keys.
        try:
            check_envelope(payload)
            if not isinstance(exchange, str) or not isinstance(routing_key, str):
                raise StrangeError("it is from no queue")  # noqa: TRY301
        except StrangeError as error:
            self.listener.set_aside(StrangeMessage(str(error), None, payload))
        else:
            super()._do_restore_message(payload, exchange, routing_key, pipe, leftmost)

    def maybe_refresh_binding_expiry(self) -> None:
        try:
            super().maybe_refresh_binding_expiry()
        except redis.ResponseError as error:  # kombu would log a traceback every second
            self.listener.refused(error)

    def _handle_message(self, client: Any, response: Any) -> Any:
        found = super()._handle_message(client, response)
        if isinstance(data := found["data"], (bytes, str)):  # a subscription's is a number
            try:
                check_broadcast(data)
            except StrangeError as error:  # kombu would log a traceback for each
                self.listener.set_aside(StrangeMessage(str(error), None, data))
                raise Empty from None
        return found

    def _receive_one(self, client: Any) -> Any:
        try:
            return super()._receive_one(client)
        except redis.exceptions.NoPermissionError as error:
            # Redis 7 gives a user no right to channels by default. Without it there is no remote control.
            self.listener.refused(error)
            raise Empty from None
        except (redis.RedisError, OSError, Empty):
            raise
        except Exception:  # another program's message on the channel of `celery control`
            raise Empty from None


class RabbitMQChannel(BoundedWaits, pyamqp.Channel):
    """A channel of RabbitMQ that waits for no answer for ever, and knows which messages are in hand.

    It decompresses no message: a few kilobytes could become gigabytes.
    """

    listener: ClassVar[ChannelListener]
    timeout = ANSWER_TIMEOUT

    def __init__(self, *args: Any, **options: Any) -> None:
        # Delivery tags. `fetching` adds them, for its present consumer.
        self.in_hand: set[int] = set()
        super().__init__(*args, **options)

    def basic_ack(self, delivery_tag: int, *args: Any, **options: Any) -> None:
        super().basic_ack(delivery_tag, *args, **options)
        self.in_hand.discard(delivery_tag)

    def basic_reject(self, delivery_tag: int, *args: Any, **options: Any) -> None:
        super().basic_reject(delivery_tag, *args, **options)
        self.in_hand.discard(delivery_tag)

    def message_to_python(self, raw_message: Any) -> Any:
        headers = raw_message.properties.get("application_headers")
        compression = isinstance(headers, dict) and headers.pop("compression", None)
        message = super().message_to_python(raw_message)
        if compression:
            message.headers = {**message.headers, "compression": compression}
        return message
