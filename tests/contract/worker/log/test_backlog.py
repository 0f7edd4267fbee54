"""The backlog's lines in a worker's log, the same on SQLite and on PostgreSQL. Time is a manual clock."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import delete, insert

from breakwall.breaker import CircuitBreaker
from breakwall.monitor import counts
from breakwall.payments.db.database import Database
from breakwall.payments.db.schema import orders, workers
from breakwall.payments.fleet.drain_control import DrainControl
from breakwall.payments.gateways.base import Advice, ChargeAnswer, Health, Outcome
from breakwall.payments.interventions import Author
from breakwall.payments.orders import Order, OrderStatus
from breakwall.worker.log import backlog_queries
from breakwall.worker.log.backlog import BacklogLog
from tests.contract.site import Site
from tests.gateway import PAID


class LoggingSite(Site):
    """A site whose worker logs the backlog."""

    def __init__(self, url: str, caplog: pytest.LogCaptureFixture) -> None:
        super().__init__(url)
        self.messages: int | None = 0
        self.publishing_fails = False
        self.log = BacklogLog(
            self.database,
            self.breaker,
            lambda: self.messages,
            publishing_fails=lambda: self.publishing_fails,
            clock=self.clock,
            monotonic=lambda: self.seconds,
        )
        self.caplog = caplog

    def queue(self, *keys: str, currency: str = "KRW", delay: float = 0.0) -> list[str]:
        asked = [Order(user_id="u1", amount=10_000, currency=currency, idempotency_key=key) for key in keys]
        return list(self.ledger.accept_queued(asked, delay=delay, deferrals=1).new.values())

    def pay(self, order_id: str) -> OrderStatus:
        return self.attempt(order_id, replace(PAID, charge_id=f"ch_{order_id}"), OrderStatus.PAID)

    def wait(self, seconds: int, *, step: int = 1) -> None:
        """Let the time pass, with a run of the log in each step of it."""
        for _ in range(0, seconds, step):
            self.advance(step)
            self.log.run_once()

    def lines(self) -> list[str]:
        found = [record for record in self.caplog.records if record.name == "breakwall.backlog"]
        assert {record.levelno for record in found} <= {logging.WARNING}
        return [record.getMessage() for record in found]

    def another_worker(self, *, pid: int, older: bool, ahead: int = 0) -> None:
        now = self.clock.now
        row = {
            "id": f"w{pid}",
            "name": "w",
            "host": socket.gethostname(),
            "pid": pid,
            "slots": 20,
            "version": "1",
            "reads": 1,
            "started_at": now.replace(year=2020 if older else 2024),
            "seen_at": now + timedelta(seconds=ahead),
        }
        self.database.write(lambda connection: connection.execute(insert(workers).values(row)))


@pytest.fixture
def site(migrated_url: str, caplog: pytest.LogCaptureFixture) -> Iterator[LoggingSite]:
    caplog.set_level(logging.INFO, "breakwall")
    site = LoggingSite(migrated_url, caplog)
    yield site
    site.producer.close()


def test_an_outage_is_logged_when_it_begins_each_minute_and_when_it_ends(site: LoggingSite) -> None:
    """A row of the fault map: at Celery's default level an outage left no line at all."""
    site.open_circuit()
    ids = site.queue("a", "b") + site.queue("c", currency="USD", delay=40.0)
    site.wait(1)
    site.wait(129, step=3)
    for order_id in ids:
        site.pay(order_id)
    site.wait(5)
    begun, on, still, gone = site.lines()
    assert begun.startswith(
        "a backlog has begun: 3 orders wait (2 due), ₩20,000, $100.00, the oldest for 1 s; "
        "the circuit is open, the first probe in "
    )
    assert on.startswith("the backlog continues: 3 orders wait (3 due), ")
    assert "the oldest for 121 s" in still
    assert gone == "the backlog is gone after 131 s: 3 orders that had waited are finished (3 paid)"


def test_its_lines_have_fields(site: LoggingSite) -> None:
    site.queue("a")
    (paid,) = site.queue("b")
    site.pay(paid)
    site.wait(11, step=11)
    fields = vars(site.caplog.records[-1])
    assert (fields["queued"], fields["due"], fields["amounts"]) == (1, 1, {"KRW": 10_000})
    assert (fields["oldest_age_seconds"], fields["drained_last_minute"]) == (11.0, 1)
    assert fields["held_up_by"] == "workers charge them, 1 in the last minute"
    site.wait(60, step=60)
    assert site.lines()[-1].endswith("; workers try them, and none was finished in the last minute")


def test_a_long_backlog_that_nobody_has_counted_yet_is_a_lower_bound(
    site: LoggingSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counts, "LONG", 1)
    monkeypatch.setattr(counts, "SAMPLED", 1)
    site.queue("a", "b")
    site.wait(11, step=11)
    assert site.lines()[0].startswith(
        "a backlog has begun: 2 orders wait (not counted in full), the oldest for 11 s; "
    )
    assert vars(site.caplog.records[-1])["counted"] == "sampled"


def test_the_finished_orders_of_a_long_backlog_are_counted_up_to_a_limit(
    site: LoggingSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The query for an outage of days has taken longer than a statement may, once a second."""
    monkeypatch.setattr(backlog_queries, "MOST_FINISHED", 2)
    monkeypatch.setattr("breakwall.worker.log.backlog.MOST_FINISHED", 2)
    ids = site.queue("a", "b", "c")
    site.wait(11, step=11)
    for order_id in ids:
        site.pay(order_id)
    site.wait(5)
    assert site.lines()[1].endswith(": at least 2 orders that had waited are finished (2 paid)")


def test_a_retry_or_two_are_no_backlog(site: LoggingSite) -> None:
    (order_id,) = site.queue("a", delay=5.0)
    site.wait(9, step=3)
    site.pay(order_id)
    site.wait(5)
    assert site.lines() == []


def test_a_backlog_goes_on_while_a_worker_has_its_last_order(site: LoggingSite) -> None:
    (order_id,) = site.queue("a")
    site.wait(12, step=6)
    claim = site.ledger.claim(order_id)
    assert claim is not None
    site.wait(5)
    assert len(site.lines()) == 1


@pytest.mark.parametrize(
    ("messages", "delay", "what"),
    [(None, 0.0, "the broker does not answer"), (0, 100.0, "none is due, the next one in ")],
)
def test_what_holds_it_up_is_logged(site: LoggingSite, messages: int | None, delay: float, what: str) -> None:
    site.messages = messages
    site.queue("a", delay=delay)
    site.wait(11, step=11)
    assert f"; {what}" in site.lines()[0]


def test_a_broker_that_takes_no_messages_holds_it_up_though_it_answers(site: LoggingSite) -> None:
    site.publishing_fails = True
    site.queue("a")
    site.wait(11, step=11)
    assert site.lines()[0].endswith("; the broker takes no messages")


def test_orders_that_are_no_longer_there_are_not_called_finished(site: LoggingSite) -> None:
    site.queue("a")
    site.wait(11, step=11)
    site.database.write(lambda connection: connection.execute(delete(orders)))
    site.wait(5)
    assert site.lines()[1] == "after 12 s the orders of the backlog are no longer there; none was finished"


def test_imported_orders_that_their_first_attempt_finishes_are_counted(site: LoggingSite) -> None:
    asked = [Order(user_id="u1", amount=1, currency="KRW", idempotency_key="a")]
    (order_id,) = site.ledger.accept_queued(asked).new.values()
    site.wait(11, step=11)
    site.pay(order_id)
    site.wait(5)
    assert site.lines()[1].endswith("are finished (1 paid)")


def test_settings_that_the_service_rejects_hold_it_up(site: LoggingSite) -> None:
    (order_id,) = site.queue("a")
    rejected = ChargeAnswer(Outcome.FAILED, Health.NEUTRAL, code="http_401", advice=Advice.RECONFIGURE)
    site.attempt(order_id, rejected, OrderStatus.QUEUED)
    site.wait(11, step=11)
    assert "rejected 1 of them: `breakwall doctor`" in site.lines()[0]


def test_an_operators_override_holds_it_up(site: LoggingSite) -> None:
    site.breaker.force_open("maintenance", "kim")
    site.queue("a")
    site.wait(1)
    assert "; the circuit is forced open by kim: maintenance" in site.lines()[0]


@pytest.mark.parametrize(("older", "lines"), [(True, 0), (False, 1)])
def test_of_many_workers_only_the_oldest_live_one_logs(site: LoggingSite, older: bool, lines: int) -> None:
    site.another_worker(pid=os.getpid() + 1, older=older)
    if not older:
        site.another_worker(pid=os.getpid(), older=True)
    site.queue("a")
    site.wait(15, step=5)
    assert len(site.lines()) == lines


def test_when_the_oldest_worker_is_dead_another_goes_on(site: LoggingSite) -> None:
    site.another_worker(pid=os.getpid() + 1, older=True)
    site.another_worker(pid=os.getpid() + 2, older=True, ahead=86_400)  # the database's clock was set back
    site.queue("a")
    site.wait(135, step=5)
    assert [line.partition(":")[0] for line in site.lines()] == [
        "the backlog continues",
        "the backlog continues",
    ]


def test_a_database_that_is_away_is_left_to_the_dispatcher(
    caplog: pytest.LogCaptureFixture, tmp_path: object
) -> None:
    database = Database(f"sqlite:///{tmp_path}/no/such/folder.db")
    BacklogLog(database, CircuitBreaker("x"), lambda: 0).run_once()
    assert caplog.records == []


def test_a_pause_is_named_before_everything_else(site: LoggingSite) -> None:
    DrainControl(site.database, clock=site.clock).pause(Author("alice", "maintenance"))
    site.open_circuit()
    site.queue("a")
    site.wait(1)
    (line,) = site.lines()
    assert line.endswith("; drain paused by alice: maintenance")
