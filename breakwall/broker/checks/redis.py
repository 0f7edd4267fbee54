"""What Redis or Valkey is asked."""

from collections.abc import Iterator
from typing import Any

from breakwall.broker.config import QUEUE
from breakwall.broker.connections.base import BrokerConnection
from breakwall.broker.errors import NO_MORE_CLIENTS, WrongQueueError, wrong_type


def check_names(connection: BrokerConnection) -> None:
    """Raise `WrongQueueError` where a key of ours has another type than kombu gives it."""
    channel = connection.channel
    types = {
        QUEUE: "list",
        channel.keyprefix_queue % QUEUE: "set",
        channel.unacked_key: "hash",
        channel.unacked_index_key: "zset",
    }
    for name, kind in types.items():
        found = channel.client.type(name)
        if (found.decode() if isinstance(found, bytes) else found) not in {kind, "none"}:
            raise WrongQueueError(wrong_type(name))


def check_rights(connection: BrokerConnection) -> None:
    """Queue each command of kombu's in a transaction that is discarded: Redis refuses a command when it is queued."""
    channel = connection.channel
    pool = channel.client.connection_pool
    raw = pool.get_connection()
    try:
        for command in (("MULTI",), *_commands(channel), ("DISCARD",)):
            raw.send_command(*command)
            raw.read_response()
    finally:
        raw.disconnect()
        pool.release(raw)


def is_refusal(error: BaseException) -> bool:
    """Whether this is an answer of Redis."""
    from redis.exceptions import AuthenticationError, BusyLoadingError, ReadOnlyError, ResponseError

    # redis-py counts two of these among the connection's errors.
    answers = (ResponseError, AuthenticationError, BusyLoadingError)
    if isinstance(error, answers) or NO_MORE_CLIENTS in str(error):
        return True
    # Behind Sentinel redis-py makes a lost connection of a replica's answer.
    return isinstance(error.__context__, ReadOnlyError)


def _commands(channel: Any) -> Iterator[tuple[str, ...]]:
    """A publisher's and a worker's, with the keys that kombu uses: each may be forbidden by itself."""
    binding, unacked, index = channel.keyprefix_queue % QUEUE, channel.unacked_key, channel.unacked_index_key
    yield "LPUSH", QUEUE, ""
    yield "RPUSH", QUEUE, ""
    yield "BRPOP", *(channel._q_for_pri(QUEUE, priority) for priority in channel.priority_steps), "1"  # noqa: SLF001
    yield "SADD", binding, ""
    yield "HSET", unacked, "", ""
    yield "HDEL", unacked, ""
    yield "ZADD", index, "0", ""
    yield "ZREM", index, ""
    yield "SET", channel.unacked_mutex_key, "", "NX"
    yield "EVALSHA", "0" * 40, "1", binding
