"""A broker that answers and takes no messages is a problem of the doctor's, and nothing is written by looking."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
import redis
from publish_fixtures import settings_for

from breakwall.broker import Publisher, queue_depth
from breakwall.doctor.checks import broker
from tests.servers import RabbitServer, RedisServer, SentinelSite


@pytest.fixture
def client(redis_server: RedisServer, redis_url: str) -> Iterator[redis.Redis]:
    """Gives the server back as it was."""
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
        client.execute_command("ACL", "SETUSER", "default", "+@all", "nopass")
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
    with sentinel_site.master.client() as client:
        client.config_set("maxmemory", "1")
        (found,) = broker(settings)
        client.config_set("maxmemory", "0")
    assert "the broker refuses: its memory is full (OOM)" in found.detail


def test_looking_whether_redis_refuses_writes_nothing(client: redis.Redis, redis_url: str) -> None:
    (found,) = broker(settings_for(redis_url))
    assert found.ok
    assert client.dbsize() == 0


@pytest.mark.parametrize(
    ("declared", "rights"), [(True, "^$ ^$ ^$"), (False, "^$ ^$ ^$"), (True, ".* ^$ .*")]
)
def test_a_rabbitmq_that_refuses_every_message_is_a_problem(
    rabbitmq_server: RabbitServer, rabbitmq_url: str, declared: bool, rights: str
) -> None:
    if declared:
        publisher = Publisher(settings_for(rabbitmq_url))
        assert publisher.publish("order-1")
        publisher.close()
    vhost = urlsplit(rabbitmq_url).path[1:]
    rabbitmq_server.control("set_permissions", "-p", vhost, "guest", *rights.split())
    (found,) = broker(settings_for(rabbitmq_url))
    assert not found.ok
    assert "the broker refuses: " in found.detail
    assert "rabbitmqctl set_permissions" in found.advice


@pytest.mark.parametrize(
    ("named", "otherwise", "told"),
    [("guest:guest", "guest:no", "password"), ("/test", "/no", "virtual host")],
)
def test_a_rabbitmq_that_lets_nobody_in_is_not_said_to_be_silent(
    rabbitmq_url: str, named: str, otherwise: str, told: str
) -> None:
    (found,) = broker(settings_for(rabbitmq_url.replace(named, otherwise)))
    assert not found.ok
    assert "the broker refuses: " in found.detail
    assert told in found.detail


def test_looking_whether_rabbitmq_refuses_leaves_no_message(rabbitmq_url: str) -> None:
    publisher = Publisher(settings_for(rabbitmq_url))
    assert publisher.publish("order-1")
    publisher.close()
    (found,) = broker(settings_for(rabbitmq_url))
    assert found.ok
    assert queue_depth(settings_for(rabbitmq_url)) == 1
