"""What the tests of publishing share: publishers for a URL, and the guaranteed time bound."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from unittest import mock

import pytest

from breakwall.broker.config import QUEUE
from breakwall.broker.connections.base import BrokerConnection
from breakwall.broker.depth import queue_depth
from breakwall.broker.publisher import Publisher
from breakwall.settings import Settings, load_settings
from tests.stopwatch import timed
from tests.waiting import wait_until

IN_TIME = pytest.mark.usefixtures("hurried")
"""Of a test in `broker` that is about how long we wait."""

BOUND = 1.0  # Seconds that no publish may take, whatever the broker does.


def settings_for(url: str) -> Settings:
    return load_settings({"BREAKWALL_BROKER_URL": url})


def warm_publisher(url: str) -> Publisher:
    publisher = Publisher(settings_for(url))
    wait_until(lambda: publisher.publish_many(["warm-up"]))
    return publisher


def cold_publisher(url: str) -> Publisher:
    publisher = Publisher(settings_for(url))
    publisher.prepare()
    return publisher


def publish_each(url_or_settings: str | Settings, order_ids: Sequence[str]) -> None:
    """Publish a message for each order."""
    settings = settings_for(url_or_settings) if isinstance(url_or_settings, str) else url_or_settings
    publisher = Publisher(settings)
    with long_timeouts():
        for order_id in order_ids:
            assert publisher.publish_many([order_id]) == 1
        publisher.close()


@contextmanager
def long_timeouts() -> Iterator[None]:
    """New connections give the broker a minute for an answer: on a busy machine it may need more than a publish has."""
    with mock.patch.object(BrokerConnection, "step_timeout", 60.0):
        yield


def depth_of(settings: Settings, queue: str = QUEUE) -> int | None:
    """The number of messages that wait, however long the broker takes; None if there is no broker."""
    with long_timeouts():
        return queue_depth(settings, queue)


def publish_from_threads(publisher: Publisher, count: int) -> list[float]:
    """The seconds that each of so many threads took for one message, all at once."""
    took: list[float] = []
    threads = [
        threading.Thread(target=lambda: took.append(timed(lambda: publisher.publish_many(["order-1"]))[1]))
        for _ in range(count)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return took


def assert_fails_in_time(call: Callable[[], object], bound: float = BOUND) -> None:
    answer, took = timed(call)
    assert not answer
    assert took < bound, f"took {took:.2f} s of {bound:g} s"
