"""What the tests of publishing share: publishers for a URL, and the guaranteed time bound."""

import threading
from collections.abc import Callable, Sequence

from breakwall.broker.publisher import Publisher
from breakwall.settings import Settings, load_settings
from tests.stopwatch import timed

BOUND = 1.0  # Seconds that no publish may take, whatever the broker does.


def settings_for(url: str) -> Settings:
    return load_settings({"BREAKWALL_BROKER_URL": url})


def warm_publisher(url: str) -> Publisher:
    publisher = Publisher(settings_for(url))
    assert publisher.publish_many(["warm-up"])
    return publisher


def cold_publisher(url: str) -> Publisher:
    publisher = Publisher(settings_for(url))
    publisher.prepare()
    return publisher


def publish_each(url_or_settings: str | Settings, order_ids: Sequence[str]) -> None:
    """Publish a message for each order."""
    settings = settings_for(url_or_settings) if isinstance(url_or_settings, str) else url_or_settings
    publisher = Publisher(settings)
    for order_id in order_ids:
        assert publisher.publish_many([order_id]) == 1
    publisher.close()


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
        thread.join(20)
    return took


def assert_fails_in_time(call: Callable[[], object], bound: float = BOUND) -> None:
    answer, took = timed(call)
    assert not answer
    assert took < bound, f"took {took:.2f} s of {bound:g} s"
