"""While a fleet is rolled, processes of this version work on the tables of the version before, and of the one after."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import pytest

from breakwall.migrations import HEAD
from breakwall.payments.db.database import Database, DatabaseUnavailableError, SchemaError
from breakwall.payments.db.revisions import check_schema
from breakwall.payments.ledger.queries import OrderNotFoundError
from breakwall.payments.operator.resolve import resolve_paid
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
    """Its checks, and what it does: accept, send, retry, and the actions of people."""

    def test_is_not_refused(self, rolled: Site) -> None:
        check_schema(rolled.database.engine)

    def test_places_an_order_and_knows_it_again(self, rolled: Site) -> None:
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
        assert set(rolled.dispatch_queue.take_due(10, republish_after=60)) == {
            placed.order_id,
            queued.order_id,
        }
        assert rolled.retrier.run(placed.order_id) is OrderStatus.PAID
        assert rolled.retrier.run(queued.order_id) is OrderStatus.DECLINED

    def test_looks_up_before_it_sends_again(self, rolled: Site) -> None:
        rolled.gateway.answers.extend([LOST, replace(PAID, charge_id="ch_2")])
        placed = rolled.producer.place(order())
        rolled.advance(rolled.gateway.profile.absent_after + LEASE)
        rolled.gateway.look_ups.extend([ABSENT, ABSENT])
        assert rolled.retrier.run(placed.order_id) is OrderStatus.PAID

    def test_obeys_people(self, rolled: Site) -> None:
        rolled.gateway.answers.append(DOWN)
        rolled.producer.place(order())
        rolled.people.retry("cart-1", ANNA)
        rolled.people.cancel("cart-1", ANNA)
        resolve_paid(rolled.database, "cart-1", "ch_5", ANNA, clock=rolled.clock)
        assert rolled.get().status is OrderStatus.PAID

    def test_finds_no_missing_order(self, rolled: Site) -> None:
        with pytest.raises(OrderNotFoundError):
            rolled.get("cart-9")


@pytest.mark.parametrize(
    ("revision", "told"),
    [
        (f"{int(HEAD) + 2:04d}", f"is at revision {int(HEAD) + 2:04d}.*a newer Breakwall has migrated it"),
        (f"{int(HEAD) - 2:04d}", f"is at revision {int(HEAD) - 2:04d}.*run `breakwall db upgrade`"),
        ("0000", "is at revision 0000.*run `breakwall db upgrade`"),
        (None, "was never migrated.*run `breakwall db upgrade`"),
    ],
)
class TestADatabaseThatIsTooFarAway:
    @pytest.fixture
    def fresh(self, site: Site, revision: str | None) -> Iterator[Database]:
        """The site's database as a process finds it that is started now."""
        stand_at(site, revision)
        with closing(
            Database(site.database.engine.url.render_as_string(False), prepare=check_schema)
        ) as database:
            yield database

    def test_is_refused_with_what_to_do(self, fresh: Database, told: str) -> None:
        with pytest.raises(SchemaError, match=told):
            fresh.read(lambda connection: None)

    def test_is_an_unavailable_database_for_a_caller_of_place(
        self, site: Site, fresh: Database, told: str
    ) -> None:
        """A caller that handles a database that is down handles this as well."""
        site.ledger.database = fresh
        with pytest.raises(DatabaseUnavailableError, match=told):
            site.producer.place(order())
        assert site.gateway.charged == []
