"""The checks find whether RabbitMQ has our queue and takes messages. They leave nothing behind."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Iterator
from urllib.parse import urlsplit
from uuid import uuid4

import amqp
import pytest

from breakwall.broker.backoff import PAUSE
from breakwall.broker.checks.run import check_queue
from breakwall.broker.config import DEAD_LETTERS, QUEUE
from breakwall.broker.publisher import Publisher
from breakwall.doctor.broker import broker
from breakwall.doctor.strange_messages import dead_letters
from tests.command import Terminal
from tests.integration.broker.checks.told import NO_LOSS, told_by_check
from tests.integration.publish_fixtures import depth_of, publish_each, settings_for
from tests.integration.worker_fixtures import running_worker
from tests.manual_clock import MonotonicClock
from tests.servers import RabbitServer
from tests.waiting import wait_until


@pytest.fixture
def channel(rabbitmq_url: str) -> Iterator[amqp.Channel]:
    """Another program's, on the same virtual host."""
    parts = urlsplit(rabbitmq_url)
    with amqp.Connection(f"{parts.hostname}:{parts.port}", virtual_host=parts.path[1:]) as connection:
        yield connection.channel()


def declare_otherwise(channel: amqp.Channel, name: str = QUEUE) -> None:
    channel.queue_declare(name, durable=True, auto_delete=False)


@pytest.mark.parametrize("name", [QUEUE, DEAD_LETTERS])
def test_a_classic_queue_of_that_name_is_explained_with_the_way_out(
    name: str, rabbitmq_url: str, channel: amqp.Channel
) -> None:
    publisher = Publisher(settings_for(rabbitmq_url))
    assert publisher.publish_many(["order-1"])
    channel.queue_delete(name)
    declare_otherwise(channel, name)
    told = told_by_check(rabbitmq_url)
    assert f"a queue {name} that was declared otherwise" in told
    assert f"rabbitmqctl delete_queue {name}" in told
    assert NO_LOSS in told
    publisher.close()


def test_an_exchange_of_that_name_is_explained_with_the_way_out(
    rabbitmq_url: str, channel: amqp.Channel
) -> None:
    channel.exchange_declare(QUEUE, "topic", durable=True, auto_delete=False)
    assert f"an exchange {QUEUE} that was declared otherwise" in told_by_check(rabbitmq_url)


def test_looking_makes_nothing(rabbitmq_url: str, channel: amqp.Channel) -> None:
    check_queue(settings_for(rabbitmq_url))
    with pytest.raises(amqp.exceptions.NotFound):
        channel.queue_declare(QUEUE, passive=True)


def test_a_publisher_warns_once_and_continues_when_the_queue_is_deleted(
    rabbitmq_url: str, channel: amqp.Channel, caplog: pytest.LogCaptureFixture
) -> None:
    declare_otherwise(channel)
    clock = MonotonicClock()
    publisher = Publisher(settings_for(rabbitmq_url), clock=clock)
    for _ in range(3):
        assert not publisher.publish_many(["order-1"])
        clock.now += PAUSE
    (warning,) = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert "declared otherwise" in warning
    assert "until then orders wait in the database" in warning
    channel.queue_delete(QUEUE)
    assert publisher.publish_many(["order-1"])
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


def test_the_doctor_reports_a_queue_that_was_declared_otherwise(
    short_terminal: Terminal, rabbitmq_url: str, channel: amqp.Channel
) -> None:
    declare_otherwise(channel)
    short_terminal.set(BROKER_URL=rabbitmq_url)
    document = short_terminal.run("doctor", "-o", "json").document
    (finding,) = [found for found in document["checks"] if found["name"] == "broker"]
    assert not finding["ok"]
    assert "declared otherwise" in finding["detail"]
    assert "delete_queue" in finding["advice"]


def test_of_several_nodes_worker_publisher_and_depth_use_the_one_that_answers(
    terminal: Terminal, rabbitmq_server: RabbitServer, rabbitmq_url: str
) -> None:
    both = f"{rabbitmq_url.replace(str(rabbitmq_server.port), '9')};{rabbitmq_url}"
    publisher, order = Publisher(settings_for(both)), uuid4().hex
    assert publisher.publish_many([order])
    assert depth_of(settings_for(both)) == 1
    terminal.set(BROKER_URL=both)
    with running_worker(terminal) as worker:
        worker.wait_for(f"order (id {order}): nothing to do")
    publisher.close()


def test_a_virtual_host_that_is_missing_is_explained(rabbitmq_url: str) -> None:
    (found,) = broker(settings_for(f"{rabbitmq_url}-of-nobody"))
    assert "no such virtual host" in found.detail
    assert "rabbitmqctl add_vhost" in found.advice


OURS = r"^payments\.retry"
"""Not enough: dead letters go through RabbitMQ's default exchange."""


@pytest.mark.parametrize(
    ("declared", "rights"),
    [(True, "^$ ^$ ^$"), (False, f"{OURS} {OURS} {OURS}"), (True, ".* ^$ .*"), (True, ".* .* ^$")],
)
def test_a_rabbitmq_that_refuses_every_message_is_a_problem(
    rabbitmq_server: RabbitServer, rabbitmq_url: str, declared: bool, rights: str
) -> None:
    if declared:
        publisher = Publisher(settings_for(rabbitmq_url))
        assert publisher.publish_many(["order-1"])
        publisher.close()
    vhost = urlsplit(rabbitmq_url).path[1:]
    rabbitmq_server.control("set_permissions", "-p", vhost, "guest", *rights.split())
    (found,) = broker(settings_for(rabbitmq_url))
    assert not found.ok
    assert "the broker refuses: " in found.detail
    assert "rabbitmqctl set_permissions" in found.advice


def test_messages_that_a_policy_removes_are_not_blamed_on_workers(
    rabbitmq_server: RabbitServer, rabbitmq_url: str
) -> None:
    settings, vhost = settings_for(rabbitmq_url), urlsplit(rabbitmq_url).path[1:]
    rabbitmq_server.control("set_policy", "-p", vhost, "short", "retry$", '{"max-length": 1}')
    publish_each(settings, ["order-1", "order-2", "order-3"])
    wait_until(lambda: not dead_letters(settings)[0].ok, 60)  # it arrives there after the confirmation
    (found,) = dead_letters(settings)
    assert "max-length" in found.detail
    assert "policy" in found.advice
    assert "workers" not in found.advice
    assert dead_letters(settings)[0].detail.startswith(found.detail[:1])  # still there


def test_looking_whether_rabbitmq_refuses_leaves_no_message(rabbitmq_url: str) -> None:
    publisher = Publisher(settings_for(rabbitmq_url))
    assert publisher.publish_many(["order-1"])
    publisher.close()
    (found,) = broker(settings_for(rabbitmq_url))
    assert found.ok
    assert depth_of(settings_for(rabbitmq_url)) == 1
