"""Circuits in Redis or Valkey: one hash a circuit, and one short script for everything."""

import hashlib
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from breakwall.breaker.sync.store_protocol import StoredCircuit
from breakwall.urls.sentinel import is_sentinel, parse_sentinel_url, sentinel_client

PREFIX = "breakwall:breaker:"

# Seconds. By default redis-py waits for ever, or retries for seconds. Calls do not wait for this, but the store's
# thread must notice soon that the server is back.
SOCKET_TIMEOUT = 1.0

# For a swap: compares the version, and sets. Then, as for a load, returns what is stored and the server's time. So a
# swap, its result and its time take one round trip. An application's client may send a swap again whose answer was
# lost: the second one finds its own version, and has won.
SCRIPT = """
local won = 0
local stored = redis.call('HMGET', KEYS[1], 'version', 'circuit')
if ARGV[1] == 'swap' and stored[1] == ARGV[3] and stored[2] == ARGV[4] then
  won = 1
elseif ARGV[1] == 'swap' and (stored[1] or '') == ARGV[2] then
  redis.call('HSET', KEYS[1], 'version', ARGV[3], 'circuit', ARGV[4])
  stored = {ARGV[3], ARGV[4]}
  won = 1
end
return {won, stored[1] or '', stored[2] or '', redis.call('TIME')}
"""
SCRIPT_HASH = hashlib.sha1(SCRIPT.encode(), usedforsecurity=False).hexdigest()


class ClientStore:
    """A client of the application, which also closes it: redis-py's, or one with the same methods.

    Raises:
        TypeError: it is no such client. The message says what to pass.
        ValueError: the client would wait for ever for an answer.
    """

    remote = True

    def __init__(self, client: Any, prefix: str = PREFIX) -> None:
        self._client = client
        self._prefix = prefix

    def load(self, name: str) -> StoredCircuit:
        return self._run(name, "load")[1]

    def swap(self, name: str, seen: str, version: str, text: str) -> tuple[bool, StoredCircuit]:
        return self._run(name, "swap", seen, version, text)

    def close(self) -> None:
        """Do nothing: the application may still use its client."""

    def forget_connections(self) -> None:
        """Do nothing: redis-py's pool notices a fork, and leaves the parent's sockets open."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"

    def _run(self, name: str, *args: str) -> tuple[bool, StoredCircuit]:
        # In bytes, because a client may have another encoding than that of another process.
        sent = [part.encode() for part in (self._prefix + name, *args)]
        won, version, text, (seconds, micros) = self._evaluate(1, *sent)
        stored = StoredCircuit(_text(version), _text(text) or None, int(seconds) + int(micros) / 1e6)
        return bool(won), stored

    def _evaluate(self, *args: Any) -> Any:
        # Not `register_script`, which clients of a cluster do not have.
        try:
            return self._client.evalsha(SCRIPT_HASH, *args)
        except Exception as error:
            # By name: a client of another library has errors of its own.
            if type(error).__name__ != "NoScriptError":
                raise
            return self._client.eval(SCRIPT, *args)


class RedisStore(ClientStore):
    """A server at ``url``, in redis-py's form (``redis://``, ``rediss://``, ``unix://``), or a primary behind sentinels
    (`breakwall.urls.sentinel`). Raises `ValueError` if the URL is invalid."""

    def __init__(self, url: str) -> None:
        # If the answer of a swap was lost, the circuit may have changed again before a retry.
        super().__init__(_client_at(url, retry=Retry(NoBackoff(), 0)))

    def close(self) -> None:
        self._client.close()
        sentinels = getattr(self._client.connection_pool, "sentinel_manager", None)
        if sentinels is not None:
            sentinels.close()


def check_client(given: Any) -> Any:
    """The client of ``given``, which is a client of the application or its connection pool.

    Raises what `ClientStore` raises.
    """
    if any(".asyncio" in kind.__module__ for kind in type(given).__mro__):
        raise TypeError(
            "the store works in a thread of its own, also for an event loop: "
            "pass a redis.Redis, not a redis.asyncio client"
        )
    if isinstance(given, redis.ConnectionPool):
        given = redis.Redis(connection_pool=given)
    if hasattr(given, "master_for"):
        raise TypeError("pass the client of the primary: sentinel.master_for(NAME, socket_timeout=1)")
    if not hasattr(given, "evalsha"):
        raise TypeError(f"pass a redis.Redis, a RedisCluster or a ConnectionPool, not {type(given).__name__}")
    if _timeout_of(given) is None:
        raise ValueError(
            "the Redis client would wait for ever for an answer: make it with socket_timeout=1 (seconds)"
        )
    return given


def _timeout_of(client: Any) -> float | None:
    """Seconds that the client waits for an answer; None: without end."""
    pool = getattr(client, "connection_pool", None)
    chosen = client.get_connection_kwargs() if pool is None else pool.connection_kwargs
    found: float | None = chosen.get("socket_timeout", _default_timeout())
    return found


def _default_timeout() -> float | None:
    """Of a client that was made without one; by redis-py's version it is 5 seconds, or none."""
    connection: Any = redis.Connection()  # type: ignore[no-untyped-call]  # It does not connect yet.
    found: float | None = connection.socket_timeout
    return found


def _client_at(url: str, **options: Any) -> redis.Redis:
    if is_sentinel(url):
        # Each new connection goes to the current primary. A former one answers with an error, which ends the
        # connection. So no swap counts as won on a server that is not the primary any more.
        client: redis.Redis = sentinel_client(parse_sentinel_url(url), timeout=SOCKET_TIMEOUT, **options)
        return client
    within = {"socket_timeout": SOCKET_TIMEOUT, "socket_connect_timeout": SOCKET_TIMEOUT}
    found: redis.Redis = redis.Redis.from_url(url, **within, **options)
    return found


def _text(answered: str | bytes) -> str:
    """A text in the script's answer: by the client's options it is decoded or not."""
    return answered.decode() if isinstance(answered, bytes) else answered
