"""Circuits in Redis or Valkey: one hash a circuit, and one short script for everything."""

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
# swap, its result and its time take one round trip.
SCRIPT = """
local won = 0
local stored = redis.call('HMGET', KEYS[1], 'version', 'circuit')
if ARGV[1] == 'swap' and (stored[1] or '') == ARGV[2] then
  redis.call('HSET', KEYS[1], 'version', ARGV[3], 'circuit', ARGV[4])
  stored = {ARGV[3], ARGV[4]}
  won = 1
end
return {won, stored[1] or '', stored[2] or '', redis.call('TIME')}
"""


class RedisStore:
    """A server at ``url``, in redis-py's form (``redis://``, ``rediss://``, ``unix://``), or a primary behind sentinels
    (`breakwall.urls.sentinel`). Raises `ValueError` if the URL is invalid."""

    remote = True

    def __init__(self, url: str) -> None:
        self._url = url
        self._client = self._connect()

    def load(self, name: str) -> StoredCircuit:
        return self._run(name, "load")[1]

    def swap(self, name: str, seen: str, version: str, text: str) -> tuple[bool, StoredCircuit]:
        return self._run(name, "swap", seen, version, text)

    def close(self) -> None:
        self._client.close()
        sentinels = getattr(self._client.connection_pool, "sentinel_manager", None)
        if sentinels is not None:
            sentinels.close()

    def forget_connections(self) -> None:
        """Do nothing: redis-py's pool notices a fork, and leaves the parent's sockets open."""

    def __repr__(self) -> str:
        return "RedisStore()"

    def _connect(self) -> redis.Redis:
        client = self._client_for(
            decode_responses=True,
            # If the answer of a swap was lost, a retry by the client would find the new version and report a conflict.
            retry=Retry(NoBackoff(), 0),
        )
        self._script = client.register_script(SCRIPT)
        return client

    def _client_for(self, **options: Any) -> redis.Redis:
        if is_sentinel(self._url):
            # Each new connection goes to the current primary. A former one answers with an error, which ends the
            # connection. So no swap counts as won on a server that is not the primary any more.
            address = parse_sentinel_url(self._url)
            client: redis.Redis = sentinel_client(address, timeout=SOCKET_TIMEOUT, **options)
            return client
        within = {"socket_timeout": SOCKET_TIMEOUT, "socket_connect_timeout": SOCKET_TIMEOUT}
        found: redis.Redis = redis.Redis.from_url(self._url, **within, **options)
        return found

    def _run(self, name: str, *args: str) -> tuple[bool, StoredCircuit]:
        answer: Any = self._script(keys=[PREFIX + name], args=list(args), client=self._client)
        won, version, text, (seconds, micros) = answer
        return bool(won), StoredCircuit(version, text or None, int(seconds) + int(micros) / 1e6)
