"""The checks for Redis and Valkey."""

from collections.abc import Iterator
from typing import Any

from breakwall.broker.config import QUEUE
from breakwall.broker.connections.base import BrokerConnection
from breakwall.broker.errors import NO_MORE_CLIENTS, WrongQueueError, wrong_type


def check_names(connection: BrokerConnection) -> None:
    """Raise `WrongQueueError` if a key of our queue has another type than kombu uses."""
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
    """Queue kombu's commands in a transaction and discard it. Redis checks the rights when a command is queued."""
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
    """Whether Redis refused by an answer."""
    from redis.exceptions import AuthenticationError, BusyLoadingError, ReadOnlyError, ResponseError

    # In redis-py the last two are connection errors.
    answers = (ResponseError, AuthenticationError, BusyLoadingError)
    if isinstance(error, answers) or NO_MORE_CLIENTS in str(error):
        return True
    # Behind Sentinel, redis-py reports a replica's refusal as a lost connection.
    return isinstance(error.__context__, ReadOnlyError)


def _commands(channel: Any) -> Iterator[tuple[str, ...]]:
    """The commands of publishers and workers, with kombu's keys: any of them may be forbidden."""
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
