"""The migrations, on SQLite and on PostgreSQL."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import (
    Column,
    Connection,
    Engine,
    Insert,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    func,
    insert,
    inspect,
    select,
    text,
    update,
)
from sqlalchemy.exc import IntegrityError

import breakwall.migrations
from breakwall.payments.db import migrate
from breakwall.payments.db.clock import DatabaseClock, UtcDateTime
from breakwall.payments.db.database import Database, SchemaError, open_engine
from breakwall.payments.db.migrate import check_schema, current_revision, prepare_home, upgrade
from breakwall.payments.db.schema import attempts, charges, incidents, metadata, orders, site
from breakwall.payments.keys import key_shape
from breakwall.payments.ledger.charges import KnownCharge, known_charges, take_charge
from breakwall.payments.operator.incidents import count_open
from tests.contract.written_before import WRITTEN_BEFORE, read_facts, write_attempt

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
ORDER = {
    "id": "o1",
    "idempotency_key": "cart-1",
    "user_id": "u1",
    "amount": 1,
    "currency": "KRW",
    "status": "declined",
    "charge_key": "cart-1",
    "created_at": NOON,
}


def test_head_is_the_newest_script() -> None:
    scripts = ScriptDirectory(str(Path(breakwall.migrations.__file__).parent))
    assert scripts.get_heads() == [breakwall.migrations.HEAD]


def test_the_scripts_build_exactly_the_tables_of_the_schema(database_url: str) -> None:
    engine = open_engine(database_url)
    upgrade(engine)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        differences = compare_metadata(context, metadata)
    engine.dispose()
    assert differences == []


def test_incidents_outlive_the_upgrade_that_knows_more_kinds_of_them(database_url: str) -> None:
    engine = open_engine(database_url)
    with mock.patch.object(migrate, "HEAD", "0001"):
        upgrade(engine)
    report = text("INSERT INTO incidents (id, order_id, kind, detail, at) VALUES (:id, 'o1', :kind, '', :at)")
    with engine.begin() as connection:
        connection.execute(insert(orders), ORDER)
        connection.execute(report, {"id": 1, "kind": "two_charges", "at": "2026-01-01 12:00:00"})
    upgrade(engine)
    with engine.begin() as connection:
        connection.execute(report, {"id": 2, "kind": "charged_after_resolution", "at": "2026-01-01 12:00:00"})
        kinds = list(connection.scalars(text("SELECT kind FROM incidents ORDER BY id")))
    assert kinds == ["two_charges", "charged_after_resolution"]
    with pytest.raises(IntegrityError), engine.begin() as connection:
        connection.execute(report, {"id": 3, "kind": "of no kind", "at": "2026-01-01 12:00:00"})
    engine.dispose()


@pytest.fixture
def at_0002(database_url: str) -> Iterator[Engine]:
    """The database of the version that knew no closing of incidents, with one order."""
    engine = open_engine(database_url)
    with mock.patch.object(migrate, "HEAD", "0002"):
        upgrade(engine)
    with engine.begin() as connection:
        connection.execute(insert(orders), ORDER)
    yield engine
    engine.dispose()


# As a worker of that version inserts: the columns that it knew, and no ON CONFLICT.
INCIDENTS_AT_0002 = Table(
    "incidents",
    MetaData(),
    Column("id", Integer, primary_key=True),
    Column("order_id", String(32)),
    Column("kind", String(32)),
    Column("detail", Text),
    Column("at", UtcDateTime),
)


def incident_of_0002(detail: str, *, minute: int = 0) -> Insert:
    at = NOON + timedelta(minutes=minute)
    return insert(INCIDENTS_AT_0002).values(order_id="o1", kind="two_charges", detail=detail, at=at)


def stored_incidents(engine: Engine) -> list[tuple[str, datetime]]:
    with engine.connect() as connection:
        rows = connection.execute(select(incidents.c.detail, incidents.c.at).order_by(incidents.c.id))
        return [(row.detail, row.at) for row in rows]


def test_incidents_that_were_written_down_again_and_again_become_the_first_of_them(at_0002: Engine) -> None:
    with at_0002.begin() as connection:
        for minute, detail in enumerate(("ch_1, ch_2", "ch_1, ch_3", "ch_1, ch_2", "ch_1, ch_2")):
            connection.execute(incident_of_0002(detail, minute=minute))
    upgrade(at_0002)
    assert stored_incidents(at_0002) == [("ch_1, ch_2", NOON), ("ch_1, ch_3", NOON + timedelta(minutes=1))]


def test_incidents_are_open_after_the_upgrade(at_0002: Engine) -> None:
    with at_0002.begin() as connection:
        connection.execute(incident_of_0002("ch_1, ch_2"))
    upgrade(at_0002)
    with at_0002.connect() as connection:
        assert count_open(connection) == 1


def test_a_worker_of_the_version_before_reports_after_the_upgrade_and_twice_is_once(at_0002: Engine) -> None:
    """Failing, its transaction would lose the result of the attempt that it records."""
    upgrade(at_0002)
    for _ in range(2):
        with at_0002.begin() as connection:
            connection.execute(incident_of_0002("ch_1, ch_2"))
            connection.execute(update(orders).values(last_error="recorded"))
    assert [detail for detail, _ in stored_incidents(at_0002)] == ["ch_1, ch_2"]


def test_what_is_being_reported_again_while_the_upgrade_begins_is_merged_too(at_0002: Engine) -> None:
    with at_0002.begin() as connection:
        connection.execute(incident_of_0002("ch_1, ch_2"))
    other = open_engine(at_0002.url.render_as_string(hide_password=False))
    with ThreadPoolExecutor(1) as threads, at_0002.connect() as writer:
        writer.execute(incident_of_0002("ch_1, ch_2", minute=1))
        upgrading = threads.submit(upgrade, other)
        wait_until_it_waits(other)
        writer.commit()
        assert upgrading.result() == breakwall.migrations.HEAD
    other.dispose()
    assert stored_incidents(at_0002) == [("ch_1, ch_2", NOON)]


def wait_until_it_waits(engine: Engine) -> None:
    """For a lock that somebody else holds. SQLite has one writer, and tells of no waiting."""
    if engine.dialect.name == "sqlite":
        return
    waiting = select(func.count()).select_from(text("pg_locks")).where(text("NOT granted"))
    deadline = time.monotonic() + 5
    with engine.connect() as connection:
        while not connection.scalar(waiting):
            assert time.monotonic() < deadline, "the upgrade waits for nobody"
            time.sleep(0.01)


def test_upgrading_twice_is_upgrading_once(database_url: str) -> None:
    engine = open_engine(database_url)
    assert upgrade(engine) == upgrade(engine) == current_revision(engine)
    engine.dispose()


def test_eight_upgrades_at_once_all_succeed(database_url: str) -> None:
    engines = [open_engine(database_url) for _ in range(8)]
    with ThreadPoolExecutor(8) as threads:
        assert set(threads.map(upgrade, engines)) == {breakwall.migrations.HEAD}
    for engine in engines:
        engine.dispose()


def test_a_database_that_was_never_migrated_is_refused_with_what_to_do(database_url: str) -> None:
    database = Database(database_url, prepare=check_schema)
    with pytest.raises(SchemaError, match=r"was never migrated.*run `breakwall db upgrade`"):
        database.read(lambda connection: connection.scalar(text("SELECT 1")))
    database.close()


def test_a_database_that_is_behind_is_refused_with_what_to_do(database_url: str) -> None:
    database = Database(database_url, prepare=check_schema)
    upgrade(database.engine)
    with database.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0000'"))
    with pytest.raises(SchemaError, match=r"at revision 0000.*run `breakwall db upgrade`"):
        database.write(lambda connection: None, name="test")
    database.close()


def test_the_embedded_database_is_made_on_first_use(tmp_path: Path) -> None:
    home = tmp_path / "new" / "home"
    database = Database(f"sqlite:///{home}/breakwall.db", prepare=lambda engine: prepare_home(home, engine))
    assert database.read(lambda connection: connection.scalar(text("SELECT count(*) FROM orders"))) == 0
    assert home.stat().st_mode & 0o077 == 0
    database.close()


@pytest.fixture
def at_0003(database_url: str) -> Iterator[Engine]:
    """The database of the version whose rules read codes and texts."""
    engine = open_engine(database_url)
    with mock.patch.object(migrate, "HEAD", "0003"):
        upgrade(engine)
    yield engine
    engine.dispose()


def add_order(connection: Connection, name: str, status: str = "dead", **columns: Any) -> None:
    """As that version inserts it."""
    row = {**ORDER, "id": name, "idempotency_key": name, "charge_key": name, "status": status, **columns}
    connection.execute(insert(orders), row)


def add_paid(connection: Connection, key: str, charge_id: str, *, minute: int = 0, detail: str = "") -> None:
    settled = NOON + timedelta(minutes=minute)
    add_order(connection, f"of {key}", "paid", idempotency_key=key, charge_id=charge_id, settled_at=settled)
    told = {"outcome": "succeeded", "charge_id": charge_id, "gateway_key": key, "detail": detail}
    write_attempt(connection, f"of {key}", **told)


def kept_charges(connection: Connection) -> dict[str | None, tuple[str, str, str | None, datetime]]:
    """The newest of each shape of key."""
    return {
        row.key_shape: (row.charge_id, row.order_id, row.key, row.at)
        for row in connection.execute(select(charges).order_by(charges.c.at))
    }


def owner_of(connection: Connection, charge_id: str) -> str | None:
    add_order(connection, f"asks for {charge_id}")
    return take_charge(connection, DatabaseClock(), "default", charge_id, f"asks for {charge_id}", None)


class TestRulesBecomeColumns:
    """Revision 0004."""

    @pytest.mark.parametrize("status", ["queued", "in_flight", "review", "dead"])
    def test_an_open_orders_attempts_say_the_same_as_before(self, at_0003: Engine, status: str) -> None:
        lease = {"lease_until": NOON} if status == "in_flight" else {}
        due = {"next_attempt_at": NOON, "dispatch_at": NOON} if status == "queued" else {}
        waits = status in {"queued", "in_flight"}
        with at_0003.begin() as connection:
            for number, (outcome, code, detail, _) in enumerate(WRITTEN_BEFORE):
                add_order(connection, f"o{number}", status, **lease, **due)
                write_attempt(connection, f"o{number}", outcome=outcome, code=code, detail=detail)
        upgrade(at_0003)
        with at_0003.begin() as connection:
            advice = select(func.count()).where(attempts.c.advice.is_(None), attempts.c.outcome.is_not(None))
            assert connection.scalar(advice) == 0
            connection.execute(update(attempts).values(code="other", detail="In other words."))
            for number, (*_, expected) in enumerate(WRITTEN_BEFORE):
                # A refusal after which a person has sent the order round is to be looked up first.
                doubted = {"unsettled"} if waits and expected == {"refused", "spends_key"} else set()
                assert read_facts(connection, f"o{number}") == expected | doubted

    def test_an_order_that_was_sent_round_after_a_refusal_is_looked_up_under_the_key_that_was_refused(
        self, at_0003: Engine
    ) -> None:
        with at_0003.begin() as connection:
            due = {"next_attempt_at": NOON, "dispatch_at": NOON}
            add_order(connection, "o1", "queued", charge_key="o1.2", attempt_count=1, **due)
            write_attempt(connection, "o1", outcome="failed", code="http_400", gateway_key="cart-1")
        upgrade(at_0003)
        with at_0003.connect() as connection:
            kept = connection.execute(select(orders.c.charge_key, orders.c.attempt_floor)).one()
            assert tuple(kept) == ("cart-1", 1)
            assert read_facts(connection, "o1") == {"refused", "spends_key", "unsettled"}

    def test_a_finished_orders_attempts_are_left_as_they_are(self, at_0003: Engine) -> None:
        with at_0003.begin() as connection:
            add_paid(connection, "cart-1", "ch_1")
            add_order(connection, "o2", "cancelled")
            write_attempt(connection, "o2", outcome="failed", code="http_400")
        upgrade(at_0003)
        with at_0003.connect() as connection:
            assert set(connection.scalars(select(attempts.c.advice))) == {None}
            assert "refused" in read_facts(connection, "o2")

    @pytest.mark.parametrize(
        ("last_error", "rejected"),
        [
            ("http_401: look at the user and password in BREAKWALL_PAYMENT_URL.", True),
            ("http_500: HTTP 500.", False),
            (None, None),
        ],
    )
    def test_an_orders_last_error_tells_whether_it_was_rejected(
        self, at_0003: Engine, last_error: str | None, rejected: bool | None
    ) -> None:
        with at_0003.begin() as connection:
            add_order(connection, "o1", last_error=last_error)
        upgrade(at_0003)
        with at_0003.connect() as connection:
            assert connection.scalar(select(orders.c.rejected)) is rejected

    def test_nothing_else_of_an_order_is_changed(self, at_0003: Engine) -> None:
        before = Table("orders", MetaData(), autoload_with=at_0003)
        with at_0003.begin() as connection:
            add_order(connection, "o1", last_error="http_500: HTTP 500.", fence=7, retry_count=3)
            row = connection.execute(select(before)).one()
        upgrade(at_0003)
        with at_0003.connect() as connection:
            assert connection.execute(select(before)).one() == row
            new = (orders.c.attempt_floor, orders.c.suspected_at, orders.c.looked_up_at)
            assert tuple(connection.execute(select(*new)).one()) == (0, None, None)


class TestChargesThatAreKnown:
    def test_are_the_newest_of_each_shape_of_key(self, at_0003: Engine) -> None:
        with at_0003.begin() as connection:
            add_paid(connection, "cart-1", "ch_1", minute=1)
            add_paid(connection, "cart-2", "ch_2", minute=2, detail="Looked up afterwards.")
            add_paid(connection, "shop/17", "ch_3", minute=0)
        upgrade(at_0003)
        with at_0003.connect() as connection:
            assert kept_charges(connection) == {
                "10a-": ("ch_2", "of cart-2", "cart-2", NOON + timedelta(minutes=2)),
                "10a/": ("ch_3", "of shop/17", "shop/17", NOON),
            }

    def test_are_not_those_that_only_a_person_told_of(self, at_0003: Engine) -> None:
        with at_0003.begin() as connection:
            add_paid(connection, "cart-1", "ch_1")
            add_paid(connection, "cart-2", "ch_2", minute=1)
            resolved = "INSERT INTO interventions (id, order_id, at, action, actor, before, after, fence)"
            values = (
                "VALUES (1, 'of cart-2', '2026-01-01 12:00:00', 'resolve_paid', 'anna', 'review', 'paid', 1)"
            )
            connection.execute(text(f"{resolved} {values}"))
        upgrade(at_0003)
        with at_0003.connect() as connection:
            assert [found[0] for found in kept_charges(connection).values()] == ["ch_1"]

    def test_can_try_a_look_up_out_at_once(self, at_0003: Engine) -> None:
        with at_0003.begin() as connection:
            add_paid(connection, "cart-1", "ch_1")
        upgrade(at_0003)
        database = Database(at_0003.url.render_as_string(hide_password=False))
        found = known_charges(database, DatabaseClock(), "default", key_shape("cart-9"), settled_for=30.0)
        assert found == [KnownCharge("cart-1", "ch_1")]
        database.close()


class TestAChargeFromBefore:
    def test_stays_its_orders(self, at_0003: Engine) -> None:
        with at_0003.begin() as connection:
            add_paid(connection, "cart-1", "ch_1")
            add_paid(connection, "cart-2", "ch_2", minute=1)
        upgrade(at_0003)
        with at_0003.begin() as connection:
            assert [owner_of(connection, f"ch_{number}") for number in (1, 2, 3)] == [
                "of cart-1",
                "of cart-2",
                None,
            ]

    def test_that_is_its_orders_second_one_stays_its_too(self, at_0003: Engine) -> None:
        with at_0003.begin() as connection:
            add_paid(connection, "cart-1", "ch_1")
            second = {"number": 2, "outcome": "succeeded", "charge_id": "ch_2"}
            write_attempt(connection, "of cart-1", **second)
            connection.execute(incident_of_0002("ch_1, ch_2").values(order_id="of cart-1"))
        upgrade(at_0003)
        with at_0003.begin() as connection:
            assert [owner_of(connection, charge) for charge in ("ch_1", "ch_2")] == ["of cart-1"] * 2

    def test_that_has_paid_several_orders_is_an_incident_of_all_but_the_first(self, at_0003: Engine) -> None:
        with at_0003.begin() as connection:
            for minute, key in enumerate(("order-0001", "order-0002", "order-0003")):
                add_paid(connection, key, "ch_1", minute=minute)
            add_paid(connection, "cart-4", "ch_2")
        upgrade(at_0003)
        detail = "it is paid by ch_1, which is the charge of order of order-0001"
        with at_0003.connect() as connection:
            told = connection.execute(select(incidents.c.order_id, incidents.c.kind, incidents.c.detail))
            assert [tuple(row) for row in told] == [
                ("of order-0002", "wrong_charge", detail),
                ("of order-0003", "wrong_charge", detail),
            ]
            assert count_open(connection) == 2

    def test_that_has_paid_several_orders_is_the_first_ones(self, at_0003: Engine) -> None:
        with at_0003.begin() as connection:
            for minute, key in enumerate(("order-0001", "order-0002")):
                add_paid(connection, key, "ch_1", minute=minute)
        upgrade(at_0003)
        with at_0003.begin() as connection:
            clock = DatabaseClock()
            assert take_charge(connection, clock, "default", "ch_1", "of order-0001", None) is None
            assert owner_of(connection, "ch_1") == "of order-0001"


class TestAWorkerOfTheVersionBefore:
    """It goes on after the upgrade, and knows nothing of the new columns."""

    def test_accepts_claims_sends_and_records(self, at_0003: Engine) -> None:
        upgrade(at_0003)
        with at_0003.begin() as connection:
            add_order(connection, "o1", "in_flight", lease_until=NOON)
            write_attempt(connection, "o1", outcome=None)
            unknown = {"outcome": "unknown", "code": "http_500", "finished_at": NOON}
            connection.execute(update(attempts).values(unknown))
            assert read_facts(connection, "o1") == {"unsettled", "spends_key"}
            paid = {"status": "paid", "charge_id": "ch_1", "lease_until": None, "settled_at": NOON}
            connection.execute(update(orders).values(paid))
            assert owner_of(connection, "ch_1") == "o1"

    def test_reports_the_same_incident_twice_and_once_is_kept(self, at_0003: Engine) -> None:
        with at_0003.begin() as connection:
            connection.execute(insert(orders), ORDER)
        upgrade(at_0003)
        for _ in range(2):
            with at_0003.begin() as connection:
                connection.execute(incident_of_0002("ch_1, ch_2"))
                connection.execute(update(orders).values(last_error="recorded"))
        assert [detail for detail, _ in stored_incidents(at_0003)] == ["ch_1, ch_2"]


class TestTheNotesOnOrders:
    def test_outlive_the_upgrade(self, at_0003: Engine) -> None:
        notes = [
            "INSERT INTO incidents (id, order_id, kind, detail, at, closed_at, closed_by, close_reason) VALUES "
            "(7, 'o1', 'two_charges', 'x', '2026-01-01 12:00:00', '2026-01-01 12:00:00', 'anna', 'refunded')",
            "INSERT INTO interventions (id, order_id, at, action, actor, before, after, fence, evidence) VALUES "
            "(8, 'o1', '2026-01-01 12:00:00', 'retry', 'anna', 'dead', 'queued', 3, 'ch_1')",
        ]
        tables = ("incidents", "interventions")
        with at_0003.begin() as connection:
            connection.execute(insert(orders), ORDER)
            for note in notes:
                connection.execute(text(note))
            before = [connection.execute(text(f"SELECT * FROM {table}")).all() for table in tables]
        upgrade(at_0003)
        with at_0003.connect() as connection:
            assert [connection.execute(text(f"SELECT * FROM {table}")).all() for table in tables] == before

    def test_keep_their_partial_index(self, at_0003: Engine) -> None:
        upgrade(at_0003)
        found = {index["name"]: index for index in inspect(at_0003).get_indexes("incidents")}
        where = found["ix_incidents_open"]["dialect_options"][f"{at_0003.dialect.name}_where"]
        assert "closed_at IS NULL" in str(where)
        assert found["uq_incidents_order_id_kind_detail"]["unique"]


class TestTheSite:
    def name(self, engine: Engine) -> str:
        with engine.connect() as connection:
            return str(connection.scalars(select(site.c.name)).one())

    def test_has_the_name_that_it_is_given(self, at_0003: Engine) -> None:
        upgrade(at_0003, site="seoul")
        assert self.name(at_0003) == "seoul"

    def test_has_one_of_its_own_where_it_is_given_none(self, at_0003: Engine, tmp_path: Path) -> None:
        upgrade(at_0003)
        other = open_engine(f"sqlite:///{tmp_path / 'other.db'}")
        upgrade(other)
        assert len({self.name(at_0003), self.name(other)}) == 2
        other.dispose()

    def test_is_named_once(self, at_0003: Engine) -> None:
        upgrade(at_0003, site="seoul")
        upgrade(at_0003, site="busan")
        assert self.name(at_0003) == "seoul"


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE attempts SET advice = 'of no kind'",
        "UPDATE attempts SET settled_by = 'nobody'",
        "INSERT INTO site (id, name) VALUES (2, 'busan')",
        "INSERT INTO site (id, name) VALUES (1, 'busan')",
        "UPDATE site SET name = NULL",
        "INSERT INTO incidents (id, order_id, kind, detail, at) "
        "VALUES (9, 'o1', 'of no kind', '', '2026-01-01 12:00:00')",
        "INSERT INTO interventions (id, order_id, at, action, actor, before, after, fence) "
        "VALUES (9, 'o1', '2026-01-01 12:00:00', 'of no kind', 'anna', 'dead', 'dead', 1)",
        "INSERT INTO charges (account, charge_id, order_id, at) "
        "VALUES ('default', 'ch_1', 'o1', '2026-01-01 12:00:00')",
    ],
)
def test_what_cannot_be_is_refused_after_the_upgrade(at_0003: Engine, statement: str) -> None:
    with at_0003.begin() as connection:
        add_order(connection, "o1")
        write_attempt(connection, "o1", outcome="failed", code="http_400")
        add_paid(connection, "cart-1", "ch_1")
    upgrade(at_0003)
    with pytest.raises(IntegrityError), at_0003.begin() as connection:
        connection.execute(text(statement))
