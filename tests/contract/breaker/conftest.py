"""The kinds of store. A test of this folder that asks for ``open_store`` runs on each; with the mark `ON_SHARED`, on
each that processes can share, because in memory there is nothing to load or to swap."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis
import sqlalchemy as sa

from breakwall.breaker import (
    CircuitBreaker,
    CircuitBreakerConfig,
    store_from_engine,
    store_from_redis,
    store_from_url,
)
from breakwall.breaker.stores import AnyStore
from tests.servers import RedisServer

OpenStore = Callable[[], AnyStore]
Join = Callable[..., CircuitBreaker]
SHARED = ["sqlite", "postgres", "redis"]
"""All kinds but memory; each has a fixture `KIND_url`, and the servers one `KIND_server`."""


@contextlib.contextmanager
def client_store(url: str) -> Iterator[AnyStore]:
    with redis.Redis.from_url(url, socket_timeout=5) as client:
        yield store_from_redis(client)


@contextlib.contextmanager
def pool_store(url: str) -> Iterator[AnyStore]:
    pool = redis.ConnectionPool.from_url(url, socket_timeout=5, decode_responses=True)
    yield store_from_redis(pool, prefix="shop:")
    pool.close()


@contextlib.contextmanager
def cluster_store(url: str) -> Iterator[AnyStore]:
    client = redis.RedisCluster.from_url(url, socket_timeout=5)
    yield store_from_redis(client)
    client.close()


@contextlib.contextmanager
def engine_store(url: str) -> Iterator[AnyStore]:
    engine = sa.create_engine(url)
    yield store_from_engine(engine)
    engine.dispose()


FROM_APPLICATION: dict[str, Callable[[str], contextlib.AbstractContextManager[AnyStore]]] = {
    "redis_client": client_store,
    "redis_pool": pool_store,
    "redis_cluster": cluster_store,
    "sqlite_engine": engine_store,
    "postgres_engine": engine_store,
}
"""Stores on a client or an engine that a test has made, as an application does. Each has a fixture `KIND_url`."""
ON_SHARED = pytest.mark.parametrize("open_store", [*SHARED, *FROM_APPLICATION], indirect=True)


def fail_times(breaker: CircuitBreaker, times: int) -> None:
    def fail() -> None:
        raise OSError

    for _ in range(times):
        breaker.call(fail, fallback="failed")


@pytest.fixture
def redis_client_url(redis_url: str) -> str:
    return redis_url


@pytest.fixture
def redis_pool_url(redis_url: str) -> str:
    return redis_url


@pytest.fixture
def redis_cluster_url(redis_cluster: RedisServer) -> str:
    return redis_cluster.fresh_url()


@pytest.fixture
def sqlite_engine_url(sqlite_url: str) -> str:
    return sqlite_url


@pytest.fixture
def postgres_engine_url(postgres_url: str) -> str:
    return postgres_url


@pytest.fixture(params=["memory", *SHARED, *FROM_APPLICATION])
def open_store(request: pytest.FixtureRequest) -> Iterator[OpenStore]:
    """Opens a store; each time anew, as another process would, but all see the same circuits."""
    if request.param == "memory":
        memory = store_from_url("memory://")
        yield lambda: memory
        return
    url = request.getfixturevalue(f"{request.param}_url")
    make = FROM_APPLICATION.get(request.param)
    with contextlib.ExitStack() as opened:

        def open_store() -> AnyStore:
            if make is not None:
                return opened.enter_context(make(url))
            return opened.enter_context(contextlib.closing(store_from_url(url)))

        yield open_store


@pytest.fixture(params=SHARED)
def shared_url(request: pytest.FixtureRequest) -> str:
    """The URL of a store that several processes can share."""
    return str(request.getfixturevalue(f"{request.param}_url"))


@pytest.fixture
def join(open_store: OpenStore) -> Iterator[Join]:
    """Makes breakers of one circuit, each with a connection of its own.

    Their timeout is long: a store that is slow on a busy machine must not count as lost.
    """
    joined: list[CircuitBreaker] = []

    def join(**config: Any) -> CircuitBreaker:
        defaults: dict[str, Any] = {
            "failure_threshold": 3,
            "recovery_timeout": 0.3,
            "timeout": 0.3,
            "refresh_interval": 0.05,
            "store_timeout": 5.0,
        }
        joined.append(CircuitBreaker("payment", CircuitBreakerConfig(**defaults | config), open_store()))
        return joined[-1]

    yield join
    for breaker in joined:
        breaker.close()
