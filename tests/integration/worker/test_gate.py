"""A real worker over real brokers leaves its messages there while the circuit is open, and loses and doubles none."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import redis

from breakwall.breaker import CircuitBreaker
from breakwall.broker import publisher
from breakwall.broker.config import CONCURRENCY, QUEUE
from breakwall.broker.connections import base
from breakwall.broker.depth import queue_depth
from breakwall.settings import Settings, load_settings
from breakwall.wiring import open_breaker
from breakwall.worker.drain.drain import HELD_PER_SLOT
from breakwall.worker.log.orders import NOTHING_TO_DO
from tests.every_case import every_case
from tests.integration.broker_worker import TIMEOUT, BrokerWorker, wait_until
from tests.integration.publish_fixtures import long_timeouts
from tests.servers import RabbitServer, RedisServer
from tests.stopwatch import Stopwatch

MESSAGES = 3_000
MOST_HELD = HELD_PER_SLOT * CONCURRENCY
QUIET = 1.0  # Seconds in which nothing may come.
COMMANDS_A_SECOND = 20  # Redis commands of a worker that may send nothing.


class Site:
    """A broker, a circuit and a worker between them. A message for an unknown order shows in the worker's log."""

    def __init__(self, folder: Path, url: str | None, migrated: str) -> None:
        self.folder = folder
        self.url = url
        more = {"DATABASE_URL": migrated}
        environ = {f"BREAKWALL_{name}": value for name, value in more.items()}
        environ |= {"BREAKWALL_DATA_DIR": str(folder / "data")} | (
            {"BREAKWALL_BROKER_URL": url} if url else {}
        )
        self.settings: Settings = load_settings(environ)
        self._read, self._worked_on = 0, Counter[str]()
        self.breaker: CircuitBreaker = open_breaker(self.settings)
        self.breaker.force_open("a test", "test")
        self.worker = BrokerWorker(folder, url, **more)
        assert self.worker.says(" ready."), self.worker.log()

    def publish(self, number: int, name: str = "order") -> None:
        """Publish so many messages, each with one order."""
        names = [f"{name}-{one}" for one in range(number)]
        with pytest.MonkeyPatch.context() as patched, long_timeouts():
            patched.setattr(base, "IDS_A_MESSAGE", 1)
            patched.setattr(publisher, "IDS_AT_ONCE", base.MESSAGES_AT_ONCE)
            while names:
                names = names[self.worker.publisher.publish_many(names) :]

    def depth(self) -> int:
        """Asked again while the broker does not answer in time."""
        told: list[int | None] = []
        wait_until(lambda: told.append(queue_depth(self.settings)) or told[-1] is not None)
        assert told[-1] is not None
        return told[-1]

    def worked_on(self) -> Counter[str]:
        log = self.worker.log()
        end = log.rfind("\n") + 1
        new = [line for line in log[self._read : end].splitlines() if NOTHING_TO_DO in line]
        self._worked_on.update(one for line in new for one in re.findall(r"\(id (\S+?)\)", line))
        self._read = end
        return self._worked_on

    def keeps(self, depth: int) -> bool:
        """Whether nothing is fetched for a while."""
        time.sleep(QUIET)
        return self.depth() == depth

    def close(self) -> None:
        self.breaker.close()
        self.worker.close()


SITES = ("redis", "rabbitmq", "embedded")


@pytest.fixture(params=SITES)
def site(request: pytest.FixtureRequest, tmp_path: Path, migrated_sqlite_url: str) -> Iterator[Site]:
    url = None if request.param == "embedded" else request.getfixturevalue(f"{request.param}_url")
    with closing(Site(tmp_path, url, migrated_sqlite_url)) as site:
        yield site


@pytest.mark.parametrize("site", SITES if every_case() else ["redis", "rabbitmq"], indirect=True)
def test_messages_stay_in_the_broker_and_none_is_lost_or_doubled_by_pauses(site: Site) -> None:
    site.publish(MESSAGES)
    assert site.keeps(MESSAGES)
    for pause in range(3):
        site.breaker.auto("test")
        assert wait_until(lambda done=pause: len(site.worked_on()) > done * 500 + 250)  # type: ignore[misc]
        site.breaker.force_open("a test", "test")
        # It hears of that within a second, and what it has fetched by then is done.
        assert wait_until(lambda: site.keeps(site.depth()))
        assert site.depth() > 0
    site.breaker.auto("test")
    assert wait_until(lambda: site.depth() == 0, 3 * TIMEOUT), site.depth()
    # What it held at a pause was deferred in the database, and its messages are gone.
    assert wait_until(lambda: len(site.worked_on()) >= MESSAGES - 3 * MOST_HELD), len(site.worked_on())
    assert set(site.worked_on().values()) == {1}
    assert site.worker.close() == 0


def test_a_worker_that_may_send_nothing_still_ends_and_answers_and_takes_the_next_permit_soon(
    site: Site,
) -> None:
    site.publish(30)
    assert site.keeps(30)
    site.breaker.auto("test")
    watch = Stopwatch(processes=True)
    assert wait_until(lambda: site.depth() == 0)
    assert watch.seconds < 2.0
    site.breaker.force_open("a test", "test")
    time.sleep(1)
    site.publish(30, "later")
    assert site.keeps(30) or site.depth() == 29, "one may have been asked for before"
    before = site.depth()
    assert site.worker.close() == 0
    if site.url:
        assert site.depth() == before
    assert not re.search(r"Traceback|Unrecoverable|CRITICAL", site.worker.log()), site.worker.log()


def test_a_worker_that_is_stopped_in_the_middle_of_its_work_loses_no_message(site: Site) -> None:
    if site.url is None:
        pytest.skip("its broker ends with it")
    site.publish(2000)
    site.breaker.auto("test")
    assert wait_until(lambda: len(site.worked_on()) > 300)
    assert site.worker.close() == 0
    worked_on = site.worked_on()
    left = 2000 - len(worked_on)
    assert left > 0, "it was too quick to be stopped in between"
    # The messages of what it held and had not begun are gone: these orders are due again in the database.
    assert wait_until(lambda: left - MOST_HELD <= site.depth() <= left), (site.depth(), left)
    assert set(worked_on.values()) == {1}


def test_closed_it_costs_redis_almost_nothing(
    redis_server: RedisServer, redis_url: str, tmp_path: Path, migrated_sqlite_url: str
) -> None:
    with (
        closing(Site(tmp_path, redis_url, migrated_sqlite_url)) as site,
        redis.Redis.from_url(redis_url) as client,
    ):
        site.publish(MESSAGES)
        time.sleep(1)
        before, began = client.info()["total_commands_processed"], time.monotonic()
        time.sleep(5)
        commands = client.info()["total_commands_processed"] - before
        assert commands / (time.monotonic() - began) < COMMANDS_A_SECOND
        assert client.llen(QUEUE) == MESSAGES


def test_a_restarted_rabbitmq_finds_the_gate_still_closed(
    rabbitmq_server: RabbitServer, rabbitmq_url: str, tmp_path: Path, migrated_sqlite_url: str
) -> None:
    with closing(Site(tmp_path, rabbitmq_url, migrated_sqlite_url)) as site:
        site.publish(100)
        rabbitmq_server.restart()
        assert site.worker.says("the broker fails")
        assert wait_until(lambda: site.depth() == 100)
        assert site.keeps(100)
        site.breaker.auto("test")
        assert wait_until(lambda: len(site.worked_on()) == 100), site.worker.log()


def test_a_restarted_redis_finds_the_gate_still_closed(
    redis_server: RedisServer, redis_url: str, tmp_path: Path, migrated_sqlite_url: str
) -> None:
    with closing(Site(tmp_path, redis_url, migrated_sqlite_url)) as site:
        redis_server.kill()
        assert site.worker.says("the broker fails")
        redis_server.start()
        site.publish(100)
        assert site.keeps(100)
        site.breaker.auto("test")
        assert wait_until(lambda: len(site.worked_on()) == 100), site.worker.log()
