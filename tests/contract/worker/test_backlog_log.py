"""The backlog's lines in a worker's log, the same on SQLite and on PostgreSQL. Time is a clock turned by hand."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import delete, insert

from breakwall.breaker import CircuitBreaker, CircuitBreakerConfig
from breakwall.payments.db.clock import ManualClock
from breakwall.payments.db.database import Database
from breakwall.payments.db.migrate import upgrade
from breakwall.payments.db.schema import orders, workers
from breakwall.payments.decisions import Verdict
from breakwall.payments.gateways.base import Advice, Answer, Health, Outcome
from breakwall.payments.ledger.ledger import Ledger
from breakwall.payments.orders import Order, OrderStatus
from breakwall.worker.backlog_log import BacklogLog
from breakwall.worker.outcome_log import NOTHING, Telling

FAILED = Answer(Outcome.FAILED, Health.FAILURE, code="http_503", detail="Down.")


class Site:
    """Orders, a circuit, a broker, and a worker that tells of them."""

    def __init__(self, url: str, caplog: pytest.LogCaptureFixture) -> None:
        self.database = Database(url)
        upgrade(self.database.engine)
        self.clock = ManualClock()
        self.ledger = Ledger(self.database, lease=15.0, clock=self.clock)
        self.breaker = CircuitBreaker(
            "payment", CircuitBreakerConfig(failure_threshold=1, recovery_timeout=30.0, jitter=0.0)
        )
        self.messages: int | None = 0
        self.refused = False
        self.seconds = 0.0
        self.log = BacklogLog(
            self.database,
            self.breaker,
            lambda: self.messages,
            refused=lambda: self.refused,
            clock=self.clock,
            monotonic=lambda: self.seconds,
        )
        self.strays: list[str] = []
        self.telling = Telling(
            self.database,
            self.breaker,
            stray=self.strays.append,
            clock=self.clock,
            monotonic=lambda: self.seconds,
        )
        self.caplog = caplog

    def queue(self, *keys: str, currency: str = "KRW", delay: float = 0.0) -> list[str]:
        asked = [Order(user_id="u1", amount=10_000, currency=currency, idempotency_key=key) for key in keys]
        return list(self.ledger.accept_queued(asked, delay=delay, deferrals=1).new.values())

    def work(self, order_id: str, answer: Answer, status: OrderStatus, delay: float = 0.0) -> OrderStatus:
        claim = self.ledger.claim(order_id)
        assert claim is not None
        attempt = self.ledger.begin_attempt(claim)
        assert attempt is not None
        return self.ledger.record_answer(attempt, answer, Verdict(status, delay))[0]

    def pay(self, order_id: str) -> OrderStatus:
        paid = Answer(Outcome.SUCCEEDED, Health.SUCCESS, charge_id=f"ch_{order_id}")
        return self.work(order_id, paid, OrderStatus.PAID)

    def open_circuit(self) -> None:
        self.breaker.acquire().record_failure()

    def wait(self, seconds: int, *, step: int = 1) -> None:
        """Let the time pass, with a look in each step of it."""
        for _ in range(0, seconds, step):
            self.clock.advance(step)
            self.seconds += step
            self.log.look()

    def told(self) -> list[str]:
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
def site(migrated_url: str, caplog: pytest.LogCaptureFixture) -> Iterator[Site]:
    caplog.set_level(logging.INFO, "breakwall")
    site = Site(migrated_url, caplog)
    yield site
    site.breaker.close()
    site.database.close()


def test_an_outage_is_told_when_it_begins_each_minute_and_when_it_is_over(site: Site) -> None:
    """A row of the fault map: at Celery's default level an outage left no line at all."""
    site.open_circuit()
    ids = site.queue("a", "b") + site.queue("c", currency="USD", delay=40.0)
    site.wait(1)
    site.wait(129, step=3)
    for order_id in ids:
        site.pay(order_id)
    site.wait(5)
    begun, on, still, gone = site.told()
    assert begun.startswith(
        "a backlog has begun: 3 orders wait (2 due), ₩20,000, $100.00, the oldest for 1 s; "
        "the circuit is open, the first probe in "
    )
    assert on.startswith("the backlog goes on: 3 orders wait (3 due), ")
    assert "the oldest for 121 s" in still
    assert gone == "the backlog is gone after 131 s: 3 orders that had waited were settled (3 paid)"


def test_its_lines_have_fields(site: Site) -> None:
    site.queue("a")
    (paid,) = site.queue("b")
    site.pay(paid)
    site.wait(11, step=11)
    fields = vars(site.caplog.records[-1])
    assert (fields["queued"], fields["due"], fields["amounts"]) == (1, 1, {"KRW": 10_000})
    assert (fields["oldest_age_seconds"], fields["drained_last_minute"]) == (11.0, 1)
    assert fields["held_up_by"] == "workers charge them, 1 in the last minute"
    site.wait(60, step=60)
    assert site.told()[-1].endswith("; workers try them, and none was settled in the last minute")


def test_a_retry_or_two_are_no_backlog(site: Site) -> None:
    (order_id,) = site.queue("a", delay=5.0)
    site.wait(9, step=3)
    site.pay(order_id)
    site.wait(5)
    assert site.told() == []


def test_an_order_in_somebodys_hands_is_not_gone(site: Site) -> None:
    (order_id,) = site.queue("a")
    site.wait(12, step=6)
    claim = site.ledger.claim(order_id)
    assert claim is not None
    site.wait(5)
    assert len(site.told()) == 1


@pytest.mark.parametrize(
    ("messages", "delay", "what"),
    [(None, 0.0, "the broker does not answer"), (0, 100.0, "none is due, the next one in ")],
)
def test_what_holds_it_up_is_told(site: Site, messages: int | None, delay: float, what: str) -> None:
    site.messages = messages
    site.queue("a", delay=delay)
    site.wait(11, step=11)
    assert f"; {what}" in site.told()[0]


def test_a_broker_that_takes_no_messages_holds_it_up_though_it_answers(site: Site) -> None:
    site.refused = True
    site.queue("a")
    site.wait(11, step=11)
    assert site.told()[0].endswith("; the broker takes no messages")


def test_orders_that_are_no_longer_there_were_not_settled(site: Site) -> None:
    site.queue("a")
    site.wait(11, step=11)
    site.database.write(lambda connection: connection.execute(delete(orders)))
    site.wait(5)
    assert site.told()[1] == "after 12 s the orders of the backlog are no longer there; none was settled"


def test_imported_orders_that_their_first_attempt_settles_are_counted(site: Site) -> None:
    asked = [Order(user_id="u1", amount=1, currency="KRW", idempotency_key="a")]
    (order_id,) = site.ledger.accept_queued(asked).new.values()
    site.wait(11, step=11)
    site.pay(order_id)
    site.wait(5)
    assert site.told()[1].endswith("were settled (1 paid)")


def test_settings_that_the_service_rejects_hold_it_up(site: Site) -> None:
    (order_id,) = site.queue("a")
    rejected = Answer(Outcome.FAILED, Health.NEUTRAL, code="http_401", advice=Advice.RECONFIGURE)
    site.work(order_id, rejected, OrderStatus.QUEUED)
    site.wait(11, step=11)
    assert "rejected 1 of them: `breakwall doctor`" in site.told()[0]


def test_an_operators_word_holds_it_up(site: Site) -> None:
    site.breaker.force_open("maintenance", "kim")
    site.queue("a")
    site.wait(1)
    assert "; the circuit is forced open by kim: maintenance" in site.told()[0]


@pytest.mark.parametrize(("older", "lines"), [(True, 0), (False, 1)])
def test_of_many_workers_the_oldest_that_lives_speaks(site: Site, older: bool, lines: int) -> None:
    site.another_worker(pid=os.getpid() + 1, older=older)
    if not older:
        site.another_worker(pid=os.getpid(), older=True)
    site.queue("a")
    site.wait(15, step=5)
    assert len(site.told()) == lines


def test_when_the_one_that_spoke_is_dead_another_goes_on(site: Site) -> None:
    site.another_worker(pid=os.getpid() + 1, older=True)
    site.another_worker(pid=os.getpid() + 2, older=True, ahead=86_400)  # the database's clock was set back
    site.queue("a")
    site.wait(135, step=5)
    assert [line.partition(":")[0] for line in site.told()] == ["the backlog goes on", "the backlog goes on"]


def test_a_database_without_heartbeats_lets_each_worker_speak(site: Site) -> None:
    site.database.write(lambda connection: workers.drop(connection))
    site.queue("a")
    site.wait(12, step=6)
    assert len(site.told()) == 1


def test_a_database_that_is_away_is_the_dispatchers_to_tell(
    caplog: pytest.LogCaptureFixture, tmp_path: object
) -> None:
    database = Database(f"sqlite:///{tmp_path}/no/such/folder.db")
    BacklogLog(database, CircuitBreaker("x"), lambda: 0).look()
    assert caplog.records == []


def orders_told(site: Site) -> list[str]:
    return [record.getMessage() for record in site.caplog.records if record.name == "breakwall.orders"]


def test_an_order_that_waits_on_says_why_and_for_how_long(site: Site) -> None:
    (order_id,) = site.queue("cart-17")
    said = site.telling.tell(order_id, lambda one: site.work(one, FAILED, OrderStatus.QUEUED, delay=12.0))
    assert said == "queued, http_503, next attempt in 12 s"
    assert orders_told(site) == [f"order cart-17 (id {order_id}): {said}"]
    fields = vars(site.caplog.records[-1])
    assert (fields["key"], fields["order_id"], fields["reason"], fields["next_attempt_seconds"]) == (
        "cart-17",
        order_id,
        "http_503",
        12.0,
    )


def test_an_order_that_is_put_off_names_the_circuit(site: Site) -> None:
    (order_id,) = site.queue("cart-17")
    site.open_circuit()

    def put_off(one: str) -> OrderStatus:
        assert site.ledger.defer(one, 30.0)
        return OrderStatus.QUEUED

    assert site.telling.tell(order_id, put_off) == "queued, circuit_open, next attempt in 30 s"


def test_an_order_that_is_paid_says_so_and_one_that_is_done_nothing(site: Site) -> None:
    (order_id,) = site.queue("cart-17")
    assert site.telling.tell(order_id, site.pay) == "paid"
    assert site.telling.tell(order_id, lambda one: None) == NOTHING
    assert orders_told(site) == [
        f"order cart-17 (id {order_id}): paid",
        f"order (id {order_id}): nothing to do",
    ]


def test_a_message_for_an_order_of_another_site_is_told_and_one_that_was_doubled_is_not(site: Site) -> None:
    (order_id,) = site.queue("cart-17")
    for named in (order_id, "another-sites"):
        assert site.telling.tell(named, lambda one: None) == NOTHING
    assert site.strays == ["another-sites"]


def test_above_info_a_paid_order_costs_no_look(site: Site) -> None:
    logging.getLogger("breakwall.orders").setLevel(logging.WARNING)
    try:
        (order_id,) = site.queue("cart-17")
        status = site.pay(order_id)
        site.database.read = None  # type: ignore[assignment, method-assign]
        assert site.telling.tell(order_id, lambda one: status) == "paid"
    finally:
        logging.getLogger("breakwall.orders").setLevel(logging.NOTSET)
