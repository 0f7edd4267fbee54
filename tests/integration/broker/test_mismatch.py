"""Something else under the queue's name is told in a sentence with the way out, and orders wait meanwhile."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Iterator
from urllib.parse import urlsplit
from uuid import uuid4

import amqp
import pytest
import redis

from breakwall.broker import QUEUE, Publisher, QueueDepth, WrongQueueError, check_queue, queue_depth
from breakwall.broker.config import DEAD_LETTERS
from breakwall.broker.publishing.backoff import PAUSE
from tests.command import Terminal
from tests.integration.publish_fixtures import settings_for
from tests.integration.worker_fixtures import running_worker
from tests.servers import RabbitServer

NO_LOSS = "nothing is lost by that: the database has every order"


class Clock:
    """Time that the test passes."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def channel(rabbitmq_url: str) -> Iterator[amqp.Channel]:
    """Another program's, on the same virtual host."""
    parts = urlsplit(rabbitmq_url)
    with amqp.Connection(f"{parts.hostname}:{parts.port}", virtual_host=parts.path[1:]) as connection:
        yield connection.channel()


def declare_otherwise(channel: amqp.Channel, name: str = QUEUE) -> None:
    channel.queue_declare(name, durable=True, auto_delete=False)


def told_by_check(url: str) -> str:
    with pytest.raises(WrongQueueError) as told:
        check_queue(settings_for(url))
    return str(told.value)


@pytest.mark.parametrize("name", [QUEUE, DEAD_LETTERS])
def test_a_classic_queue_of_that_name_is_told_with_the_way_out(
    name: str, rabbitmq_url: str, channel: amqp.Channel
) -> None:
    publisher = Publisher(settings_for(rabbitmq_url))
    assert publisher.publish("order-1")
    channel.queue_delete(name)
    declare_otherwise(channel, name)
    told = told_by_check(rabbitmq_url)
    assert f"a queue {name} that was declared otherwise" in told
    assert f"rabbitmqctl delete_queue {name}" in told
    assert NO_LOSS in told
    publisher.close()


def test_an_exchange_of_that_name_is_told_with_the_way_out(rabbitmq_url: str, channel: amqp.Channel) -> None:
    channel.exchange_declare(QUEUE, "topic", durable=True, auto_delete=False)
    assert f"an exchange {QUEUE} that was declared otherwise" in told_by_check(rabbitmq_url)


def test_looking_makes_nothing(rabbitmq_url: str, channel: amqp.Channel) -> None:
    check_queue(settings_for(rabbitmq_url))
    with pytest.raises(amqp.exceptions.NotFound):
        channel.queue_declare(QUEUE, passive=True)


def test_a_broker_that_does_not_answer_has_nothing_wrong_yet() -> None:
    check_queue(settings_for("amqp://127.0.0.1:9//"))


def test_a_publisher_warns_once_and_goes_on_when_the_queue_is_deleted(
    rabbitmq_url: str, channel: amqp.Channel, caplog: pytest.LogCaptureFixture
) -> None:
    declare_otherwise(channel)
    clock = Clock()
    publisher = Publisher(settings_for(rabbitmq_url), clock=clock)
    for _ in range(3):
        assert not publisher.publish("order-1")
        clock.now += PAUSE
    (warning,) = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert "declared otherwise" in warning
    assert "until then orders wait in the database" in warning
    channel.queue_delete(QUEUE)
    assert publisher.publish("order-1")
    publisher.close()


@pytest.mark.parametrize("line", [["breakwall", "worker"], ["celery", "-A", "worker", "worker"]])
def test_a_worker_does_not_start_beside_a_queue_that_was_declared_otherwise(
    line: list[str], terminal: Terminal, rabbitmq_url: str, channel: amqp.Channel
) -> None:
    declare_otherwise(channel)
    terminal.set(BROKER_URL=rabbitmq_url)
    ran = subprocess.run(
        [sys.executable, "-m", *line],
        capture_output=True,
        text=True,
        cwd=terminal.folder,
        env=terminal.environ,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 2
    assert "rabbitmqctl delete_queue" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_the_doctor_tells_of_a_queue_that_was_declared_otherwise(
    short_terminal: Terminal, rabbitmq_url: str, channel: amqp.Channel
) -> None:
    declare_otherwise(channel)
    short_terminal.set(BROKER_URL=rabbitmq_url)
    document = short_terminal.run("doctor", "-o", "json").document
    (finding,) = [found for found in document["checks"] if found["name"] == "broker"]
    assert not finding["ok"]
    assert "declared otherwise" in finding["detail"]
    assert "delete_queue" in finding["advice"]


@pytest.mark.parametrize("name", [QUEUE, f"_kombu.binding.{QUEUE}", "unacked", "unacked_index"])
def test_a_key_of_another_type_in_redis_is_told_with_the_way_out(name: str, redis_url: str) -> None:
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
        clock = Clock()
        publisher, depth = (
            Publisher(settings_for(redis_url), clock=clock),
            QueueDepth(settings_for(redis_url)),
        )
        for _ in range(3):
            assert not publisher.publish("order-1")
            assert depth() is None
            clock.now += PAUSE
        warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
        assert len(warnings) == 2
        assert all("key of another type" in warning for warning in warnings)
        client.delete(QUEUE)
    assert publisher.publish("order-1")
    assert depth() == 1
    publisher.close()
    depth.close()


def test_of_several_nodes_worker_publisher_and_depth_use_the_one_that_answers(
    terminal: Terminal, rabbitmq_server: RabbitServer, rabbitmq_url: str
) -> None:
    both = f"{rabbitmq_url.replace(str(rabbitmq_server.port), '9')};{rabbitmq_url}"
    publisher, order = Publisher(settings_for(both)), uuid4().hex
    assert publisher.publish(order)
    assert queue_depth(settings_for(both)) == 1
    terminal.set(BROKER_URL=both)
    with running_worker(terminal) as worker:
        worker.wait_for(f"order (id {order}): nothing to do")
    publisher.close()
