"""The workers' heartbeats: which workers are alive, by the database's clock."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from unittest.mock import Mock

import pytest
from sqlalchemy import func, select

from breakwall import __version__
from breakwall.breaker import CircuitBreaker, Hang, StoreBack
from breakwall.broker.messages.order_message import MESSAGE_FORM
from breakwall.monitor.backlog import Monitor
from breakwall.payments.db.clock import DATABASE_CLOCK
from breakwall.payments.db.database import Database, DatabaseUnavailableError
from breakwall.payments.db.migrate import upgrade
from breakwall.payments.db.schema import workers
from breakwall.payments.fleet.workers import (
    DEAD_AFTER,
    MAX_SILENT,
    SILENT_SHOWN_FOR,
    Worker,
    known_workers,
    live_workers,
)
from breakwall.payments.ledger.ledger import Ledger
from breakwall.payments.orders import Order
from breakwall.settings import load_settings
from breakwall.worker.background.heartbeat import Heartbeat
from breakwall.worker.runtime import Runtime
from tests.manual_clock import ManualClock
from tests.stopwatch import Stopwatch


class Fleet:
    """Workers of one database, on a clock that a test moves."""

    def __init__(self, url: str) -> None:
        self.database = Database(url)
        upgrade(self.database.engine)
        self.clock = ManualClock()
        self.seconds = 0.0

    def worker(self, name: str = "celery@web-1", slots: int = 20, **told: Any) -> Heartbeat:
        heartbeat = Heartbeat(self.database, clock=self.clock, monotonic=lambda: self.seconds, **told)
        heartbeat.identify(name, slots)
        assert heartbeat.run_once()
        return heartbeat

    def pass_time(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.seconds += seconds

    def live(self) -> list[Worker]:
        return self.database.read(lambda connection: live_workers(connection, self.clock))

    def known(self) -> list[Worker]:
        return self.database.read(lambda connection: known_workers(connection, self.clock))


@pytest.fixture
def fleet(migrated_url: str) -> Iterator[Fleet]:
    fleet = Fleet(migrated_url)
    yield fleet
    fleet.database.close()


def test_a_worker_stores_its_name_host_slots_and_version(fleet: Fleet) -> None:
    fleet.worker("celery@web-1", slots=7)
    (found,) = fleet.live()
    assert (found.name, found.slots, found.version, found.reads) == (
        "celery@web-1",
        7,
        __version__,
        MESSAGE_FORM,
    )
    assert found.host
    assert found.pid > 0
    assert found.started_at == found.seen_at == fleet.clock.now


def test_a_worker_with_heartbeats_stays_alive_and_keeps_its_start(fleet: Fleet) -> None:
    heartbeat = fleet.worker()
    fleet.pass_time(DEAD_AFTER)
    heartbeat.run_once()
    (found,) = fleet.live()
    assert (found.up_seconds, found.silent_seconds) == (DEAD_AFTER, 0.0)


def test_a_worker_without_a_heartbeat_is_dead_after_the_stated_time_and_shown_as_silent(fleet: Fleet) -> None:
    fleet.worker()
    fleet.pass_time(DEAD_AFTER)
    assert len(fleet.live()) == 1
    fleet.pass_time(1)
    assert fleet.live() == []
    (found,) = fleet.known()
    assert (found.alive, found.silent_seconds, found.up_seconds) == (False, DEAD_AFTER + 1, 0.0)


def test_a_worker_that_went_silent_long_ago_is_not_shown(fleet: Fleet) -> None:
    fleet.worker()
    fleet.pass_time(SILENT_SHOWN_FOR + 1)
    assert fleet.known() == []


def test_live_workers_come_before_silent_ones(fleet: Fleet) -> None:
    fleet.worker("old")
    fleet.pass_time(DEAD_AFTER + 1)
    fleet.worker("new")
    assert [found.name for found in fleet.known()] == ["new", "old"]


def test_a_worker_that_is_stopped_leaves_no_row(fleet: Fleet) -> None:
    heartbeat = Heartbeat(fleet.database, clock=fleet.clock)
    heartbeat.start("celery@web-1", 20)
    heartbeat.stop()
    assert fleet.known() == []


def test_a_worker_that_crashes_at_each_start_leaves_so_many_rows_at_most(fleet: Fleet) -> None:
    for _ in range(MAX_SILENT + 5):
        fleet.worker()
        fleet.pass_time(DEAD_AFTER + 1)
    fleet.worker("the last")
    rows = fleet.database.read(
        lambda connection: connection.scalar(select(func.count()).select_from(workers))
    )
    assert rows == len(fleet.known()) <= MAX_SILENT + 1
    assert fleet.live()[0].name == "the last"


def test_a_row_from_the_future_is_no_live_worker(fleet: Fleet) -> None:
    """The clock of the database's host was set back by a day."""
    fleet.worker()
    fleet.clock.advance(-86_400)
    assert fleet.live() == []


def test_a_worker_stores_what_it_has_run_out_of_until_it_has_it_again(fleet: Fleet) -> None:
    heartbeat = fleet.worker()
    heartbeat.set_exhausted("no file descriptors are left")
    heartbeat.run_once()
    assert fleet.live()[0].lacks == "no file descriptors are left"
    heartbeat.set_exhausted(None)
    heartbeat.run_once()
    assert fleet.live()[0].lacks is None


def test_a_worker_stores_since_when_it_is_idle(fleet: Fleet) -> None:
    heartbeat = fleet.worker()
    fleet.pass_time(20)
    assert fleet.live()[0].idle_seconds == 20.0
    heartbeat.mark_busy()
    fleet.pass_time(5)
    heartbeat.run_once()
    assert fleet.live()[0].idle_seconds == 5.0


def test_any_name_of_a_worker_can_be_stored_and_controls_no_terminal(fleet: Fleet) -> None:
    fleet.worker("w\x1b[2J\udc80\n" + "x" * 300)
    (found,) = fleet.live()
    assert found.name.startswith(r"w\x1b[2J\udc80\nxxx")
    assert len(found.name) == 255


def test_a_worker_that_notices_a_hang_says_so_until_it_is_over(fleet: Fleet) -> None:
    heartbeat = fleet.worker()
    heartbeat.set_hanging(True)
    heartbeat.run_once()
    assert fleet.live()[0].hanging
    heartbeat.set_hanging(False)
    heartbeat.run_once()
    assert not fleet.live()[0].hanging


def test_a_backlog_names_a_hang_that_only_a_worker_has_noticed(fleet: Fleet) -> None:
    ledger = Ledger(fleet.database, lease=15.0, clock=fleet.clock)
    ledger.accept_queued([Order("u1", 10_000, "KRW", "cart-1")], delay=0.0)
    heartbeat = fleet.worker()
    heartbeat.set_hanging(True)
    heartbeat.run_once()
    operator = Monitor(fleet.database, CircuitBreaker("payment"), lambda: 0, clock=fleet.clock)
    assert [one.kind for one in operator.snapshot().blocked_by] == ["hanging"]


TOLD = {"gateway": "acme", "broker": "redis://h:6379/0", "ways": ("webhook", "listener")}


def told(fleet: Fleet) -> list[tuple[object, ...]]:
    return [(worker.gateway, worker.broker, worker.ways) for worker in fleet.live()]


def test_a_heartbeat_names_the_gateway_the_broker_and_the_ways_to_the_shop(fleet: Fleet) -> None:
    fleet.worker(**TOLD)
    fleet.pass_time(1)
    fleet.worker(ways=())
    assert told(fleet) == [tuple(TOLD.values()), (None, None, ())]


def test_no_character_of_a_brokers_address_stops_the_heartbeat(fleet: Fleet) -> None:
    fleet.worker(broker="amqp://h:5672/a\0b")
    assert told(fleet) == [(None, r"amqp://h:5672/a\x00b", None)]


def test_a_workers_heartbeat_names_its_settings_without_a_password(fleet: Fleet) -> None:
    given = {"BROKER_URL": "redis://:geheim@h/2", "OUTCOMES__LISTENER": "shop.hooks:hear"}
    runtime = Runtime(load_settings({f"BREAKWALL_{name}": value for name, value in given.items()}))
    runtime.__dict__["database"] = fleet.database
    runtime.heartbeat.identify("celery@web-1", 1)
    assert runtime.heartbeat.run_once()
    [found] = fleet.database.read(lambda connection: live_workers(connection, DATABASE_CLOCK))
    assert (found.gateway, found.broker, found.ways) == ("http", "redis://h:6379/2", ("listener",))


def test_a_circuits_hang_goes_into_the_workers_heartbeat(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[bool] = []
    runtime = Runtime(load_settings({"BREAKWALL_BREAKER_STORE_URL": "memory://"}))
    monkeypatch.setattr(runtime.heartbeat, "set_hanging", told.append)
    for event in (Hang("payment", False, 9), StoreBack("payment"), Hang("payment", True, 0)):
        runtime.breaker._events.dispatch(event)
    assert told == [True, False]
    runtime.close()


def test_a_database_that_does_not_answer_disturbs_no_worker() -> None:
    heartbeat = Heartbeat(Database("postgresql+psycopg://u@127.0.0.1:9/x"))
    watch = Stopwatch()
    heartbeat.start("celery@web-1", 20)
    assert heartbeat.run_once() is False
    heartbeat.stop()
    assert watch.seconds < 20


def test_a_heartbeat_that_cannot_be_written_for_want_of_something_says_of_what(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker with nothing to do said nothing of a full disk, for as long as that lasted."""
    full, told = DatabaseUnavailableError("full"), list[str]()
    full.lack = "disk space"
    heartbeat = Heartbeat(fleet.database, on_exhaustion=told.append)
    heartbeat.identify("celery@web-1", 20)
    monkeypatch.setattr(fleet.database, "write", Mock(side_effect=full))
    assert heartbeat.run_once() is False
    assert told == ["disk space"]


def test_a_heartbeat_that_was_never_started_may_be_told_things_and_stopped(fleet: Fleet) -> None:
    heartbeat = Heartbeat(fleet.database)
    heartbeat.mark_busy()
    heartbeat.set_exhausted("memory")
    assert heartbeat.run_once() is False
    heartbeat.stop()
    assert fleet.known() == []
