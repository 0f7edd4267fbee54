"""Stores on a client, a pool or an engine that the application has made, and that stay the application's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import redis
import sqlalchemy as sa

from breakwall.breaker import (
    CircuitBreaker,
    CircuitBreakerConfig,
    CircuitState,
    store_from_engine,
    store_from_redis,
    store_from_url,
)
from breakwall.breaker.stores import AnyStore
from tests.contract.breaker.conftest import fail_times
from tests.servers import SentinelSite
from tests.servers.sentinel import MASTER_NAME, PASSWORD, SENTINEL_PASSWORD
from tests.waiting import wait_until


def breaker_on(store: AnyStore, name: str = "결제") -> closing[CircuitBreaker]:
    config = CircuitBreakerConfig(failure_threshold=3, recovery_timeout=60, store_timeout=5.0)
    return closing(CircuitBreaker(name, config, store))


def same_circuit(one: AnyStore, other: AnyStore) -> bool:
    """Whether what one store's breaker has stored opens the circuit of the other's."""
    with breaker_on(one) as first, breaker_on(other) as second:
        fail_times(first, 3)
        return second.state is CircuitState.OPEN


@pytest.fixture
def client(redis_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(redis_url, socket_timeout=5) as client:
        yield client


class TestRedis:
    def test_it_shares_its_circuits_with_a_store_from_a_url(
        self, client: redis.Redis, redis_url: str
    ) -> None:
        assert same_circuit(store_from_redis(client), store_from_url(redis_url))

    def test_a_client_with_another_encoding_does_so_too(self, redis_url: str) -> None:
        with redis.Redis.from_url(redis_url, socket_timeout=5, encoding="latin-1") as other:
            assert same_circuit(store_from_redis(other), store_from_url(redis_url))

    def test_the_client_is_not_closed_with_the_breaker(self, client: redis.Redis) -> None:
        with breaker_on(store_from_redis(client)) as breaker:
            breaker.call(int)
            connection = client.connection_pool.get_connection()
            client.connection_pool.release(connection)
        assert connection._sock is not None

    def test_the_prefix_is_that_of_the_keys(self, client: redis.Redis) -> None:
        with breaker_on(store_from_redis(client, prefix="shop:circuit:"), "payment") as breaker:
            fail_times(breaker, 1)
        assert client.keys() == [b"shop:circuit:payment"]

    def test_a_swap_that_the_client_sends_twice_wins_once_and_is_no_conflict(
        self, client: redis.Redis
    ) -> None:
        """Its answer was lost, and a client with retries sends it again."""
        store = store_from_redis(client)
        assert store.swap("payment", "", "v1", "one")[0]
        won, stored = store.swap("payment", "", "v1", "one")
        assert (won, stored.text) == (True, "one")
        assert not store.swap("payment", "", "v2", "two")[0]

    def test_a_server_that_has_lost_its_scripts_gets_the_script_again(self, client: redis.Redis) -> None:
        store = store_from_redis(client)
        store.swap("payment", "", "v1", "one")
        client.script_flush()
        assert store.load("payment").text == "one"

    def test_valkeys_own_client_works_too(self, redis_url: str) -> None:
        valkey = pytest.importorskip("valkey", reason="valkey-py comes with a test tool")
        with closing(valkey.Valkey.from_url(redis_url, socket_timeout=5)) as other:
            assert same_circuit(store_from_redis(other), store_from_url(redis_url))

    def test_the_primary_behind_sentinels_works_too(self, sentinel_site: SentinelSite) -> None:
        nodes = [("127.0.0.1", node.port) for node in sentinel_site.sentinels]
        sentinel = redis.Sentinel(
            nodes,
            sentinel_kwargs={"password": SENTINEL_PASSWORD, "socket_timeout": 5},
            password=PASSWORD,
            socket_timeout=5,
        )
        with closing(sentinel.master_for(MASTER_NAME)) as primary:
            with breaker_on(store_from_redis(primary), "sentinel") as breaker:
                wait_until(lambda: breaker.status().store_ok)
                fail_times(breaker, 3)
            assert primary.exists("breakwall:breaker:sentinel")


@pytest.fixture(params=["sqlite", "postgres"])
def engine(request: pytest.FixtureRequest) -> Iterator[sa.Engine]:
    engine = sa.create_engine(request.getfixturevalue(f"{request.param}_url"))
    yield engine
    engine.dispose()


class TestEngine:
    def test_it_shares_its_circuits_with_a_store_from_a_url(self, engine: sa.Engine) -> None:
        url = engine.url.render_as_string(hide_password=False)
        assert same_circuit(store_from_engine(engine), store_from_url(url))

    def test_the_engine_is_not_disposed_of_with_the_breaker(self, engine: sa.Engine) -> None:
        pool: Any = engine.pool
        with breaker_on(store_from_engine(engine)) as breaker:
            fail_times(breaker, 1)
        assert engine.pool is pool
        assert pool.checkedin() > 0

    def test_the_applications_transactions_are_as_before(self, engine: sa.Engine) -> None:
        with breaker_on(store_from_engine(engine)) as breaker:
            fail_times(breaker, 1)
        with engine.connect() as connection:
            connection.execute(sa.text("delete from breakwall_circuits"))
            connection.rollback()
            assert connection.scalar(sa.text("select count(*) from breakwall_circuits")) == 1

    def test_it_makes_its_table_again(self, engine: sa.Engine) -> None:
        store = store_from_engine(engine)
        assert store.load("payment").text is None
        with engine.begin() as connection:
            connection.execute(sa.text("drop table breakwall_circuits"))
        with pytest.raises(sa.exc.DBAPIError):
            store.load("payment")
        assert store.load("payment").text is None


def test_a_file_of_the_applications_engine_keeps_its_journal(tmp_path: Path) -> None:
    """How SQLite works in it is the application's choice."""
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'shop.db'}")
    with breaker_on(store_from_engine(engine)) as breaker:
        fail_times(breaker, 1)
    with engine.connect() as connection:
        assert connection.scalar(sa.text("pragma journal_mode")) == "delete"
    engine.dispose()
