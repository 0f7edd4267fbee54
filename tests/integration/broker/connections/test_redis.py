"""Publishing to a real Redis: its cost, its result, and a Redis that hangs or has ended."""

from __future__ import annotations

import base64
import json
import os
import threading
import time

import pytest
import redis

from breakwall.broker.backoff import PAUSE
from breakwall.broker.config import QUEUE, TASK
from breakwall.broker.connections.base import IDS_A_MESSAGE, IDS_AT_ONCE
from breakwall.broker.messages.envelope import read_envelope
from breakwall.broker.messages.order_message import read_message
from breakwall.broker.publisher import Publisher
from tests.integration.publish_fixtures import (
    BOUND,
    IN_TIME,
    assert_fails_in_time,
    cold_publisher,
    depth_of,
    publish_from_threads,
    settings_for,
    warm_publisher,
)
from tests.servers import RedisServer
from tests.stopwatch import Stopwatch, timed


def messages(url: str) -> list[dict[str, object]]:
    """Oldest first, as they are on the wire."""
    with redis.Redis.from_url(url) as client:
        return [json.loads(raw) for raw in reversed(client.lrange(QUEUE, 0, -1))]


def test_a_message_names_the_order_and_nothing_else(redis_url: str) -> None:
    Publisher(settings_for(redis_url)).publish_many(["order-1"])
    (message,) = messages(redis_url)
    headers = message["headers"]
    assert isinstance(headers, dict)
    args, kwargs, _ = json.loads(base64.b64decode(str(message["body"])))
    assert (headers["task"], headers["id"], args, kwargs) == (TASK, "order-1", ["order-1"], {})
    assert message["content-type"] == "application/json"
    assert headers["origin"] == "breakwall"  # Celery's default holds the host's name and the process


def test_a_warm_publish_is_one_command_in_one_round_trip(redis_server: RedisServer, redis_url: str) -> None:
    publisher = warm_publisher(redis_url)
    before = redis_server.commands()
    assert publisher.publish_many(["order-1"])
    assert redis_server.commands() - before == {"lpush": 1}


def test_many_messages_share_connections_and_round_trips(redis_server: RedisServer, redis_url: str) -> None:
    publisher = warm_publisher(redis_url)
    before = redis_server.commands()
    sent, took = timed(lambda: publisher.publish_many(str(number) for number in range(10_000)))
    assert sent == 10_000
    assert redis_server.commands() - before == {"lpush": 10_000 / IDS_A_MESSAGE}
    assert took < 10


def test_orders_arrive_in_the_sequence_in_which_they_were_published_many_in_a_message(redis_url: str) -> None:
    ids = [str(number) for number in range(2 * IDS_A_MESSAGE + 1)]
    Publisher(settings_for(redis_url)).publish_many(ids)
    named = [json.loads(base64.b64decode(str(message["body"])))[0][0] for message in messages(redis_url)]
    assert named == [ids[:IDS_A_MESSAGE], ids[IDS_A_MESSAGE:-1], ids[-1]]


def test_a_message_of_many_orders_is_read_as_it_was_written(redis_url: str) -> None:
    Publisher(settings_for(redis_url)).publish_many(["a", "b"])
    with redis.Redis.from_url(redis_url) as client:
        (raw,) = client.lrange(QUEUE, 0, -1)
    envelope = read_envelope(raw)
    read = read_message(envelope["headers"], envelope["body"])
    assert json.loads(read.body)[0] == [["a", "b"]]
    assert read.headers["argsrepr"] == envelope["headers"]["argsrepr"] == "('2 orders',)"


def test_many_threads_publish_at_once(redis_url: str) -> None:
    publisher = warm_publisher(redis_url)
    threads = [
        threading.Thread(target=publisher.publish_many, args=([f"{n}-{i}" for i in range(25)],))
        for n in range(20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert depth_of(settings_for(redis_url)) == 1 + 20 * 2, "each publishes 25 ids, in two messages"


@IN_TIME
@pytest.mark.parametrize("make", [warm_publisher, cold_publisher])
def test_a_frozen_redis_costs_under_a_second(redis_server: RedisServer, redis_url: str, make: object) -> None:
    publisher = make(redis_url)  # type: ignore[operator]
    redis_server.pause()
    assert_fails_in_time(lambda: publisher.publish_many(["order-1"]))


@IN_TIME
@pytest.mark.parametrize("make", [warm_publisher, cold_publisher])
def test_a_redis_that_is_down_costs_a_moment(redis_server: RedisServer, redis_url: str, make: object) -> None:
    publisher = make(redis_url)  # type: ignore[operator]
    redis_server.kill()
    assert_fails_in_time(lambda: publisher.publish_many(["order-1"]), 0.3)


@IN_TIME
def test_a_frozen_redis_costs_only_the_first_of_many_publishes_anything(
    redis_server: RedisServer, redis_url: str
) -> None:
    publisher = warm_publisher(redis_url)
    redis_server.pause()
    assert_fails_in_time(lambda: any(publisher.publish_many([str(number)]) for number in range(1000)))


@IN_TIME
def test_a_redis_that_freezes_under_many_threads_holds_none_of_them_for_a_second(
    redis_server: RedisServer, redis_url: str
) -> None:
    publisher = warm_publisher(redis_url)
    redis_server.pause()
    took = publish_from_threads(publisher, 50)
    assert len(took) == 50
    assert max(took) < BOUND


@IN_TIME
def test_a_redis_that_freezes_ends_a_long_batch_in_time_and_the_count_says_how_far_it_came(
    redis_server: RedisServer, redis_url: str
) -> None:
    publisher = warm_publisher(redis_url)

    def freeze_at(place: int) -> object:
        for number in range(40_000):
            if number == place:
                redis_server.pause()
                frozen.append(Stopwatch())
            yield str(number)

    frozen: list[Stopwatch] = []
    sent = publisher.publish_many(freeze_at(9_000))  # type: ignore[arg-type]
    # Twice, because the rest of a batch is made first.
    assert frozen[0].seconds < 2 * BOUND
    assert sent == 9_000 // IDS_AT_ONCE * IDS_AT_ONCE
    redis_server.resume()
    depth = depth_of(settings_for(redis_url))
    assert depth is not None
    assert depth >= sent / IDS_A_MESSAGE


def test_publishing_resumes_by_itself_when_redis_is_back(redis_server: RedisServer, redis_url: str) -> None:
    publisher = warm_publisher(redis_url)
    redis_server.kill()
    publisher.publish_many(["order-1"])
    redis_server.start()
    deadline = time.monotonic() + PAUSE + 60
    while not publisher.publish_many(["order-2"]):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_restart_between_two_publishes_goes_unnoticed(redis_server: RedisServer, redis_url: str) -> None:
    publisher = warm_publisher(redis_url)
    redis_server.restart()
    assert publisher.publish_many(["order-1"])


@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")  # on purpose
def test_a_fork_publishes_over_a_connection_of_its_own(redis_server: RedisServer, redis_url: str) -> None:
    publisher = warm_publisher(redis_url)
    child = os.fork()
    if child == 0:
        os._exit(0 if all(publisher.publish_many([f"child-{number}"]) for number in range(100)) else 1)
    mine = [publisher.publish_many([f"parent-{number}"]) for number in range(100)]
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert all(mine)
    assert depth_of(settings_for(redis_url)) == 201
