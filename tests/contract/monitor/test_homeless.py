"""Orders whose gateway no worker has."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from breakwall.breaker import CircuitBreaker
from breakwall.monitor import homeless
from breakwall.monitor.backlog import Backlog, Monitor
from breakwall.monitor.homeless import homeless_text
from breakwall.payments.db.database import Database
from breakwall.payments.db.migrate import upgrade
from breakwall.payments.ledger.ledger import Ledger
from breakwall.payments.orders import Order
from breakwall.worker.background.heartbeat import Heartbeat
from tests.manual_clock import ManualClock


class Site:
    def __init__(self, url: str) -> None:
        self.database = Database(url)
        upgrade(self.database.engine)
        self.clock = ManualClock()
        self.monitor = Monitor(self.database, CircuitBreaker("payment"), lambda: 0, clock=self.clock)

    def queue(self, gateway: str, *keys: str) -> None:
        ledger = Ledger(self.database, lease=15.0, clock=self.clock, gateway=gateway)
        ledger.accept_queued([Order("u1", 10_000, "KRW", key) for key in keys])
        self.clock.advance(60)

    def start_worker(self, gateway: str | None) -> None:
        worker = Heartbeat(self.database, gateway=gateway, clock=self.clock)
        worker.identify("celery@web-1", 20)
        assert worker.run_once()

    def look(self) -> Backlog:
        return self.monitor.snapshot()

    def alarms(self) -> list[str]:
        return [alarm.message for alarm in self.look().warnings if alarm.kind == "other_gateway"]


@pytest.fixture
def site(migrated_url: str) -> Iterator[Site]:
    site = Site(migrated_url)
    yield site
    site.monitor.close()


def test_they_are_an_alarm(site: Site) -> None:
    site.queue("http", "a", "b")
    site.queue("stripe", "c")
    site.start_worker("stripe")
    assert site.alarms() == ["2 orders wait for the gateway 'http', which no worker has."]


def test_they_hold_the_queue_where_nothing_else_waits(site: Site) -> None:
    site.queue("http", "a")
    site.start_worker("stripe")
    assert [(one.kind, one.message) for one in site.look().blocked_by] == [
        ("other_gateway", "1 order waits for the gateway 'http', which no worker has")
    ]


def test_a_worker_with_their_gateway_ends_the_alarm(site: Site) -> None:
    site.queue("http", "a")
    site.start_worker("stripe")
    site.start_worker("http")
    assert site.alarms() == []


def test_a_worker_that_does_not_say_its_gateway_may_take_any_order(site: Site) -> None:
    site.queue("http", "a")
    site.start_worker(None)
    assert site.alarms() == []


def test_without_a_worker_that_is_the_alarm(site: Site) -> None:
    site.queue("http", "a")
    assert site.alarms() == []
    assert [alarm.kind for alarm in site.look().warnings] == ["no_worker"]


def test_of_many_a_part_is_counted(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(homeless, "MOST", 2)
    site.queue("http", "a", "b", "c")
    site.start_worker("stripe")
    assert site.alarms() == ["At least 2 orders wait for the gateway 'http', which no worker has."]


def test_several_gateways_are_named() -> None:
    assert homeless_text({"acme": 1, "http": 2}).endswith(
        "for the gateway 'acme' or 'http', which no worker has"
    )
