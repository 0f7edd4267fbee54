"""The checks find whether Redis has our keys and takes messages. They write nothing."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
import redis

from breakwall.broker.backoff import PAUSE
from breakwall.broker.config import QUEUE, UNACKED, UNACKED_INDEX
from breakwall.broker.depth import QueueDepth
from breakwall.broker.publisher import Publisher
from breakwall.doctor.broker import broker
from tests.integration.broker.checks.told import NO_LOSS, told_by_check
from tests.integration.publish_fixtures import settings_for
from tests.manual_clock import MonotonicClock
from tests.servers import RedisServer, SentinelSite


@pytest.fixture
def client(redis_server: RedisServer, redis_url: str) -> Iterator[redis.Redis]:
    """Returns the server to its former state."""
    with redis.Redis.from_url(redis_url) as client:
        yield client
        client.config_set("maxmemory", "0")
        client.execute_command("REPLICAOF", "NO", "ONE")
    redis_server.ensure_running()


@pytest.mark.parametrize(
    ("command", "kind"),
    [
        ("CONFIG SET maxmemory 1", "OOM"),
        ("REPLICAOF 127.0.0.1 9", "READONLY"),
        ("ACL SETUSER default -lpush", "NOPERM"),
        ("ACL SETUSER default -brpop", "NOPERM"),
        ("ACL SETUSER default -@scripting", "NOPERM"),
        ("ACL SETUSER default resetkeys ~payments.*", "NOPERM"),
        ("CONFIG SET maxclients 1", "maxclients"),
        ("CONFIG SET requirepass geheim", "WRONGPASS"),
    ],
)
def test_a_redis_that_refuses_every_message_is_a_problem(
    client: redis.Redis, redis_url: str, command: str, kind: str
) -> None:
    client.execute_command(*command.split())
    try:
        (found,) = broker(settings_for(redis_url))
    finally:
        client.execute_command("ACL", "SETUSER", "default", "+@all", "allkeys", "nopass")
        client.config_set("maxclients", "1000")
    assert not found.ok
    assert "the broker refuses: " in found.detail
    assert kind in found.detail
    assert found.advice.endswith("orders wait safely.")


def test_a_master_behind_sentinels_that_refuses_every_message_is_a_problem(
    sentinel_site: SentinelSite,
) -> None:
    settings = settings_for(sentinel_site.fresh_url())
    assert broker(settings)[0].ok
    with sentinel_site.primary.client() as client:
        client.config_set("maxmemory", "1")
        (found,) = broker(settings)
        client.config_set("maxmemory", "0")
    assert "the broker refuses: its memory is full (OOM)" in found.detail


def test_a_replica_that_the_sentinels_name_as_the_master_is_a_problem(sentinel_site: SentinelSite) -> None:
    settings = settings_for(sentinel_site.fresh_url())
    with sentinel_site.primary.client() as client:
        client.replicaof("127.0.0.1", 9)
        (found,) = broker(settings)
        client.replicaof("NO", "ONE")
    assert "the sentinels name a master that is a replica" in found.detail
    assert "SENTINEL FAILOVER" in found.advice


def test_looking_whether_redis_refuses_writes_nothing(client: redis.Redis, redis_url: str) -> None:
    (found,) = broker(settings_for(redis_url))
    assert found.ok
    assert client.dbsize() == 0


@pytest.mark.parametrize("name", [QUEUE, f"_kombu.binding.{QUEUE}", UNACKED, UNACKED_INDEX])
def test_a_key_of_another_type_in_redis_is_explained_with_the_way_out(name: str, redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        client.set(name, "somebody's")
    told = told_by_check(redis_url)
    assert f"a key of another type where the queue needs {name}" in told
    assert NO_LOSS in told


def test_in_redis_too_publisher_and_depth_warn_once_each(
    redis_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    with redis.Redis.from_url(redis_url) as client:
        client.set(QUEUE, "somebody's")
        clock = MonotonicClock()
        publisher, depth = (
            Publisher(settings_for(redis_url), clock=clock),
            QueueDepth(settings_for(redis_url)),
        )
        for _ in range(3):
            assert not publisher.publish_many(["order-1"])
            assert depth() is None
            clock.now += PAUSE
        warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
        assert len(warnings) == 2
        assert all("key of another type" in warning for warning in warnings)
        client.delete(QUEUE)
    assert publisher.publish_many(["order-1"])
    assert depth() == 1
    publisher.close()
    depth.close()
