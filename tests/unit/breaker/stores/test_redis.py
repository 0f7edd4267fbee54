"""What the contract of the stores does not see of Redis."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest
import redis

from breakwall.breaker import store_from_url
from breakwall.breaker.stores.redis import RedisStore


class HangUp:
    """A server that takes a connection, and ends it at the first override."""

    def __init__(self) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self.connections = 0
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            with connection:
                self.connections += 1
                connection.recv(1)

    def close(self) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._thread.join(5)


@pytest.fixture
def server() -> Iterator[HangUp]:
    server = HangUp()
    yield server
    server.close()


def test_the_client_never_sends_a_swap_twice(server: HangUp) -> None:
    """The first may have won, with only its answer lost: the second would call that a conflict."""
    store = RedisStore(f"redis://127.0.0.1:{server.port}/0")
    with pytest.raises(redis.ConnectionError):
        store.swap("payment", "", "v1", "one")
    store.close()
    assert server.connections == 1


@pytest.mark.parametrize(
    "url", ["unix:///run/a%3Fb.sock?db=3", "redis+socket:///run/a%3Fb.sock?virtual_host=3"]
)
def test_a_socket_may_be_written_as_redis_py_or_as_kombu_writes_it(url: str) -> None:
    store = store_from_url(url)
    assert isinstance(store, RedisStore)
    chosen = store._client.connection_pool.connection_kwargs
    assert (chosen["path"], chosen["db"]) == ("/run/a?b.sock", 3)
