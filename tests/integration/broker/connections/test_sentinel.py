"""Behind Redis Sentinel, all parts find the master, and the next one after its loss."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TypeVar
from uuid import uuid4

import pytest
from celery import Celery

from breakwall.breaker import store_from_url
from breakwall.broker.config import celery_config
from breakwall.broker.depth import QueueDepth, queue_depth
from breakwall.broker.publisher import Publisher
from tests.command import Terminal
from tests.integration.publish_fixtures import IN_TIME, assert_fails_in_time, depth_of, settings_for
from tests.integration.worker_fixtures import RunningWorker, running_worker
from tests.servers import SentinelSite
from tests.servers.sentinel import PASSWORD, SENTINEL_PASSWORD
from tests.stopwatch import timed

T = TypeVar("T")

TIMEOUT = 60.0


@pytest.fixture
def url(sentinel_site: SentinelSite) -> str:
    return sentinel_site.fresh_url()


@pytest.fixture
def publisher(url: str) -> Iterator[Publisher]:
    publisher = Publisher(settings_for(url))
    publisher.prepare()
    yield publisher
    publisher.close()


def until(ask: Callable[[], T]) -> T:
    """The first true answer; errors are none."""
    deadline = time.monotonic() + TIMEOUT
    while True:
        try:
            if answer := ask():
                return answer
        except Exception:
            if time.monotonic() > deadline:
                raise
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_after_a_failover_publisher_depth_and_store_use_the_new_master(
    sentinel_site: SentinelSite, url: str, publisher: Publisher
) -> None:
    depth, store = QueueDepth(settings_for(url)), store_from_url(url)
    assert publisher.publish_many(["order-1"])
    assert depth() == 1
    assert store.swap("payment", "", "v1", "text")[0]
    sentinel_site.wait_for_the_replica()
    sentinel_site.fail_over()
    until(lambda: publisher.publish_many(["order-2"]))
    assert until(depth) == 2
    assert until(lambda: store.load("payment")).version == "v1"
    assert store.swap("payment", "v1", "v2", "text")[0]
    depth.close()
    store.close()


def test_a_master_that_became_a_replica_is_left_for_the_new_one(
    sentinel_site: SentinelSite, url: str, publisher: Publisher
) -> None:
    depth, store = QueueDepth(settings_for(url)), store_from_url(url)
    assert publisher.publish_many(["order-1"])
    version = store.load("payment").version
    sentinel_site.wait_for_the_replica()
    sentinel_site.hand_over()
    until(lambda: publisher.publish_many(["order-2"]))
    assert until(lambda: depth() == 2)  # A replica shows the second one a little later.
    # A replica's refusal is an error, never a lost swap.
    until(lambda: store.swap("payment", version, "v1", "text")[0])
    depth.close()
    store.close()


@IN_TIME
def test_a_dead_and_a_silent_sentinel_are_skipped_in_time(sentinel_site: SentinelSite, url: str) -> None:
    sentinel_site.sentinels[0].kill()
    sentinel_site.sentinels[1].pause()
    publisher = Publisher(settings_for(url))
    publisher.prepare()
    sent, took = timed(lambda: publisher.publish_many(["order-1"]))
    assert sent
    assert took < 1.0
    assert depth_of(settings_for(url)) == 1
    publisher.close()


@IN_TIME
def test_a_master_that_hangs_costs_no_more_than_any_broker(
    sentinel_site: SentinelSite, url: str, publisher: Publisher
) -> None:
    assert publisher.publish_many(["order-1"])
    sentinel_site.primary.pause()
    assert_fails_in_time(lambda: publisher.publish_many(["order-2"]))
    assert_fails_in_time(lambda: queue_depth(settings_for(url)) or 0)


@pytest.fixture
def worker(terminal: Terminal, url: str) -> Iterator[RunningWorker]:
    terminal.set(BROKER_URL=url, BREAKER_STORE_URL=url)
    with running_worker(terminal) as worker:
        yield worker


def test_a_worker_continues_seconds_after_a_failover(
    sentinel_site: SentinelSite, url: str, publisher: Publisher, worker: RunningWorker
) -> None:
    before, after = uuid4().hex, uuid4().hex
    until(lambda: publisher.publish_many([before]))
    worker.wait_for(f"order (id {before}): nothing to do")
    sentinel_site.fail_over()
    until(lambda: publisher.publish_many([after]))
    took = timed(lambda: worker.wait_for(f"order (id {after}): nothing to do"))[1]
    assert took < 20
    # Its events over the broker hold no password.
    app = Celery(set_as_current=False)
    app.conf.update(celery_config(settings_for(url)))
    for command in ("stats", "conf", "report"):
        told = str(app.control.broadcast(command, reply=True, timeout=60, limit=1))
        assert "celery@" in told
        assert PASSWORD not in told
        assert SENTINEL_PASSWORD not in told
