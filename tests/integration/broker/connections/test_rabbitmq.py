"""Publishing to a real RabbitMQ: confirmed or failed within a second, with the workers' queues."""

from __future__ import annotations

import os
from typing import Any

import pytest
from celery import Celery

from breakwall.broker.config import DEAD_LETTERS, QUEUE, celery_config
from breakwall.broker.connections.base import IDS_A_MESSAGE
from breakwall.broker.publisher import Publisher
from breakwall.broker.rabbitmq_queues import DELIVERY_LIMIT
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
from tests.servers import RabbitServer
from tests.stopwatch import timed


@pytest.fixture
def app(rabbitmq_url: str) -> Celery:
    """A worker's app."""
    app = Celery(set_as_current=False)
    app.conf.update(celery_config(settings_for(rabbitmq_url)))
    return app


def queue_types(server: RabbitServer, url: str) -> dict[str, str]:
    table = server.control("list_queues", "--vhost", url.rpartition("/")[2], "name", "type")
    rows = [line.split() for line in table.splitlines()]
    return {name: kind for name, kind in rows if name != "name"}


def test_a_publish_to_an_empty_server_makes_a_replicated_queue_and_its_place_for_poison(
    rabbitmq_server: RabbitServer, rabbitmq_url: str
) -> None:
    assert Publisher(settings_for(rabbitmq_url)).publish_many(["order-1"])
    assert queue_types(rabbitmq_server, rabbitmq_url) == {QUEUE: "quorum", DEAD_LETTERS: "classic"}
    assert depth_of(settings_for(rabbitmq_url)) == 1


@pytest.mark.parametrize("first", ["publisher", "worker"])
def test_publisher_and_worker_agree_on_the_queue_whichever_comes_first(
    rabbitmq_url: str, app: Celery, first: str
) -> None:
    if first == "publisher":
        assert Publisher(settings_for(rabbitmq_url)).publish_many(["order-1"])
    with app.connection_for_read() as connection:
        app.amqp.TaskConsumer(connection)  # declares; a disagreement raises PreconditionFailed
    assert Publisher(settings_for(rabbitmq_url)).publish_many(["order-2"])


def test_many_messages_share_round_trips(rabbitmq_url: str) -> None:
    publisher = warm_publisher(rabbitmq_url)
    sent, took = timed(lambda: publisher.publish_many(str(number) for number in range(10_000)))
    assert sent == 10_000
    assert depth_of(settings_for(rabbitmq_url)) == 1 + 10_000 / IDS_A_MESSAGE
    assert took < 20


def test_a_warm_publish_sends_one_method_and_waits_for_its_confirmation(
    rabbitmq_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from amqp.abstract_channel import AbstractChannel

    publisher = warm_publisher(rabbitmq_url)
    methods: list[Any] = []
    send = AbstractChannel.send_method
    monkeypatch.setattr(
        AbstractChannel,
        "send_method",
        lambda self, signature, *rest, **options: (
            methods.append(signature),
            send(self, signature, *rest, **options),
        )[1],
    )
    assert publisher.publish_many(["order-1"])
    assert methods == [(60, 40)]  # basic.publish


@IN_TIME
@pytest.mark.parametrize("make", [warm_publisher, cold_publisher])
def test_a_frozen_rabbitmq_costs_under_a_second(
    rabbitmq_server: RabbitServer, rabbitmq_url: str, make: Any
) -> None:
    publisher = make(rabbitmq_url)
    rabbitmq_server.pause()
    assert_fails_in_time(lambda: publisher.publish_many(["order-1"]))


@IN_TIME
@pytest.mark.parametrize("make", [warm_publisher, cold_publisher])
def test_a_memory_alarm_costs_under_a_second_and_is_not_taken_for_success(
    rabbitmq_server: RabbitServer, rabbitmq_url: str, make: Any
) -> None:
    publisher = make(rabbitmq_url)
    rabbitmq_server.raise_memory_alarm()
    try:
        assert_fails_in_time(lambda: publisher.publish_many(["order-1"]))
    finally:
        rabbitmq_server.clear_memory_alarm()


@IN_TIME
def test_a_rabbitmq_that_is_down_costs_a_moment(rabbitmq_server: RabbitServer, rabbitmq_url: str) -> None:
    warm, cold = warm_publisher(rabbitmq_url), cold_publisher(rabbitmq_url)
    rabbitmq_server.kill()
    assert_fails_in_time(lambda: warm.publish_many(["order-1"]), 0.3)
    assert_fails_in_time(lambda: cold.publish_many(["order-1"]), 0.3)


@IN_TIME
def test_a_rabbitmq_that_freezes_under_many_threads_holds_none_of_them_for_a_second(
    rabbitmq_server: RabbitServer, rabbitmq_url: str
) -> None:
    publisher = warm_publisher(rabbitmq_url)
    rabbitmq_server.pause()
    took = publish_from_threads(publisher, 50)
    assert len(took) == 50
    assert max(took) < BOUND


def test_a_connection_that_was_dropped_while_idle_goes_unnoticed(
    rabbitmq_server: RabbitServer, rabbitmq_url: str
) -> None:
    publisher = warm_publisher(rabbitmq_url)
    rabbitmq_server.control("close_all_connections", "--global", "idle for too long")
    assert publisher.publish_many(["order-1"])


def test_a_queue_that_was_deleted_is_made_again_and_the_message_kept(
    rabbitmq_server: RabbitServer, rabbitmq_url: str
) -> None:
    publisher = warm_publisher(rabbitmq_url)
    rabbitmq_server.control("delete_queue", QUEUE, "--vhost", rabbitmq_url.rpartition("/")[2])
    assert publisher.publish_many(["order-1"])
    assert depth_of(settings_for(rabbitmq_url)) == 1


@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")  # on purpose
def test_a_fork_leaves_the_parents_connection_alone(rabbitmq_url: str) -> None:
    publisher = warm_publisher(rabbitmq_url)
    child = os.fork()
    if child == 0:
        import gc

        sent = publisher.publish_many(["child"])
        publisher.close()
        gc.collect()
        os._exit(0 if sent else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    line = publisher._pool.queue[-1]
    before = line._producer
    assert publisher.publish_many(["parent"])
    assert line._producer is before  # it did not have to connect again


def test_a_message_that_kills_every_worker_becomes_a_dead_letter(rabbitmq_url: str, app: Celery) -> None:
    assert Publisher(settings_for(rabbitmq_url)).publish_many(["poison"])
    with app.connection_for_read() as connection:
        channel = connection.default_channel
        for _ in range(DELIVERY_LIMIT + 1):
            message = channel.basic_get(QUEUE)
            while message is None:
                message = channel.basic_get(QUEUE)
            channel.basic_reject(message.delivery_tag, requeue=True)
        dead = channel.basic_get(DEAD_LETTERS)
        while dead is None:
            dead = channel.basic_get(DEAD_LETTERS)
    assert dead.headers["id"] == "poison"
    assert depth_of(settings_for(rabbitmq_url)) == 0
