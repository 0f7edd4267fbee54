"""The backlog snapshot, the same on SQLite and on PostgreSQL. Time is a clock turned by hand."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import event, insert, text, update

from breakwall.breaker import CircuitBreaker, CircuitBreakerConfig
from breakwall.json_documents import backlog_document
from breakwall.monitor.alarms import AlarmKind
from breakwall.monitor.backlog import Backlog, Monitor
from breakwall.monitor.counts import DRAIN_WINDOW, STALLED_AFTER
from breakwall.payments.db.database import Database
from breakwall.payments.db.migrate import upgrade
from breakwall.payments.db.schema import incidents, orders
from breakwall.payments.decisions import Decision
from breakwall.payments.fleet.workers import DEAD_AFTER
from breakwall.payments.gateways.base import ChargeAnswer, Health, Outcome
from breakwall.payments.interventions import Author
from breakwall.payments.ledger.claim import Attempt
from breakwall.payments.ledger.ledger import Ledger
from breakwall.payments.ledger.queries import list_orders
from breakwall.payments.operator.incidents import close_incident
from breakwall.payments.orders import Order, OrderStatus
from breakwall.worker.background.heartbeat import Heartbeat
from tests.manual_clock import ManualClock
from tests.people import People
from tests.public_names import BACKLOG_FIELDS

PAID = ChargeAnswer(Outcome.SUCCEEDED, Health.SUCCESS, charge_id="ch_1")
FAILED = ChargeAnswer(Outcome.FAILED, Health.FAILURE, code="http_500")


def order(key: str) -> Order:
    return Order(user_id="u1", amount=10_000, currency="KRW", idempotency_key=key)


class Site:
    """A ledger with orders in it, a breaker, a broker of so many messages, and a monitor over them."""

    def __init__(self, url: str) -> None:
        self.database = Database(url)
        upgrade(self.database.engine)
        self.clock = ManualClock()
        self.ledger = Ledger(self.database, lease=15.0, clock=self.clock)
        self.breaker = CircuitBreaker("payment", CircuitBreakerConfig(failure_threshold=1))
        self.messages: int | None = 0
        self.monitor = Monitor(self.database, self.breaker, lambda: self.messages, clock=self.clock)

    def queue(self, *keys: str, delay: float = 0.0) -> list[str]:
        return list(self.ledger.accept_queued([order(key) for key in keys], delay=delay).new.values())

    def work_on(self, order_id: str, answer: ChargeAnswer, status: OrderStatus, delay: float = 0.0) -> None:
        claim = self.ledger.claim(order_id)
        assert claim is not None
        attempt = self.ledger.begin_attempt(claim)
        assert attempt is not None
        self.ledger.record(attempt, answer, Decision(status, delay))

    def pay(self, order_id: str) -> None:
        self.work_on(order_id, PAID, OrderStatus.PAID)

    def pay_at_once(self, key: str) -> None:
        attempt = self.ledger.accept_sending(order(key))
        assert isinstance(attempt, Attempt)
        self.ledger.record(attempt, PAID, Decision(OrderStatus.PAID))

    def open_circuit(self) -> None:
        self.breaker.acquire().record_failure()

    def start_worker(self) -> None:
        worker = Heartbeat(self.database, clock=self.clock)
        worker.identify("celery@web-1", 20)
        worker.run_once()

    def look(self) -> Backlog:
        return self.monitor.snapshot()


@pytest.fixture
def site(migrated_url: str) -> Iterator[Site]:
    site = Site(migrated_url)
    yield site
    site.monitor.close()


def test_an_empty_site_has_no_backlog(site: Site) -> None:
    seen = site.look()
    assert (seen.queued, seen.due, seen.in_flight, seen.review, seen.dead, seen.incidents) == (0,) * 6
    assert (seen.oldest_age_seconds, seen.next_due_seconds, seen.drain_eta_seconds) == (0.0, None, 0.0)


def test_waiting_orders_are_counted_due_or_not(site: Site) -> None:
    site.queue("a", "b")
    site.queue("c", delay=60)
    assert (site.look().queued, site.look().due) == (3, 2)


def test_an_order_is_due_once_its_time_has_come(site: Site) -> None:
    site.queue("a", delay=60)
    site.clock.advance(60)
    assert site.look().due == 1


def test_every_unfinished_state_has_its_count(site: Site) -> None:
    claimed, reviewed, *dead = site.queue("a", "b", "c", "d")
    site.ledger.claim(claimed)
    site.work_on(reviewed, FAILED, OrderStatus.REVIEW)
    for order_id in dead:
        site.work_on(order_id, FAILED, OrderStatus.DEAD)
    seen = site.look()
    assert (seen.in_flight, seen.review, seen.dead, seen.queued) == (1, 1, 2, 0)


def test_the_oldest_age_is_counted_from_acceptance_not_from_the_last_attempt(site: Site) -> None:
    (first,) = site.queue("a")
    site.clock.advance(100)
    site.work_on(first, FAILED, OrderStatus.QUEUED, delay=5)
    site.queue("b")
    site.clock.advance(20)
    assert site.look().oldest_age_seconds == 120.0


def test_the_age_of_a_finished_order_is_nobodys_backlog(site: Site) -> None:
    (first,) = site.queue("a")
    site.clock.advance(100)
    site.pay(first)
    assert site.look().oldest_age_seconds == 0.0


def test_the_next_due_order_is_reported_while_none_is_due(site: Site) -> None:
    site.queue("a", delay=40)
    site.queue("b", delay=90)
    site.clock.advance(10)
    assert site.look().next_due_seconds == 30.0


def test_the_queue_is_gone_after_as_long_as_its_share_of_what_was_drained_took(site: Site) -> None:
    site.start_worker()
    drained = site.queue(*(f"d{i}" for i in range(10)))
    site.queue(*(f"w{i}" for i in range(20)))
    for order_id in drained:
        site.pay(order_id)
    site.clock.advance(5)
    assert site.look().drained_last_minute == 10
    assert site.look().drain_eta_seconds == pytest.approx(10.0)


def test_no_drain_is_predicted_before_anything_was_drained(site: Site) -> None:
    site.queue("a")
    assert site.look().drain_eta_seconds is None


def test_no_drain_is_predicted_while_the_circuit_is_open(site: Site) -> None:
    (first, _) = site.queue("a", "b")
    site.pay(first)
    site.open_circuit()
    assert site.look().drain_eta_seconds is None


def test_no_drain_is_predicted_from_what_was_drained_long_ago(site: Site) -> None:
    (first, _) = site.queue("a", "b")
    site.pay(first)
    site.clock.advance(DRAIN_WINDOW + 1)
    assert site.look().drain_eta_seconds is None


def test_orders_that_were_paid_at_once_or_cancelled_say_nothing_about_the_drain(site: Site) -> None:
    _, deferred = site.queue("a", "b")
    site.pay_at_once("c")
    site.ledger.defer(deferred, 5)
    People(site.database, clock=site.clock).cancel(deferred)
    assert site.look().drained_last_minute == 0


def test_a_queue_is_not_gone_before_its_last_order_is_due(site: Site) -> None:
    site.start_worker()
    (first,) = site.queue("a")
    site.queue("b", delay=600)
    site.pay(first)
    assert site.look().drain_eta_seconds == 600.0


def test_the_brokers_depth_and_its_silence_are_passed_on(site: Site) -> None:
    site.messages = 7
    assert site.look().broker_messages == 7
    site.messages = None
    assert site.look().broker_messages is None


def test_charges_to_refund_are_counted_until_a_person_closes_them(site: Site) -> None:
    (first,) = site.queue("a")
    at = site.clock.now
    row = {"order_id": first, "kind": "two_charges", "at": at}
    rows = [{**row, "id": number, "detail": f"ch_1, ch_{number}"} for number in (2, 3)]
    site.database.write(lambda connection: connection.execute(insert(incidents), rows))
    assert site.look().incidents == 2
    close_incident(site.database, 3, Author("anna", "refunded"), clock=site.clock)
    assert site.look().incidents == 1


def test_looking_leaves_the_breaker_as_it_is(site: Site) -> None:
    site.open_circuit()
    before = site.breaker.status()
    for _ in range(3):
        site.look()
    after = site.breaker.status()
    assert (after.state, after.generation, after.slots) == (before.state, before.generation, before.slots)


def test_the_document_is_plain_json_with_the_fields_of_the_contract(site: Site) -> None:
    site.queue("a")
    document = json.loads(json.dumps(backlog_document(site.look())))
    assert document["breaker"]["state"] == "closed"
    assert set(document) >= BACKLOG_FIELDS


def test_no_look_reads_the_finished_orders(site: Site) -> None:
    """Each statement's plan uses an index; with them read, a look would take longer every day."""
    _finish_many(site, 3000)
    plans = _plans(site, site.look)
    assert len(plans) == 10
    site.queue("due for long")
    site.clock.advance(STALLED_AFTER)
    plans += _plans(site, site.look)
    assert len(plans) == 10 + 11
    assert [plan for plan in plans if _reads_everything(plan)] == []


def test_due_orders_of_which_none_is_completed_stand_still_after_a_while(site: Site) -> None:
    """Live orders that are paid at once say nothing about those that wait."""
    first, second = site.queue("a", "b")
    site.clock.advance(STALLED_AFTER - 1)
    assert AlarmKind.NOTHING_COMPLETED not in kinds(site)
    site.pay_at_once("c")
    site.clock.advance(1)
    assert AlarmKind.NOTHING_COMPLETED in kinds(site)
    assert site.look().oldest_due_age_seconds == STALLED_AFTER
    site.work_on(first, FAILED, OrderStatus.QUEUED)
    site.pay(second)
    assert AlarmKind.NOTHING_COMPLETED not in kinds(site)


def test_an_order_whose_claim_ran_out_is_counted_as_abandoned(site: Site) -> None:
    (claimed,) = site.queue("a")
    site.ledger.claim(claimed)
    assert (site.look().in_flight, site.look().abandoned) == (1, 0)
    site.clock.advance(15)
    assert (site.look().in_flight, site.look().abandoned) == (1, 1)


def test_the_workers_that_are_alive_are_counted(site: Site) -> None:
    assert site.look().workers == 0
    site.start_worker()
    site.queue("a")
    assert (site.look().workers, kinds(site)) == (1, [])
    site.clock.advance(DEAD_AFTER + 1)
    assert (site.look().workers, kinds(site)) == (0, [AlarmKind.NO_WORKER])
    document = json.loads(json.dumps(backlog_document(site.look())))
    assert document["workers"] == 0
    assert [warning["kind"] for warning in document["warnings"]] == ["no_worker"]


def kinds(site: Site) -> list[AlarmKind]:
    return [alarm.kind for alarm in site.look().warnings]


def test_the_newest_orders_are_listed_without_reading_all_the_others(site: Site) -> None:
    _finish_many(site, 3000)
    plans = _plans(site, lambda: list_orders(site.database, limit=5))
    assert [plan for plan in plans if _reads_everything(plan)] == []


def test_the_newest_orders_come_first_whatever_their_states(site: Site) -> None:
    for number in range(3):
        site.queue(f"q{number}")
        site.clock.advance(1)
        site.pay_at_once(f"p{number}")
        site.clock.advance(1)
    newest = [found.idempotency_key for found in list_orders(site.database, limit=5)]
    assert newest == ["p2", "q2", "p1", "q1", "p0"]


def _plans(site: Site, work: Callable[[], object]) -> list[str]:
    """The database's plans for what ``work`` asks of the orders."""
    statements: list[tuple[str, object]] = []
    remember = event.listens_for(site.database.engine, "before_cursor_execute")
    remember(lambda conn, cursor, sql, parameters, context, many: statements.append((sql, parameters)))
    work()
    return [_plan(site, sql, parameters) for sql, parameters in list(statements) if "FROM orders" in sql]


def _reads_everything(plan: str) -> bool:
    return (
        "ix_orders" not in plan
        or "Seq Scan" in plan
        or "SCAN orders" in plan.replace("SCAN orders USING", "")
    )


def _finish_many(site: Site, number: int) -> None:
    for start in range(0, number, 10):
        site.queue(*(f"old{start + i}" for i in range(10)))
        site.clock.advance(1)
    paid = {
        "status": "paid",
        "charge_id": "ch",
        "next_attempt_at": None,
        "dispatch_at": None,
        "settled_at": site.clock.now,
    }
    site.database.write(lambda connection: connection.execute(update(orders).values(paid)))
    site.clock.advance(10 * DRAIN_WINDOW)
    if site.database.engine.dialect.name == "postgresql":
        # Its autovacuum does so by itself; on SQLite nobody does.
        site.database.write(lambda connection: connection.execute(text("ANALYZE orders")))


def _plan(site: Site, sql: str, parameters: object) -> str:
    explain = "EXPLAIN " if site.database.engine.dialect.name == "postgresql" else "EXPLAIN QUERY PLAN "
    with site.database.engine.connect() as connection:
        rows = connection.exec_driver_sql(explain + sql, parameters)  # type: ignore[arg-type]  # as recorded
        return "\n".join(" ".join(map(str, row)) for row in rows)
