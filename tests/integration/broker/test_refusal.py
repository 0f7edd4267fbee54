"""A broker that answers and takes no messages is a problem of the doctor's, and nothing is written by looking."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from urllib.parse import urlsplit

import pytest
import redis
from kombu import Connection
from redis.exceptions import ClusterCrossSlotError

from breakwall.broker import Publisher, queue_depth
from breakwall.broker.celery_app import OwnApp
from breakwall.broker.consuming.remote_control import Box
from breakwall.broker.refusal import refusal
from breakwall.doctor.checks import broker
from breakwall.doctor.strange_messages import dead_letters
from tests.integration.publish_fixtures import settings_for
from tests.servers import RabbitServer, RedisServer, SentinelSite
from tests.waiting import wait_until


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


def test_a_password_that_is_refused_is_told_as_that(redis_url: str, rabbitmq_url: str) -> None:
    for url in (redis_url.replace("//", "//nobody:geheim@"), rabbitmq_url.replace("guest@", "geheim@")):
        (found,) = broker(settings_for(url))
        assert "the broker refuses: its " in found.detail
        assert "password" in found.detail
        assert "geheim" not in str(found)


def test_a_virtual_host_that_is_missing_is_told_as_that(rabbitmq_url: str) -> None:
    (found,) = broker(settings_for(f"{rabbitmq_url}-of-nobody"))
    assert "no such virtual host" in found.detail
    assert "rabbitmqctl add_vhost" in found.advice


def test_a_redis_cluster_is_told_as_that() -> None:
    told = refusal(ClusterCrossSlotError("Keys in request don't hash to the same slot"))
    assert "a Redis Cluster" in str(told)


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


def test_a_replica_that_the_sentinels_name_as_the_master_is_a_problem(sentinel_site: SentinelSite) -> None:
    settings = settings_for(sentinel_site.fresh_url())
    with sentinel_site.master.client() as client:
        client.replicaof("127.0.0.1", 9)
        (found,) = broker(settings)
        client.replicaof("NO", "ONE")
    assert "the sentinels name a master that is a replica" in found.detail
    assert "SENTINEL FAILOVER" in found.advice


def test_looking_whether_redis_refuses_writes_nothing(client: redis.Redis, redis_url: str) -> None:
    (found,) = broker(settings_for(redis_url))
    assert found.ok
    assert client.dbsize() == 0


OURS = r"^payments\.retry"
"""Not enough: the dead letters go through RabbitMQ's own exchange."""


@pytest.mark.parametrize(
    ("declared", "rights"),
    [(True, "^$ ^$ ^$"), (False, f"{OURS} {OURS} {OURS}"), (True, ".* ^$ .*"), (True, ".* .* ^$")],
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


def test_what_a_policy_takes_out_of_the_queue_is_not_blamed_on_workers(
    rabbitmq_server: RabbitServer, rabbitmq_url: str
) -> None:
    settings, vhost = settings_for(rabbitmq_url), urlsplit(rabbitmq_url).path[1:]
    rabbitmq_server.control("set_policy", "-p", vhost, "short", "retry$", '{"max-length": 1}')
    publisher = Publisher(settings)
    assert publisher.publish_many(["order-1", "order-2", "order-3"]) == 3
    publisher.close()
    wait_until(lambda: not dead_letters(settings)[0].ok, 30)  # it goes there behind the confirmation
    (found,) = dead_letters(settings)
    assert "max-length" in found.detail
    assert "policy" in found.advice
    assert "workers" not in found.advice
    assert dead_letters(settings)[0].detail.startswith(found.detail[:1])  # looked at, and still there


def test_looking_whether_rabbitmq_refuses_leaves_no_message(rabbitmq_url: str) -> None:
    publisher = Publisher(settings_for(rabbitmq_url))
    assert publisher.publish("order-1")
    publisher.close()
    (found,) = broker(settings_for(rabbitmq_url))
    assert found.ok
    assert queue_depth(settings_for(rabbitmq_url)) == 1


def test_a_second_worker_of_one_name_is_told_and_not_kept_from_its_work(rabbitmq_url: str) -> None:
    app, told = OwnApp(settings_for(rabbitmq_url), current=False), []

    def start() -> Connection:
        connection = app.connection_for_read()
        worker = SimpleNamespace(
            app=app,
            hostname="celery@host",
            connection=connection,
            controller=SimpleNamespace(use_eventloop=True),
            complained=told.append,
            on_decode_error=None,
        )
        Box(worker).start(worker)
        return connection

    with start(), start():
        (complaint,) = told
    assert "another worker has the name celery@host" in str(complaint)
    assert "--hostname" in str(complaint)
