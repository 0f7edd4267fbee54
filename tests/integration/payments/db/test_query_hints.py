"""The databases find an order among many by the index that is meant for it, however long the backlog is.

It asks the planners about the statements that are really sent: a clock would say little on a busy machine.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import psycopg
import pytest
from sqlalchemy import Connection, NullPool, create_engine, event, text

from breakwall.breaker import CircuitBreaker, CircuitBreakerConfig
from breakwall.monitor import counts
from breakwall.monitor.backlog import Monitor
from breakwall.monitor.counts import count_all
from breakwall.monitor.stored_counts import forget, store
from breakwall.payments.charging import Charger
from breakwall.payments.db.clock import DatabaseClock
from breakwall.payments.db.database import Database
from breakwall.payments.db.migrate import upgrade
from breakwall.payments.db.query_hints import read_in_index_order
from breakwall.payments.db.revisions import missing_columns
from breakwall.payments.db.schema import metadata
from breakwall.payments.keys import key_shape
from breakwall.payments.ledger.batch_claiming import Payment
from breakwall.payments.ledger.bulk_pruning import BATCH as BULK_BATCH
from breakwall.payments.ledger.bulk_pruning import prune_bulk_list
from breakwall.payments.ledger.charges import DEFAULT_ACCOUNT, known_charges
from breakwall.payments.ledger.dispatch_queue import DispatchQueue
from breakwall.payments.ledger.ledger import Ledger
from breakwall.payments.ledger.pruning import BATCH as BATCH_TO_PRUNE
from breakwall.payments.ledger.pruning import Pruning
from breakwall.payments.ledger.queries import get_order, list_attempts, list_orders
from breakwall.payments.orders import Order, OrderStatus
from breakwall.payments.retry_policy import RetryPolicy
from breakwall.producers.pending import PlaceResult
from breakwall.settings import DispatchSettings
from breakwall.worker.log.backlog_queries import sample_backlog
from producers import OrderProducer
from tests.backlog import DAY, Backlog, fill, tidy
from tests.gateway import PAID, ScriptedGateway

BACKLOG = Backlog(finished=20_000, waiting=3_000, due=2_000, claimed=200, expired=400)
BATCH = DispatchSettings().batch

PRUNED = """
INSERT INTO known_keys (idempotency_key, order_id, user_digest, amount, currency, status, charge_id, settled_at,
                        pruned_at)
SELECT 'p' || idempotency_key, 'p' || substr(id, 2), '', amount, currency, status, charge_id, settled_at, settled_at
FROM orders WHERE settled_at IS NOT NULL
"""
"""The same number of orders was pruned."""

INCIDENTS = """
INSERT INTO incidents (order_id, kind, detail, at, closed_at, closed_by, close_reason)
SELECT id, 'reported', 'odd', settled_at, settled_at, 'anna', 'refunded' FROM orders WHERE status = 'paid'
"""
OUTCOMES = """
INSERT INTO outcomes (order_id, status, charge_id, retry_count, at, taken_at)
SELECT id, status, charge_id, retry_count, settled_at, settled_at FROM orders WHERE status = 'paid'
"""
DELIVERIES = """
INSERT INTO deliveries (outcome_id, destination, order_id, tries, delivered_at)
SELECT id, 'webhook', order_id, 1, at FROM outcomes
"""
INTERVENTIONS = """
INSERT INTO interventions (order_id, at, action, actor, before, after, fence)
SELECT id, settled_at, 'retry', 'anna', 'dead', 'queued', 1 FROM orders WHERE status = 'paid'
"""
HINTS = "INSERT INTO payment_hints (order_id, at) SELECT id, settled_at FROM orders WHERE status = 'paid'"
TRACES = """
INSERT INTO order_traces (order_id, parent, at)
SELECT id, '00-1-2-01', settled_at FROM orders WHERE status = 'paid'
"""
EARLIER_ENDS = """
INSERT INTO earlier_ends
    (order_id, status, amount, currency, settled_at, attempt_count, retry_count, deferral_count, look_up_count)
SELECT id, 'dead', amount, currency, settled_at, 1, 0, 0, 0 FROM orders WHERE status = 'paid'
"""
# One that ended long ago, and one that is not finished.
BULK_RETRIES = """
INSERT INTO bulk_retries (id, name, created_at, actor, reason, selection, state, ended_at)
SELECT 'ended', 'outage', settled_at, 'anna', 'back', '{}', 'finished', settled_at FROM orders
WHERE settled_at = (SELECT min(settled_at) FROM orders) LIMIT 1
"""
OPEN_BULK_RETRY = """
INSERT INTO bulk_retries (id, name, created_at, actor, reason, selection, state)
SELECT 'running', name, created_at, actor, reason, selection, 'running' FROM bulk_retries
"""
BULK_LISTS = """
INSERT INTO bulk_retry_orders (bulk_id, place, order_id, status)
SELECT bulk_retries.id, row_number() OVER (ORDER BY orders.id), orders.id, 'dead' FROM orders, bulk_retries
"""
BULK = BULK_RETRIES, OPEN_BULK_RETRY, BULK_LISTS
STORED = PRUNED, INCIDENTS, OUTCOMES, DELIVERIES, INTERVENTIONS, HINTS, TRACES, EARLIER_ENDS, *BULK


@dataclass
class Plan:
    """What a database plans to do for a statement.

    Attributes:
        looked_up: the condition that each index is searched by.
        scanned: what is read from end to end: a table, an index, or all orders of one state.
        sorts: rows are sorted first.
        sorts_all: all of them, not only those that are equal in the order of the index.
    """

    looked_up: dict[str, str] = field(default_factory=dict)
    scanned: list[str] = field(default_factory=list)
    sorts: bool = False
    sorts_all: bool = False

    def look_up(self, index: str, condition: str) -> None:
        self.looked_up[index] = condition
        if index == "ix_orders_status_created":  # All that are queued are the backlog.
            self.scanned.append(index)


class Site:
    """The product's own callers over a database with a backlog, and the plans of what they send.

    Args:
        url: an empty database.
        explain: asks the database for its plan of one statement.
        analysed: the planner has the tables' statistics.
    """

    def __init__(self, url: str, explain: Explain, *, analysed: bool) -> None:
        self.database = Database(url)
        upgrade(self.database.engine)
        fill(self.database.engine, BACKLOG)
        with self.database.engine.begin() as connection:
            for statement in STORED:
                connection.execute(text(statement))
        if analysed:
            tidy(self.database.engine)
        self._explain = explain
        self.dispatch_queue = DispatchQueue(self.database, gateway="http")
        self.ledger = Ledger(self.database, lease=15)
        self.gateway = ScriptedGateway()
        self.breaker = CircuitBreaker("payment", CircuitBreakerConfig(failure_threshold=1))
        charger = Charger(self.gateway, self.ledger, RetryPolicy(), lambda: 0.5)
        self.producer = OrderProducer(
            *(self.ledger, charger, self.breaker, NoPublisher()),
            timeout=60,
            jitter=lambda: 0.5,
            wait=30.0,
        )
        self.due_ids = self._ids_of_due_orders()
        assert self.ledger.site  # Read once: it is no part of what a call costs.
        self.database.read(_note_columns)

    @property
    def primary_key(self) -> str:
        return "pk_orders" if self.database.engine.name == "postgresql" else "sqlite_autoindex_orders_1"

    def place(self, key: str) -> PlaceResult:
        """The order that the backlog's first finished one is, but for its key."""
        return self.producer.place(Order(user_id="user-1", amount=1001, currency="KRW", idempotency_key=key))

    def plans(self, call: Callable[[Site], object]) -> list[Plan]:
        """The plans of the statements that ``call`` sends, in their order."""
        with self._recording() as sent:
            call(self)
        settings = [sql for sql, _ in sent if sql.startswith("SET LOCAL")]
        statements = [one for one in sent if not one[0].startswith("SET LOCAL")]
        return [self._explain(self.database, *one, settings) for one in statements]

    def _ids_of_due_orders(self) -> list[str]:
        with self.database.engine.connect() as connection:
            return list(connection.scalars(text("SELECT id FROM orders WHERE idempotency_key LIKE 'due-%'")))

    @contextmanager
    def _recording(self) -> Iterator[list[tuple[str, Any]]]:
        sent: list[tuple[str, Any]] = []

        def note(*arguments: Any) -> None:
            # SQLite is told how long to wait for a lock only if that differs from the last transaction's.
            if not arguments[2].startswith(("BEGIN", "PRAGMA")):
                several = isinstance(arguments[3], list)
                sent.append((arguments[2], arguments[3][0] if several else arguments[3]))

        event.listen(self.database.engine, "before_cursor_execute", note)
        yield sent
        event.remove(self.database.engine, "before_cursor_execute", note)


Call = Callable[[Site], object]
Explain = Callable[[Database, str, Any, list[str]], Plan]
"""Of a statement with its parameters, under the settings of its transaction."""


def _note_columns(connection: Connection) -> None:
    """Which columns there are is asked once, too."""
    for table in metadata.sorted_tables:
        missing_columns(connection, table)


class NoPublisher:
    def publish_many(self, order_ids: list[str]) -> int:
        return len(order_ids)

    def publish_soon(self, order_ids: list[str]) -> None:
        pass

    def close(self) -> None:
        pass


def ask_postgres(database: Database, sql: str, parameters: Any, settings: list[str], *, mode: str) -> Plan:
    """Prepared as the driver does after some executions, and planned as PostgreSQL may after some more."""
    names: list[str] = []

    def number(match: re.Match[str]) -> str:
        names.append(match[1])
        return f"${len(names)}"

    prepared = re.sub(r"%\((\w+)\)s", number, sql)
    url = database.engine.url.set(drivername="postgresql").render_as_string()
    with psycopg.connect(url, cursor_factory=psycopg.ClientCursor) as connection:
        for setting in (*settings, f"SET LOCAL plan_cache_mode = {mode}"):
            connection.execute(setting)
        connection.execute(f"PREPARE sent AS {prepared}")
        values = f"({', '.join(['%s'] * len(names))})" if names else ""
        row = connection.execute(
            f"EXPLAIN (FORMAT JSON) EXECUTE sent{values}", [parameters[name] for name in names]
        ).fetchone()
    assert row is not None
    plan = Plan()
    _read_node(row[0][0]["Plan"], plan)
    return plan


def _read_node(node: dict[str, Any], plan: Plan) -> None:
    if "Index Cond" in node:
        plan.look_up(node["Index Name"], node["Index Cond"])
    elif "Index Name" in node or node["Node Type"] == "Seq Scan":
        plan.scanned.append(node.get("Index Name") or node["Relation Name"])
    plan.sorts = plan.sorts or node["Node Type"].endswith("Sort")
    plan.sorts_all = plan.sorts_all or node["Node Type"] == "Sort"
    for inner in node.get("Plans", []):
        _read_node(inner, plan)


def ask_sqlite(database: Database, sql: str, parameters: Any, _: list[str]) -> Plan:
    plan = Plan()
    with database.engine.connect() as connection:
        for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", parameters):
            _read_step(row.detail, plan)
    return plan


def _read_step(step: str, plan: Plan) -> None:
    if search := re.fullmatch(r"SEARCH \w+ USING (?:COVERING )?INDEX (\w+) \((.*)\)", step):
        plan.look_up(search[1], search[2])
    # A virtual table is the parameter with the rows.
    elif step.startswith("SCAN") and step != "SCAN CONSTANT ROW" and "VIRTUAL TABLE" not in step:
        plan.scanned.append(step)
    plan.sorts = plan.sorts or "TEMP B-TREE" in step
    plan.sorts_all = plan.sorts_all or "TEMP B-TREE FOR ORDER BY" in step


@pytest.fixture(
    scope="module",
    params=["postgres, these values", "postgres, any values", "sqlite, analysed", "sqlite, never analysed"],
)
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    name, _, how = request.param.partition(", ")
    yield from (_on_postgres if name == "postgres" else _on_sqlite)(request, how)


@pytest.fixture
def unknown_site(request: pytest.FixtureRequest) -> Iterator[Site]:
    """Of a PostgreSQL that has no statistics yet, such as one whose orders were just restored from a dump."""
    yield from _on_postgres(request, "never analysed")


def _on_postgres(request: pytest.FixtureRequest, how: str) -> Iterator[Site]:
    server = request.getfixturevalue("_postgres")
    server.ensure_running()
    url = server.fresh_url()
    mode = "force_generic_plan" if how == "any values" else "force_custom_plan"
    site = Site(url, partial(ask_postgres, mode=mode), analysed=how != "never analysed")
    yield site
    site.producer.close()
    server.ensure_running()
    server.drop(url)


def _on_sqlite(request: pytest.FixtureRequest, how: str) -> Iterator[Site]:
    file = request.getfixturevalue("tmp_path_factory").mktemp("backlog") / "breakwall.db"
    site = Site(f"sqlite:///{file}", ask_sqlite, analysed=how == "analysed")
    yield site
    site.producer.close()


def take_due(site: Site) -> None:
    assert len(site.dispatch_queue.take_due(BATCH, republish_after=600)) == BATCH


def reclaim_expired(site: Site) -> None:
    assert len(site.dispatch_queue.reclaim_expired(limit=20)) == 20


def claim(site: Site) -> None:
    assert site.ledger.claim(site.due_ids.pop()) is not None


def place_and_charge(site: Site) -> None:
    site.gateway.answers.append(PAID)
    assert site.place(uuid.uuid4().hex).status == "paid"


def place_while_open(site: Site) -> None:
    site.breaker.force_open("a test", "a test")
    assert site.place(uuid.uuid4().hex).status == "queued"
    site.breaker.auto("a test")


def place_again(site: Site) -> None:
    assert site.place("finished-1").replayed


def exchange(site: Site) -> None:
    """An exchange that claims, and one that pays what the first has claimed and claims more."""
    begun = site.ledger.exchange([], [site.due_ids.pop() for _ in range(20)], max_attempts=9).attempts
    assert len(begun) == 20
    payments = [Payment(one, replace(PAID, charge_id=f"ch_{one.claim.order_id}")) for one in begun]
    done = site.ledger.exchange(payments, [site.due_ids.pop() for _ in range(20)], max_attempts=9)
    assert len(done.paid) == len(done.attempts) == 20


def undo_and_defer(site: Site) -> None:
    ids = [site.due_ids.pop() for _ in range(20)]
    begun = site.ledger.exchange([], ids, max_attempts=9).attempts
    assert len(site.ledger.undo_attempts(begun, 0.0, deferred=True)) == 20
    assert len(site.ledger.defer_many(ids, 60.0)) == 20


WORK = [take_due, reclaim_expired, claim]
PLACE = [place_and_charge, place_while_open, place_again]


def test_due_orders_are_looked_up_by_their_due_time(site: Site) -> None:
    assert "dispatch_at" in site.plans(take_due)[0].looked_up["ix_orders_dispatch"]


def test_expired_claims_are_looked_up_by_the_end_of_their_lease(site: Site) -> None:
    assert "lease_until" in site.plans(reclaim_expired)[0].looked_up["ix_orders_lease"]


def test_a_claim_looks_its_order_up_by_id(site: Site) -> None:
    assert site.plans(claim)[0].looked_up.keys() == {site.primary_key}


@pytest.mark.parametrize("call", WORK)
def test_the_worker_reads_no_table_from_end_to_end(site: Site, call: Call) -> None:
    assert [plan.scanned for plan in site.plans(call) if plan.scanned] == []


@pytest.mark.parametrize("call", [exchange, undo_and_defer])
def test_many_orders_at_once_are_looked_up_by_their_ids(site: Site, call: Call) -> None:
    for plan in site.plans(call):
        # What is given is read from end to end, and may be sorted: it is short.
        assert [name for name in plan.scanned if "VIRTUAL TABLE" not in name and "given" not in name] == []
        assert not {name for name in plan.looked_up if name.startswith("ix_orders")} - {"ix_orders_charge"}


@pytest.mark.parametrize("call", WORK)
def test_the_worker_has_nothing_sorted(site: Site, call: Call) -> None:
    assert not any(plan.sorts for plan in site.plans(call))


@pytest.mark.parametrize("call", PLACE)
def test_to_place_an_order_reads_no_table_from_end_to_end(site: Site, call: Call) -> None:
    assert [plan.scanned for plan in site.plans(call) if plan.scanned] == []


def count_the_backlog(site: Site) -> None:
    Monitor(site.database, site.breaker, lambda: 0).snapshot()


def sample_the_backlog(site: Site) -> None:
    assert site.database.read(lambda connection: sample_backlog(connection, DatabaseClock())).waiting


def show(site: Site) -> None:
    order = get_order(site.database, "due-1")
    list_attempts(site.database, order.id)


@pytest.mark.parametrize("call", [sample_the_backlog, show])
def test_what_is_read_beside_a_long_backlog_reads_only_what_it_needs(site: Site, call: Call) -> None:
    """A million orders wait: the log's sample of each second, and a person who looks for one order."""
    # SQLite scans the rows of the sample itself.
    assert {name for plan in site.plans(call) for name in plan.scanned} <= {"SCAN anon_1"}


@pytest.mark.parametrize("status", [OrderStatus.QUEUED, OrderStatus.PAID])
def test_a_list_reads_the_newest_of_its_state_and_sorts_only_those_of_one_moment(
    site: Site, status: OrderStatus
) -> None:
    (plan,) = site.plans(lambda site: list_orders(site.database, status=status, limit=5))
    assert plan.looked_up.keys() == {"ix_orders_status_created"}
    assert not plan.sorts_all


def test_a_snapshot_of_a_counted_backlog_reads_the_first_waiting_orders_alone(site: Site) -> None:
    counted = site.database.read(lambda connection: count_all(connection, DatabaseClock()))
    site.database.write(lambda connection: store(connection, counted))
    plans = site.plans(count_the_backlog)
    site.database.write(forget)
    read = {name for plan in plans for name in (*plan.looked_up, *plan.scanned) if "orders" in name}
    # Those finished last give the speed; of those due for longest, the first tell whether a worker has their gateway.
    # The first and the last of two indexes tell why attempts failed.
    first = "SCAN orders USING INDEX ix_orders_dispatch"
    assert read <= {"ix_orders_settled", "ix_orders_dispatch", "ix_orders_status_created", first}


def test_a_snapshot_sorts_no_long_backlog_before_the_planner_has_statistics(
    unknown_site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, number in {"LONG": 100, "CHUNK": 500, "SAMPLED": 200}.items():
        monkeypatch.setattr(counts, name, number)
    plans = unknown_site.plans(count_the_backlog)
    backlog = [plan for plan in plans if "ix_orders_dispatch" in {*plan.scanned, *plan.looked_up}]
    assert len(backlog) > 5
    assert not any(plan.sorts_all for plan in backlog)


def test_no_statement_of_a_snapshot_is_compiled_for_the_cost_of_a_sort_that_has_no_index(
    postgres_url: str,
) -> None:
    with create_engine(postgres_url, poolclass=NullPool).begin() as connection:
        connection.execute(text("SET LOCAL jit = on"))
        read_in_index_order(connection)
        assert connection.scalar(text("SHOW jit")) == "off"


def find_a_known_charge(site: Site) -> None:
    shape = key_shape("k" * 32)
    found = known_charges(site.database, DatabaseClock(), DEFAULT_ACCOUNT, shape, older_than=30)
    assert found


def test_a_known_charge_is_looked_up_by_the_shape_of_its_key(site: Site) -> None:
    (plan,) = site.plans(find_a_known_charge)
    assert "key_shape" in plan.looked_up["ix_charges_known"]
    assert not plan.sorts
    assert not plan.scanned


def find_what_may_be_pruned(site: Site) -> None:
    pruning = Pruning(site.database, keys_for=400 * DAY, sleep=lambda seconds: None)
    pruned, _ = pruning.prune(20 * DAY)
    assert pruned == BATCH_TO_PRUNE


def forget_keys(site: Site) -> None:
    pruning = Pruning(site.database, keys_for=29 * DAY)
    assert pruning.forget() == BATCH_TO_PRUNE


def prune_a_bulk_list(site: Site) -> None:
    assert prune_bulk_list(site.database, DatabaseClock(), 20 * DAY) == BULK_BATCH


def test_pruning_a_bulk_list_reads_only_that_list(site: Site) -> None:
    plans = site.plans(prune_a_bulk_list)
    scanned = [name for plan in plans for name in plan.scanned]
    assert [name for name in scanned if "bulk_retry_orders" in name] == []
    assert any("bulk_retry_orders" in index for plan in plans for index in plan.looked_up)


@pytest.mark.parametrize("call", [find_what_may_be_pruned, forget_keys])
def test_pruning_reads_no_table_from_end_to_end(site: Site, call: Call) -> None:
    plans = site.plans(call)
    # An index may be read whole that holds only what is open, which is little: incidents, outcomes, deliveries. So may
    # the destinations, of which there are three at most; and the catalog says once that the tables are there.
    scanned = {name for plan in plans for name in plan.scanned if "destinations" not in name}
    little = ("ix_incidents_open", "ix_deliveries_order", "ix_deliveries_due", "ix_outcomes_new", "pg_")
    assert [name for name in scanned if not any(part in name for part in little)] == []
    looked_up = {index for plan in plans for index in plan.looked_up}
    assert any("settled" in index for index in looked_up), "they are found by when they finished"


def test_recently_finished_orders_are_looked_up_by_when_they_finished(site: Site) -> None:
    looked_up = [plan.looked_up for plan in site.plans(count_the_backlog)]
    assert any("settled_at" in conditions.get("ix_orders_settled", "") for conditions in looked_up)
