"""kombu's channels, so that no message and no refusal of the broker can end or stop a worker.

kombu takes whatever lies in a Redis list for a message of its own, and fails over it: at delivery, and again
whenever it puts back what a dead worker had in hand. These channels look first.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from queue import Empty
from typing import Any, ClassVar, Protocol

import redis
from kombu.transport import pyamqp, virtual
from kombu.transport import redis as kombu_redis

from breakwall.broker.messages import (
    StrangeError,
    StrangeMessage,
    addressed_to,
    check_broadcast,
    check_envelope,
    read_envelope,
)


class Watcher(Protocol):
    """Who hears of what these channels found. Neither call may raise or take long."""

    def set_aside(self, message: StrangeMessage) -> None: ...

    def complained(self, error: BaseException) -> None: ...


def guard(connection: Any, watcher: Watcher) -> Any:
    """Have every channel of the connection, to whichever of its addresses it is made, be one of these.

    Args:
        connection: kombu's, not connected yet.
    """
    make = connection.create_transport

    def create_transport() -> Any:
        transport: Any = make()
        kind = type(transport)
        if issubclass(kind, kombu_redis.Transport):
            transport.Channel = _with(watcher, RedisChannel, transport.Channel)
        elif issubclass(kind, pyamqp.Transport):
            channel = _with(watcher, AmqpChannel, transport.Connection.Channel)
            transport.Connection = type("Connection", (transport.Connection,), {"Channel": channel})
        return transport

    connection.create_transport = create_transport
    return connection


def _with(watcher: Watcher, ours: type, theirs: type) -> type:
    return type(theirs.__name__, (ours, theirs), {"watcher": watcher})


class RedisQoS(kombu_redis.QoS):
    """What a worker has in hand, on Redis. A refusal to write it down stops nothing: the orders are in the database."""

    def append(self, message: Any, delivery_tag: str) -> None:
        try:
            super().append(message, delivery_tag)
        except redis.ResponseError as error:
            # The list has been popped: put off now, the message would be lost until it is published again.
            self.channel.watcher.complained(error)
            virtual.QoS.append(self, message, delivery_tag)

    def ack(self, delivery_tag: str) -> None:
        try:
            super().ack(delivery_tag)
        except redis.ResponseError as error:
            self.channel.watcher.complained(error)
            virtual.QoS.ack(self, delivery_tag)

    def reject(self, delivery_tag: str, requeue: bool = False) -> None:
        try:
            super().reject(delivery_tag, requeue=requeue)
        except redis.ResponseError as error:
            self.channel.watcher.complained(error)
            virtual.QoS.ack(self, delivery_tag)

    def restore_visible(self, *args: Any, **options: Any) -> None:
        try:
            super().restore_visible(*args, **options)
        except redis.ResponseError as error:
            self.channel.watcher.complained(error)

    def restore_by_tag(self, tag: str, client: Any = None, leftmost: bool = False) -> None:
        try:
            super().restore_by_tag(tag, client=client, leftmost=leftmost)
        except (redis.RedisError, OSError):
            raise
        except Exception:  # what is kept there is nothing that kombu wrote
            self._set_aside(tag)

    def _set_aside(self, tag: str) -> None:
        with self.channel.conn_or_acquire() as client:
            kept = client.hget(self.unacked_key, tag)
            self._remove_from_indices(tag, client.pipeline()).execute()
        self.channel.watcher.set_aside(StrangeMessage("it cannot be put back into the queue", None, kept))


class RedisChannel(kombu_redis.Channel):
    """A channel of Redis, Valkey or Sentinel that delivers envelopes of messages and nothing else."""

    QoS = RedisQoS
    watcher: ClassVar[Watcher]

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
            self.watcher.set_aside(StrangeMessage(str(error), None, item))
            return None  # as where nothing came
        return key, json.dumps(envelope)

    def _queue_of(self, key: bytes | str) -> str:
        name = key.decode() if isinstance(key, bytes) else key
        return name.rsplit(self.sep, 1)[0]

    def _do_restore_message(
        self, payload: Any, exchange: Any, routing_key: Any, pipe: Any, leftmost: bool = False
    ) -> None:
        # Of other apps, too: they share this key where they share the Redis database.
        try:
            check_envelope(payload)
            if not isinstance(exchange, str) or not isinstance(routing_key, str):
                raise StrangeError("it is from no queue")  # noqa: TRY301
        except StrangeError as error:
            self.watcher.set_aside(StrangeMessage(str(error), None, payload))
        else:
            super()._do_restore_message(payload, exchange, routing_key, pipe, leftmost)

    def maybe_refresh_binding_expiry(self) -> None:
        try:
            super().maybe_refresh_binding_expiry()
        except redis.ResponseError as error:  # kombu would say so every second, at length
            self.watcher.complained(error)

    def _handle_message(self, client: Any, response: Any) -> Any:
        found = super()._handle_message(client, response)
        if isinstance(data := found["data"], (bytes, str)):  # of a subscription it is a number
            try:
                check_broadcast(data)
            except StrangeError as error:  # kombu would write a page for each
                self.watcher.set_aside(StrangeMessage(str(error), None, data))
                raise Empty from None
        return found

    def _receive_one(self, client: Any) -> Any:
        try:
            return super()._receive_one(client)
        except redis.exceptions.NoPermissionError as error:
            # Of Redis 7's users none has a right to channels unless it is given one: then there is no remote control.
            self.watcher.complained(error)
            raise Empty from None
        except (redis.RedisError, OSError, Empty):
            raise
        except Exception:  # a stranger's word on the channel of `celery control`
            raise Empty from None


class AmqpChannel(pyamqp.Channel):
    """A channel of RabbitMQ that unpacks nothing: a few kilobytes could become gigabytes."""

    watcher: ClassVar[Watcher]

    def message_to_python(self, raw_message: Any) -> Any:
        headers = raw_message.properties.get("application_headers")
        packed = isinstance(headers, dict) and headers.pop("compression", None)
        message = super().message_to_python(raw_message)
        if packed:
            message.headers = {**message.headers, "compression": packed}
        return message
