"""A worker counts a long backlog every few seconds, on SQLite and on PostgreSQL."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator

import pytest
from sqlalchemy import delete, event, insert

from breakwall.breaker import CircuitBreaker
from breakwall.monitor import counts
from breakwall.monitor.backlog import Monitor
from breakwall.monitor.counts import Counted
from breakwall.monitor.stored_counts import has_stored
from breakwall.payments.db.database import Database
from breakwall.payments.db.schema import orders, workers
from breakwall.payments.ledger.ledger import Ledger
from breakwall.payments.orders import Order
from breakwall.worker.background.backlog_counter import BacklogCounter
from tests.manual_clock import ManualClock
from tests.waiting import wait_until

LONG = 3


class Site:
    """A counter beside some waiting orders."""

    def __init__(self, url: str) -> None:
        self.database = Database(url)
        self.clock = ManualClock()
        self.counter = BacklogCounter(self.database, clock=self.clock)
        self.monitor = Monitor(self.database, CircuitBreaker("payment"), lambda: 0, clock=self.clock)

    def queue(self, number: int) -> None:
        asked = [Order(user_id="u1", amount=1, currency="KRW", idempotency_key=str(n)) for n in range(number)]
        Ledger(self.database, lease=15.0, clock=self.clock).accept_queued(asked)

    def an_older_worker(self) -> None:
        now = self.clock.now
        row = {"id": "w", "name": "w", "host": socket.gethostname(), "pid": os.getpid() + 1, "slots": 1}
        row |= {"version": "1", "reads": 1, "started_at": now.replace(year=2020), "seen_at": now}
        self.database.write(lambda connection: connection.execute(insert(workers).values(row)))

    def writes(self) -> list[str]:
        """The statements of one run that write."""
        sent: list[str] = []
        engine = self.database.engine
        event.listen(engine, "before_cursor_execute", lambda *arguments: sent.append(arguments[2]))
        self.counter.run_once()
        return [statement for statement in sent if statement.startswith(("UPDATE", "INSERT", "DELETE"))]


@pytest.fixture
def site(migrated_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setattr(counts, "LONG", LONG)
    site = Site(migrated_url)
    yield site
    site.monitor.close()


def test_a_long_backlog_is_counted_for_the_next_snapshots(site: Site) -> None:
    site.queue(LONG + 1)
    site.counter.run_once()
    seen = site.monitor.snapshot()
    assert (seen.counted, seen.queued, seen.due) == (Counted.STORED, LONG + 1, LONG + 1)


def test_a_short_backlog_is_left_to_the_snapshots_and_nothing_is_written(site: Site) -> None:
    site.queue(LONG)
    assert site.writes() == []
    assert site.monitor.snapshot().counted is Counted.NOW


def test_once_the_backlog_is_short_again_its_count_is_removed(site: Site) -> None:
    """It would be shown for half a minute after the last order was paid."""
    site.queue(LONG + 1)
    site.counter.run_once()
    site.database.write(lambda connection: connection.execute(delete(orders)))
    site.counter.run_once()
    assert not site.database.read(has_stored)
    assert (site.monitor.snapshot().counted, site.monitor.snapshot().queued) == (Counted.NOW, 0)


def test_of_many_workers_only_the_oldest_counts(site: Site) -> None:
    site.queue(LONG + 1)
    site.an_older_worker()
    site.counter.run_once()
    assert not site.database.read(has_stored)


def test_the_count_is_not_in_the_transaction_that_writes(site: Site) -> None:
    """On SQLite every writer would wait for it: a million orders take a second."""
    site.queue(LONG + 1)
    site.counter.run_once()
    sent: list[str] = []
    engine = site.database.engine
    event.listen(engine, "before_cursor_execute", lambda *arguments: sent.append(arguments[2]))
    event.listen(engine, "begin", lambda connection: sent.append("BEGIN"))
    site.counter.run_once()
    last = len(sent) - 1 - sent[::-1].index("BEGIN")
    assert not [statement for statement in sent[last:] if "FROM orders" in statement]
    assert [statement for statement in sent[last:] if statement.startswith("UPDATE backlog_counts")]


def test_its_thread_counts_at_once_and_ends_when_it_is_asked_to(site: Site) -> None:
    site.queue(LONG + 1)
    site.counter.start()
    wait_until(lambda: site.database.read(has_stored))
    site.counter.stop()
    assert not counting()


def test_its_thread_outlives_an_error(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("breakwall.worker.background.backlog_counter.INTERVAL", 0.01)
    runs: list[int] = []

    def fail() -> None:
        runs.append(1)
        raise OSError("an error")

    monkeypatch.setattr(site.counter, "run_once", fail)
    site.counter.start()
    wait_until(lambda: len(runs) > 1)
    site.counter.stop()
    assert not counting()


def counting() -> bool:
    return any(thread.name == "breakwall-counter" for thread in threading.enumerate())
