"""What is no client, no pool and no engine for a store is refused with what to pass instead."""

from __future__ import annotations

from typing import Any

import pytest
import redis
import redis.asyncio
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import create_async_engine

from breakwall.breaker import store_from_engine, store_from_redis


@pytest.mark.parametrize(
    ("client", "advice"),
    [
        (redis.asyncio.Redis(), r"pass a redis\.Redis, not a redis\.asyncio client"),
        (redis.asyncio.ConnectionPool(), r"pass a redis\.Redis, not a redis\.asyncio client"),
        (redis.Sentinel([("localhost", 26379)]), r"sentinel\.master_for\(NAME, socket_timeout=1\)"),
        ("redis://localhost", "a RedisCluster or a ConnectionPool, not str"),
        (None, "a RedisCluster or a ConnectionPool, not NoneType"),
    ],
    ids=["asyncio", "asyncio pool", "sentinel", "url", "nothing"],
)
def test_what_is_no_client_is_refused_with_what_to_pass(client: Any, advice: str) -> None:
    with pytest.raises(TypeError, match=advice):
        store_from_redis(client)


@pytest.mark.parametrize(
    "client",
    [
        redis.Redis(socket_timeout=None),
        redis.ConnectionPool(socket_timeout=None),
        redis.Sentinel([("localhost", 26379)], socket_timeout=None).master_for("shop"),
    ],
    ids=["client", "pool", "sentinel"],
)
def test_a_client_that_would_wait_for_ever_is_refused(client: Any) -> None:
    """The store's thread would wait for a server that is gone, and so never find it again."""
    with pytest.raises(ValueError, match="make it with socket_timeout=1"):
        store_from_redis(client)


def test_a_client_with_a_timeout_is_taken_without_a_connection() -> None:
    store_from_redis(redis.Redis(port=1, socket_timeout=1)).close()


@pytest.mark.parametrize(
    ("engine", "advice"),
    [
        (
            create_async_engine("postgresql+psycopg://db/shop"),
            "a synchronous engine of SQLAlchemy.*AsyncEngine",
        ),
        ("sqlite:///shop.db", "a synchronous engine of SQLAlchemy.*not str"),
    ],
    ids=["asyncio", "url"],
)
def test_what_is_no_engine_is_refused_with_what_to_pass(engine: Any, advice: str) -> None:
    with pytest.raises(TypeError, match=advice):
        store_from_engine(engine)


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:"])
def test_a_database_in_memory_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="use memory://, or a file"):
        store_from_engine(sa.create_engine(url))


def test_an_engine_of_another_database_is_refused_by_name() -> None:
    mysql = sa.create_mock_engine("mysql://", lambda *_: None).dialect
    engine = sa.create_engine("sqlite:///unused.db")
    engine.dialect = mysql
    with pytest.raises(ValueError, match=r"should be SQLite or PostgreSQL .*, not 'mysql'"):
        store_from_engine(engine)


def test_nothing_of_a_client_or_an_engine_is_in_the_repr_of_its_store() -> None:
    client = redis.Redis(password="hunter2-hunter2", socket_timeout=1)
    engine = sa.create_engine("postgresql+psycopg://kim:hunter2-hunter2@db/shop")
    shown = repr(store_from_redis(client)) + repr(store_from_engine(engine))
    assert shown == "ClientStore()EngineStore('postgresql')"
