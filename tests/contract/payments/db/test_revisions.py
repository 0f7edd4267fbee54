"""A fleet that is rolled: processes of this version on the tables of the version before, and of the one after."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import (
    text,
)

from breakwall.migrations import HEAD
from breakwall.payments.db.database import Database, DatabaseUnavailableError, SchemaError
from breakwall.payments.db.migrate import upgrade
from breakwall.payments.db.revisions import check_schema
from breakwall.payments.ledger.pruning import Pruning
from breakwall.payments.ledger.queries import OrderNotFoundError
from breakwall.payments.operator.resolve import Resolution
from breakwall.payments.orders import OrderStatus
from tests.contract.payments.db.rolling import go_ahead, go_back, stand_at
from tests.contract.people import ANNA
from tests.contract.site import LEASE, Site, order
from tests.gateway import ABSENT, DECLINED, DOWN, LOST, PAID


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
