"""What a reader inside another program's process takes from a real broker, and gives back."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from kombu import Connection

from breakwall.broker.connections.factory import client_app
from breakwall.broker.consuming.reader import QueueReader
from breakwall.broker.messages.strange import StrangeMessage
from breakwall.broker.publisher import Publisher
from breakwall.settings import Settings, load_settings
from tests.integration.broker_worker import wait_until
from tests.integration.publish_fixtures import depth_of
from tests.servers import RedisServer

NONE_COMES = 0.5  # Seconds; a message comes in milliseconds.


class Site:
    """A queue, a reader, and what the reader gave to its drain, which does nothing by itself."""

    def __init__(self, url: str) -> None:
        self.settings: Settings = load_settings({"BREAKWALL_BROKER_URL": url})
        self.publisher = Publisher(self.settings)
        self.taken: list[str] = []
        self.done: list[Callable[[], None]] = []
        self.strange: list[StrangeMessage] = []
        self.demand = SimpleNamespace(capacity=100, held=0)
        self.reader = self.new_reader()
        self.publish("warm-up")  # declares the queue

    def new_reader(self) -> QueueReader:
        return QueueReader(client_app(self.settings), self.demand, self._submit, self.strange.append)

    def _submit(self, order_ids: Sequence[str], done: Callable[[], None]) -> None:
        self.taken += order_ids
        self.demand.held += len(order_ids)
        self.done.append(done)

    def publish(self, *order_ids: str) -> None:
        assert wait_until(lambda: self.publisher.publish_many(order_ids) == len(order_ids))

    def finish_all(self) -> None:
        """As the drain does it: from another thread."""
        thread = threading.Thread(target=lambda: [done() for done in self.done])
        thread.start()
        thread.join()
        self.demand.held = 0

    def has(self, *order_ids: str) -> bool:
        """Whether these were taken, now or soon."""
        return wait_until(lambda: set(self.taken) >= set(order_ids))

    def rest(self) -> list[str]:
        """What a new reader gets after this one has ended."""
        self.reader.stop()
        before = len(self.taken)
        self.demand.held = 0
        self.reader = self.new_reader()
        self.reader.start()
        self.publish("last")
        assert self.has("last")
        return sorted(set(self.taken[before:]) - {"last"})

    def close(self) -> None:
        self.reader.stop()
        self.publisher.close()


@pytest.fixture(params=["redis", "rabbitmq"])
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    site = Site(request.getfixturevalue(f"{request.param}_url"))
    yield site
    site.close()


def test_what_is_done_is_acknowledged_and_what_is_not_comes_again_to_the_next_one(site: Site) -> None:
    site.publish("a")
    site.publish("b")
    site.reader.start()
    assert site.has("warm-up", "a", "b")
    site.finish_all()
    site.publish("c")
    assert site.has("c")
    assert site.rest() == ["c"]


def test_what_is_done_while_it_ends_is_acknowledged_too(site: Site) -> None:
    site.reader.start()
    assert site.has("warm-up")
    site.reader.ask_to_stop()
    site.finish_all()
    assert site.rest() == []


def test_nothing_is_taken_while_there_is_no_demand_and_all_once_there_is(site: Site) -> None:
    site.demand.capacity = 0
    site.reader.start()
    assert not wait_until(lambda: bool(site.taken), NONE_COMES)
    assert depth_of(site.settings) == 1
    site.demand.capacity = 100
    site.reader.wake()
    assert site.has("warm-up")


def test_after_it_was_asked_to_stop_it_takes_nothing(site: Site) -> None:
    site.reader.start()
    assert site.has("warm-up")
    site.finish_all()
    site.reader.ask_to_stop()
    assert wait_until(lambda: not site.reader.expects_messages)
    site.publish("late")
    assert site.rest() == ["late"]
    assert site.taken.count("late") == 1


def test_a_message_that_is_not_ours_is_set_aside_and_the_next_one_taken(site: Site) -> None:
    site.reader.start()
    assert site.has("warm-up")
    with Connection(site.settings.broker) as connection:
        sender: Any = connection.Producer()
        sender.publish({"a": 1}, routing_key="payments.retry", headers={"task": "shop.mail"}, retry=True)
    assert wait_until(lambda: [one.reason for one in site.strange] == ["it is for another task"])
    site.publish("next")
    assert site.has("next")


def test_given_up_by_its_watchdog_it_connects_again(site: Site) -> None:
    site.reader.start()
    assert site.has("warm-up")
    assert site.reader.expects_messages
    site.reader.give_up("messages wait and none comes")
    # What it had in hand comes again.
    assert wait_until(lambda: site.taken.count("warm-up") == 2)


def test_it_outlives_its_broker(redis_server: RedisServer, redis_url: str) -> None:
    site = Site(redis_url)
    site.reader.start()
    assert site.has("warm-up")
    redis_server.kill()
    assert wait_until(lambda: not site.reader.expects_messages)
    redis_server.start()
    site.publish("after")
    assert site.has("after")
    site.close()


def test_it_ends_although_its_broker_never_answered() -> None:
    settings = load_settings({"BREAKWALL_BROKER_URL": "redis://127.0.0.1:9/0"})
    demand = SimpleNamespace(capacity=1, held=0)
    reader = QueueReader(client_app(settings), demand, lambda ids, done: None, lambda message: None)
    reader.start()
    reader.stop()
    assert not reader.runs


def test_it_may_be_stopped_before_it_was_started() -> None:
    settings = load_settings({})
    demand = SimpleNamespace(capacity=1, held=0)
    QueueReader(client_app(settings), demand, lambda ids, done: None, lambda message: None).stop()
