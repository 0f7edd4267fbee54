"""Columns that the rules read say the same as the texts before, and charges belong to their orders."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from sqlalchemy import (
    Connection,
    Engine,
    MetaData,
    Table,
    func,
    insert,
    inspect,
    select,
    text,
    update,
)
from sqlalchemy.exc import IntegrityError

from breakwall.payments.db.clock import DatabaseClock
from breakwall.payments.db.database import Database, open_engine
from breakwall.payments.db.migrate import upgrade
from breakwall.payments.db.schema import attempts, charges, incidents, orders
from breakwall.payments.keys import key_shape
from breakwall.payments.ledger.charges import KnownCharge, assign_charge, known_charges
from breakwall.payments.operator.incidents import count_open
from tests.contract.migrations.older_versions import (
    NOON,
    ORDER,
    add_order,
    incident_of_0002,
    migrate_to,
)
from tests.contract.written_before import WRITTEN_BEFORE, read_facts, write_attempt


@pytest.fixture
def at_0003(database_url: str) -> Iterator[Engine]:
    """The database of the version whose rules read codes and texts."""
    engine = open_engine(database_url)
    migrate_to(engine, "0003")
    yield engine
    engine.dispose()


def add_paid(connection: Connection, key: str, charge_id: str, *, minute: int = 0, detail: str = "") -> None:
    finished = NOON + timedelta(minutes=minute)
    add_order(connection, f"of {key}", "paid", idempotency_key=key, charge_id=charge_id, settled_at=finished)
    answer = {"outcome": "succeeded", "charge_id": charge_id, "gateway_key": key, "detail": detail}
    write_attempt(connection, f"of {key}", **answer)


def kept_charges(connection: Connection) -> dict[str | None, tuple[str, str, str | None, datetime]]:
    """The newest of each shape of key."""
    return {
        row.key_shape: (row.charge_id, row.order_id, row.key, row.at)
        for row in connection.execute(select(charges).order_by(charges.c.at))
    }


def owner_of(connection: Connection, charge_id: str) -> str | None:
    add_order(connection, f"asks for {charge_id}")
    return assign_charge(connection, DatabaseClock(), "default", charge_id, f"asks for {charge_id}", None)


class TestRulesBecomeColumns:
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
                # An order that a person has retried after a refusal is looked up first.
                doubted = {"unresolved"} if waits and expected == {"refused", "spends_key"} else set()
                assert read_facts(connection, f"o{number}") == expected | doubted

    def test_an_order_that_was_retried_after_a_refusal_is_looked_up_by_the_refused_key(
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
            assert read_facts(connection, "o1") == {"refused", "spends_key", "unresolved"}

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
    def test_an_orders_last_error_says_whether_it_was_rejected(
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


class TestKnownCharges:
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

    def test_are_not_those_that_only_a_person_reported(self, at_0003: Engine) -> None:
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

    def test_can_test_a_look_up_at_once(self, at_0003: Engine) -> None:
        with at_0003.begin() as connection:
            add_paid(connection, "cart-1", "ch_1")
        upgrade(at_0003)
        database = Database(at_0003.url.render_as_string(hide_password=False))
        found = known_charges(database, DatabaseClock(), "default", key_shape("cart-9"), older_than=30.0)
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

    def test_that_is_the_second_of_its_order_stays_its_orders_too(self, at_0003: Engine) -> None:
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

    def test_that_has_paid_several_orders_belongs_to_the_first(self, at_0003: Engine) -> None:
        with at_0003.begin() as connection:
            for minute, key in enumerate(("order-0001", "order-0002")):
                add_paid(connection, key, "ch_1", minute=minute)
        upgrade(at_0003)
        with at_0003.begin() as connection:
            clock = DatabaseClock()
            assert assign_charge(connection, clock, "default", "ch_1", "of order-0001", None) is None
            assert owner_of(connection, "ch_1") == "of order-0001"


class TestAWorkerOfTheVersionBefore:
    """It continues after the upgrade, and does not know the new columns."""

    def test_accepts_claims_sends_and_records(self, at_0003: Engine) -> None:
        upgrade(at_0003)
        with at_0003.begin() as connection:
            add_order(connection, "o1", "in_flight", lease_until=NOON)
            write_attempt(connection, "o1", outcome=None)
            unknown = {"outcome": "unknown", "code": "http_500", "finished_at": NOON}
            connection.execute(update(attempts).values(unknown))
            assert read_facts(connection, "o1") == {"unresolved", "spends_key"}
            paid = {"status": "paid", "charge_id": "ch_1", "lease_until": None, "settled_at": NOON}
            connection.execute(update(orders).values(paid))
            assert owner_of(connection, "ch_1") == "o1"


class TestIncidentsAndInterventions:
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
def test_impossible_rows_are_refused_after_the_upgrade(at_0003: Engine, statement: str) -> None:
    with at_0003.begin() as connection:
        add_order(connection, "o1")
        write_attempt(connection, "o1", outcome="failed", code="http_400")
        add_paid(connection, "cart-1", "ch_1")
    upgrade(at_0003)
    with pytest.raises(IntegrityError), at_0003.begin() as connection:
        connection.execute(text(statement))
