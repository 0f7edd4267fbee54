"""The number of waiting messages, from real brokers that answer, hang, have ended or never ran."""

from __future__ import annotations

import sys

import pytest
import redis

from breakwall.broker.depth import QueueDepth, queue_depth
from breakwall.settings import load_settings
from tests.integration.broker.unreachable import SCHEMES, silent_port
from tests.integration.publish_fixtures import (
    BOUND,
    IN_TIME,
    publish_each,
    settings_for,
)
from tests.servers import RabbitServer, RedisServer
from tests.stopwatch import timed

__all__ = ["silent_port"]


def test_asking_an_empty_queue_again_and_again_opens_no_further_connection(redis_url: str) -> None:
    """A worker asks every second, and mostly nothing waits."""
    depth = QueueDepth(settings_for(redis_url))
    with redis.Redis.from_url(redis_url) as client:
        assert depth() == 0
        before = len(client.client_list())
        assert {depth() for _ in range(20)} == {0}
        assert len(client.client_list()) == before
    depth.close()


def test_depth_counts_the_messages_that_wait(redis_url: str) -> None:
    depth = QueueDepth(settings_for(redis_url))
    assert depth() == 0  # Redis has no key for an empty queue
    publish_each(redis_url, ["a", "b", "c"])
    assert depth() == 3
    depth.close()


@IN_TIME
def test_depth_is_unknown_in_time_while_redis_is_frozen(redis_server: RedisServer, redis_url: str) -> None:
    warm = QueueDepth(settings_for(redis_url))
    assert warm() == 0
    redis_server.pause()
    for ask in (warm, QueueDepth(settings_for(redis_url))):
        answer, took = timed(ask)
        assert answer is None
        assert took < BOUND


def test_depth_is_unknown_while_redis_is_down_and_known_again_after(
    redis_server: RedisServer, redis_url: str
) -> None:
    depth = QueueDepth(settings_for(redis_url))
    assert depth() == 0
    redis_server.kill()
    assert depth() is None
    redis_server.start()
    assert depth() == 0


def queue_types(server: RabbitServer, url: str) -> dict[str, str]:
    table = server.control("list_queues", "--vhost", url.rpartition("/")[2], "name", "type")
    rows = [line.split() for line in table.splitlines()]
    return {name: kind for name, kind in rows if name != "name"}


def test_depth_counts_the_messages_that_wait_and_makes_no_queue(
    rabbitmq_server: RabbitServer, rabbitmq_url: str
) -> None:
    depth = QueueDepth(settings_for(rabbitmq_url))
    assert [depth(), depth()] == [0, 0]
    assert queue_types(rabbitmq_server, rabbitmq_url) == {}
    publish_each(rabbitmq_url, ["a", "b"])
    assert depth() == 2


@IN_TIME
def test_depth_is_unknown_in_time_while_rabbitmq_is_frozen(
    rabbitmq_server: RabbitServer, rabbitmq_url: str
) -> None:
    warm = QueueDepth(settings_for(rabbitmq_url))
    assert warm() == 0
    rabbitmq_server.pause()
    for ask in (warm, QueueDepth(settings_for(rabbitmq_url))):
        answer, took = timed(ask)
        assert answer is None
        assert took < BOUND


@IN_TIME
@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse when the queue is full")
@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_depth_of_a_broker_whose_packets_are_lost_is_unknown_in_time(
    scheme: str, silent_port: int
) -> None:
    settings = settings_for(scheme.format(port=silent_port))
    answer, took = timed(lambda: queue_depth(settings))
    assert answer is None
    assert took < BOUND


def test_an_embedded_broker_that_no_worker_runs_has_no_depth(tmp_path: object) -> None:
    settings = load_settings({"BREAKWALL_DATA_DIR": str(tmp_path)})
    assert queue_depth(settings) is None
