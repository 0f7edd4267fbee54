"""A fleet that is rolled: processes of this version on the tables of the version before, and of the one after."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from unittest import mock

import pytest
from sqlalchemy import text

from breakwall.migrations import HEAD
from breakwall.payments.db import sqlite
from breakwall.payments.db import upgrade as upgrading
from breakwall.payments.db.database import Database, DatabaseUnavailableError, SchemaError
from breakwall.payments.db.downgrade import Losses, downgrade, losses
from breakwall.payments.db.migrate import AFTER, BEFORE, check_schema, current_revision, prepare_home, upgrade
from breakwall.payments.db.upgrade import MigrationBlockedError
from breakwall.payments.ledger.pruning import Pruning
from breakwall.payments.ledger.queries import OrderNotFoundError
from breakwall.payments.operator.resolve import Resolution
from breakwall.payments.operator.retry_and_cancel import RefusedError
from breakwall.payments.orders import OrderStatus
from tests.contract.people import ANNA
from tests.contract.site import LEASE, Site, order
from tests.gateway import ABSENT, DECLINED, DOWN, LOST, PAID

MADE_UP = (
    "CREATE TABLE outbox (id INTEGER PRIMARY KEY, order_id VARCHAR(32) NOT NULL REFERENCES orders (id))",
    "ALTER TABLE orders ADD COLUMN description VARCHAR(500)",
    "ALTER TABLE attempts ADD COLUMN amount BIGINT DEFAULT 0",
    f"UPDATE alembic_version SET version_num = '{AFTER}'",
)
"""What a version after this one may do: `CONTRIBUTING.md` has the rules."""


def go_ahead(site: Site) -> None:
    """Migrate to a made-up version after this one."""
    with site.database.engine.begin() as connection:
        for statement in MADE_UP:
            connection.execute(text(statement))


def go_back(site: Site) -> None:
    downgrade(site.database.engine)


def stand_at(site: Site, revision: str) -> None:
    with site.database.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = :to"), {"to": revision})


@pytest.fixture(params=[go_back, go_ahead], ids=["the version before", "the version after"])
def rolled(request: pytest.FixtureRequest, site: Site) -> Site:
    """A site whose parts were in use when its database was migrated."""
    site.know_a_charge()
    request.param(site)
    return site


class TestAProcessOnTheTablesOf:
    """Its checks, and what it does: accept, send, retry, and what people do."""

    def test_is_not_refused(self, rolled: Site) -> None:
        check_schema(rolled.database.engine)

    def test_places_and_knows_what_was_placed(self, rolled: Site) -> None:
        rolled.gateway.answers.append(PAID)
        assert rolled.producer.place(order()).status == "paid"
        assert rolled.producer.place(order()).replayed
        assert rolled.get().charge_id == "ch_1"

    def test_queues_and_drains(self, rolled: Site) -> None:
        rolled.open_circuit()
        placed = rolled.producer.place(order())
        (queued,) = rolled.producer.enqueue([order("cart-2")])
        assert (placed.status, queued.status) == ("queued", "queued")
        rolled.advance(60)
        rolled.gateway.answers.extend([PAID, DECLINED])
        assert set(rolled.due.take_due(10, republish_after=60)) == {placed.order_id, queued.order_id}
        assert rolled.retrier.run(placed.order_id) is OrderStatus.PAID
        assert rolled.retrier.run(queued.order_id) is OrderStatus.DECLINED

    def test_looks_up_before_it_sends_again(self, rolled: Site) -> None:
        rolled.gateway.answers.extend([LOST, replace(PAID, charge_id="ch_2")])
        placed = rolled.producer.place(order())
        rolled.advance(rolled.gateway.profile.settle_seconds + LEASE)
        rolled.gateway.look_ups.extend([ABSENT, ABSENT])
        assert rolled.retrier.run(placed.order_id) is OrderStatus.PAID

    def test_obeys_people(self, rolled: Site) -> None:
        rolled.gateway.answers.append(DOWN)
        rolled.producer.place(order())
        rolled.people.retry("cart-1", ANNA)
        rolled.people.cancel("cart-1", ANNA)
        Resolution(rolled.database, clock=rolled.clock).paid("cart-1", "ch_5", ANNA)
        assert rolled.get().status is OrderStatus.PAID

    def test_finds_no_order_that_is_not_there(self, rolled: Site) -> None:
        with pytest.raises(OrderNotFoundError):
            rolled.get("cart-9")


class TestAProcessThatIsRunningWhenTheDatabaseIsMigrated:
    def prune(self, site: Site) -> int:
        pruning = Pruning(site.database, keys_for=400.0, clock=site.clock, sleep=lambda seconds: None)
        return sum(pruned for pruned, _ in pruning.run(90.0))

    def test_has_the_new_tables_without_a_restart(self, site: Site) -> None:
        go_back(site)
        site.gateway.answers.extend([DECLINED, PAID])
        site.producer.place(order())
        with pytest.raises(SchemaError, match="run `breakwall db upgrade`"):
            self.prune(site)
        upgrade(site.database.engine)
        site.advance(100)
        assert self.prune(site) == 1
        assert site.producer.place(order()).replayed, "it would be charged, though its key is known"

    def test_goes_on_where_it_is_taken_back(self, site: Site) -> None:
        site.gateway.answers.extend([PAID, PAID])
        site.producer.place(order("cart-1"))
        assert self.prune(site) == 0, "and it knows now that the table is there"
        go_back(site)
        site.open_circuit()
        assert site.producer.place(order("cart-2")).status == "queued"
        site.breaker_forgets()
        assert site.get("cart-2").status is OrderStatus.QUEUED


class TestTwoRevisionsAway:
    @pytest.mark.parametrize("away", [-2, 2])
    def test_is_refused(self, site: Site, away: int) -> None:
        stand_at(site, f"{int(HEAD) + away:04d}")
        database = Database(site.database.engine.url.render_as_string(False), prepare=check_schema)
        with pytest.raises(SchemaError, match=r"at revision 000\d"):
            database.read(lambda connection: None)

    def test_is_an_unavailable_database_to_who_places(self, site: Site) -> None:
        """Who guards `place` against a database that is down is guarded against this as well."""
        stand_at(site, f"{int(HEAD) + 2:04d}")
        fresh = Database(site.database.engine.url.render_as_string(False), prepare=check_schema)
        site.ledger.database = fresh
        with pytest.raises(DatabaseUnavailableError):
            site.producer.place(order())
        assert site.gateway.charged == []


class TestAnEmbeddedDatabase:
    def test_that_the_version_after_has_migrated_is_used_as_it_is(self, tmp_path: Path) -> None:
        database = Database(
            f"sqlite:///{tmp_path}/breakwall.db", prepare=lambda engine: prepare_home(tmp_path, engine)
        )
        site = Site(f"sqlite:///{tmp_path}/breakwall.db")
        go_ahead(site)
        assert database.read(lambda connection: current_revision(connection.engine)) == AFTER

    def test_of_the_version_before_is_migrated(self, tmp_path: Path) -> None:
        site = Site(f"sqlite:///{tmp_path}/breakwall.db")
        go_back(site)
        prepare_home(tmp_path, site.database.engine)
        assert current_revision(site.database.engine) == HEAD


class TestGoingBack:
    def test_and_forth_again_keeps_every_order(self, site: Site) -> None:
        site.gateway.answers.append(PAID)
        site.producer.place(order())
        assert downgrade(site.database.engine) == BEFORE == current_revision(site.database.engine)
        upgrade(site.database.engine)
        assert (site.get().status, current_revision(site.database.engine)) == (OrderStatus.PAID, HEAD)

    def test_gives_way_to_who_holds_a_table_and_says_so(self, site: Site) -> None:
        """Every writer has waited for 5 s behind it, and it said "does not answer"."""
        engine = site.database.engine
        told, locks = "table orders.*another process has been writing.*breakwall db downgrade", ()
        if engine.dialect.name == "postgresql":
            told = r"table workers.*of 'a report'.*breakwall db downgrade"
            locks = "SET LOCAL application_name = 'a report'", "LOCK TABLE workers IN ACCESS SHARE MODE"
        with (
            mock.patch.object(upgrading, "PATIENCE", 0.0),
            mock.patch.object(sqlite, "BUSY_SECONDS", 0.1),
            engine.connect() as holder,
        ):
            holder.begin()
            for lock in locks:
                holder.execute(text(lock))
            assert losses(engine) == Losses()
            with pytest.raises(MigrationBlockedError, match=told):
                downgrade(engine)
        assert current_revision(engine) == HEAD

    def test_twice_is_going_back_once(self, site: Site) -> None:
        assert downgrade(site.database.engine) == downgrade(site.database.engine) == BEFORE
        assert losses(site.database.engine) == Losses()

    def test_says_what_is_lost(self, site: Site) -> None:
        row = "INSERT INTO strange_messages VALUES (1, '2026-01-01 12:00:00', 'no JSON', '', '', 7)"
        with site.database.engine.begin() as connection:
            connection.execute(text(row))
        assert losses(site.database.engine) == Losses(strange_messages=1)
        assert "1 message that was set aside" in str(losses(site.database.engine))

    def test_is_refused_where_a_known_key_would_be_lost(self, site: Site) -> None:
        site.gateway.answers.append(DECLINED)
        site.producer.place(order())
        site.advance(100)
        pruning = Pruning(site.database, keys_for=400.0, clock=site.clock, sleep=lambda seconds: None)
        list(pruning.run(90.0))
        assert losses(site.database.engine).keys
        with pytest.raises(RefusedError, match="would be charged again"):
            downgrade(site.database.engine)
        assert current_revision(site.database.engine) == HEAD
        assert site.producer.place(order()).replayed

    @pytest.mark.parametrize("revision", ["0003", AFTER])
    def test_is_offered_from_this_versions_revision_alone(self, site: Site, revision: str) -> None:
        stand_at(site, revision)
        with pytest.raises(SchemaError, match=f"at revision {revision}"):
            downgrade(site.database.engine)
        assert current_revision(site.database.engine) == revision


def test_an_upgrade_leaves_what_the_version_after_has_migrated(site: Site) -> None:
    go_ahead(site)
    assert upgrade(site.database.engine) == AFTER == current_revision(site.database.engine)
