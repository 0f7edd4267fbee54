"""A real worker over a real RabbitMQ: whatever becomes of its queue, it consumes again, without a restart."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import amqp
import pytest
from celery import Celery
from kombu import Connection

from breakwall.broker.config import DEAD_LETTERS, QUEUE, TASK
from breakwall.broker.publisher import Publisher
from breakwall.broker.rabbitmq_queues import retry_queue
from breakwall.doctor.broker import broker
from tests.integration.broker_worker import BrokerWorker, wait_until
from tests.integration.publish_fixtures import depth_of, publish_each
from tests.servers import RabbitServer
from tests.servers.silent_relay import SilentRelay


@pytest.fixture(scope="module")
def url(_rabbitmq: RabbitServer) -> str:
    _rabbitmq.ensure_running()
    return _rabbitmq.fresh_url()


@pytest.fixture(scope="module")
def worker(url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrokerWorker]:
    worker = BrokerWorker(tmp_path_factory.mktemp("worker"), url)
    assert worker.works(), worker.log()
    yield worker
    assert worker.running, worker.log()
    assert worker.close() == 0, worker.log()
    assert not re.search(r"Traceback|Unrecoverable|CRITICAL", worker.log()), worker.log()


@contextmanager
def channel_of(server: RabbitServer, url: str) -> Iterator[amqp.Channel]:
    """A channel whose messages are confirmed: RabbitMQ may lose the others when it closes."""
    address, vhost = f"127.0.0.1:{server.port}", url.rpartition("/")[2]
    with amqp.Connection(address, virtual_host=vhost, confirm_publish=True) as connection:
        yield connection.channel()


@contextmanager
def load(worker: BrokerWorker) -> Iterator[None]:
    """Messages without a pause, as while an outage is drained."""
    stopped = threading.Event()
    publisher = Publisher(worker.settings)

    def publish() -> None:
        while not stopped.wait(0.01):
            publisher.publish_many(f"load-{number}" for number in range(20))

    thread = threading.Thread(target=publish)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join()
        publisher.close()


def delete_and_declare_again(url: str) -> None:
    """Within a millisecond, as a publisher under load does it: then RabbitMQ 3.10 cancels no consumer."""
    with Connection(url) as connection:
        queue = retry_queue()(connection.default_channel)
        queue.delete()
        queue.declare()


def test_a_queue_that_is_deleted_twice_under_load_is_consumed_from_again(
    rabbitmq_server: RabbitServer, worker: BrokerWorker, url: str
) -> None:
    with load(worker):
        for _ in range(2):
            time.sleep(1)  # within three seconds, as it was seen
            delete_and_declare_again(url)
    assert worker.works()
    assert wait_until(lambda: depth_of(worker.settings) == 0)


def test_a_queue_that_is_declared_otherwise_ends_no_worker_and_is_said(
    rabbitmq_server: RabbitServer, worker: BrokerWorker, url: str
) -> None:
    with channel_of(rabbitmq_server, url) as channel:
        channel.queue_delete(QUEUE)
        channel.queue_declare(QUEUE, durable=True, auto_delete=False)
        time.sleep(1)  # a few tries
        assert worker.running
        channel.queue_delete(QUEUE)
    assert worker.works()


def test_a_virtual_host_that_is_deleted_and_made_again_ends_no_worker(
    rabbitmq_server: RabbitServer, worker: BrokerWorker, url: str
) -> None:
    vhost = url.rpartition("/")[2]
    rabbitmq_server.control("delete_vhost", vhost)
    rabbitmq_server.control("add_vhost", vhost)
    rabbitmq_server.control("set_permissions", "--vhost", vhost, "guest", ".*", ".*", ".*")
    assert worker.works()


def test_an_alarm_stops_no_worker(rabbitmq_server: RabbitServer, worker: BrokerWorker) -> None:
    worker.freeze()
    publish_each(worker.settings, [f"before-{number}" for number in range(100)])
    rabbitmq_server.raise_memory_alarm()
    try:
        worker.thaw()
        assert worker.worked_on("before-99")
        (found,) = broker(worker.settings)
        assert not found.ok
        assert "an alarm of its memory or its disk is raised" in found.detail
    finally:
        rabbitmq_server.clear_memory_alarm()
    assert worker.works()


@pytest.fixture
def relayed(rabbitmq_server: RabbitServer, tmp_path: Path) -> Iterator[tuple[SilentRelay, BrokerWorker]]:
    """A worker whose connections can fall silent."""
    relay = SilentRelay(rabbitmq_server.port)
    own = BrokerWorker(
        tmp_path, rabbitmq_server.fresh_url().replace(f":{rabbitmq_server.port}", f":{relay.port}")
    )
    assert own.works(), own.log()
    yield relay, own
    own.close()
    relay.close()


def test_connections_that_fall_silent_are_replaced(relayed: tuple[SilentRelay, BrokerWorker]) -> None:
    """Seen: the worker waited without an end for an answer to the close of its old connection for events."""
    relay, own = relayed
    relay.fall_silent()
    assert own.works(), own.log()
    assert not re.search(r"Traceback|Unrecoverable|CRITICAL", own.log()), own.log()


def test_a_connection_for_answers_that_falls_silent_stops_no_worker(
    rabbitmq_server: RabbitServer, relayed: tuple[SilentRelay, BrokerWorker]
) -> None:
    """Of `celery inspect` and Flower."""
    relay, own = relayed
    direct = own.settings.broker.replace(f":{relay.port}", f":{rabbitmq_server.port}")
    with Celery(broker=direct, set_as_current=False) as app:
        assert wait_until(lambda: bool(app.control.ping(timeout=1.0)))
        relay.fall_silent()
        assert own.works(), own.log()
        app.control.ping(timeout=1.0)
        assert own.works(), own.log()
        assert wait_until(lambda: bool(app.control.ping(timeout=1.0)))


def test_a_worker_whose_connections_are_silent_ends_when_it_is_asked_to(
    relayed: tuple[SilentRelay, BrokerWorker],
) -> None:
    relay, own = relayed
    relay.fall_silent()
    assert own.close() == 0, own.log()


def test_strange_messages_are_set_aside_once_and_the_next_one_worked_on(
    rabbitmq_server: RabbitServer, worker: BrokerWorker, url: str
) -> None:
    ours = {"task": TASK, "id": "i"}
    # What would unpack to a gigabyte is not unpacked.
    bomb = amqp.Message(b"x", application_headers={**ours, "compression": "application/x-gzip"})
    strange = [
        amqp.Message(b"\xff\x00"),
        amqp.Message("{}", application_headers=ours, content_type="application/json"),
        amqp.Message("null", application_headers=ours, content_type="application/json"),
        amqp.Message(b"x" * 10_000_000, application_headers=ours),
        amqp.Message("[]", application_headers={"task": "shop.mail", "id": "i"}),
        amqp.Message('[["a\\nb"], {}, {}]', application_headers=ours),
        bomb,
    ]
    with channel_of(rabbitmq_server, url) as channel:
        for message in strange:
            channel.basic_publish(message, routing_key=QUEUE)
        for body in ("{}", "[1]", '{"method": "nobody\\ns"}', '{"method": "ping", "arguments": 7}'):
            command = amqp.Message(body, content_type="application/json", content_encoding="utf-8")
            channel.basic_publish(command, exchange="celery.pidbox")
    assert worker.works()
    for reason in (
        "another task",
        "no call of the task",
        "too large",
        "no orders",
        "compressed",
        "no command",
    ):
        assert worker.says(reason), worker.log()
    assert depth_of(worker.settings) == 0
    assert depth_of(worker.settings, DEAD_LETTERS) == 0
