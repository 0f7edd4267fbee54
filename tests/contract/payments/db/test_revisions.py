"""While a fleet is rolled, processes of this version work on the tables of the version before, and of the one after."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, dataclass, replace

import pytest
from sqlalchemy import Column, String, select

from breakwall.migrations import HEAD
from breakwall.payments import orders as order_fields
from breakwall.payments.db.database import Database, DatabaseUnavailableError, SchemaError
from breakwall.payments.db.migrate import upgrade
from breakwall.payments.db.revisions import check_schema, missing_columns, without_missing_columns
from breakwall.payments.db.schema import NEWEST, known_keys, orders
from breakwall.payments.decisions import Decision, Progress
from breakwall.payments.fleet.drain_control import DrainControl, DrainState
from breakwall.payments.gateways.base import ChargeRequest
from breakwall.payments.keys import derive_charge_key
from breakwall.payments.ledger import pruned_orders
from breakwall.payments.ledger.claim import Attempt, Claim
from breakwall.payments.ledger.pruned_orders import PrunedOrder
from breakwall.payments.ledger.pruning import Pruning
from breakwall.payments.ledger.queries import OrderNotFoundError
from breakwall.payments.operator.resolve import resolve_paid
from breakwall.payments.orders import IdempotencyConflictError, Order, OrderStatus
from tests.contract.payments.db.rolling import execute, go_ahead, go_back, stand_at
from tests.contract.people import ANNA
from tests.contract.site import LEASE, Site, order
from tests.gateway import ABSENT, DECLINED, DOWN, LOST, PAID
from tests.unit.payments.described_order import DescribedOrder


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
        rolled.gateway.lookups.extend([ABSENT, ABSENT])
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


def prune(site: Site) -> int:
    pruning = Pruning(site.database, keys_for=400.0, clock=site.clock, sleep=lambda seconds: None)
    return sum(pruned for pruned, _ in pruning.run(90.0))


def test_a_table_that_a_migration_makes_is_used_without_a_restart(site: Site) -> None:
    go_back(site)
    control = DrainControl(site.database, clock=site.clock)
    assert control.read() == DrainState()
    for change in (lambda: control.pause(ANNA), lambda: control.set_rate(ANNA, 5.0)):
        with pytest.raises(SchemaError, match="run `breakwall db upgrade`"):
            change()
    upgrade(site.database.engine)
    assert control.pause(ANNA) == control.read() != DrainState()


def test_a_table_that_a_downgrade_drops_is_no_longer_used(site: Site) -> None:
    control = DrainControl(site.database, clock=site.clock)
    control.set_rate(ANNA, 5.0)
    site.producer.enqueue([order()])
    go_back(site)
    assert control.read() == DrainState()
    assert site.people.retry("cart-1", ANNA).status is OrderStatus.QUEUED


@pytest.fixture
def described(site: Site, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """A site of a version whose revision adds a field to the orders, on tables that do not have its columns yet."""
    added = [(table, Column("description", String(500), info=NEWEST)) for table in (orders, known_keys)]
    for table, column in added:
        table.append_column(column)
    monkeypatch.setattr(order_fields, "FIELDS", (*order_fields.FIELDS, "description"))
    monkeypatch.setattr(pruned_orders, "PrunedOrder", DescribedPrunedOrder)
    yield site
    for table, column in added:
        table._columns.remove(column)  # type: ignore[attr-defined]


@dataclass(frozen=True, slots=True)
class DescribedPrunedOrder(PrunedOrder):
    description: str | None = None


@dataclass(frozen=True, slots=True)
class DescribedRequest(ChargeRequest):
    description: str | None = None


def described_order(description: str | None) -> Order:
    return DescribedOrder(**asdict(order()), description=description)


def add_columns(site: Site) -> None:
    for table in ("orders", "known_keys"):
        execute(site, f"ALTER TABLE {table} ADD COLUMN description VARCHAR(500)")


def place_and_prune(site: Site, placed: Order) -> str:
    site.gateway.answers.append(PAID)
    order_id = site.producer.place(placed).order_id
    site.advance(100)
    assert prune(site) == 1
    return order_id


def late_second_charge(site: Site, order_id: str, description: str | None) -> None:
    request = DescribedRequest(
        order_id, "u1", 10_000, "KRW", derive_charge_key(order_id), description=description
    )
    attempt = Attempt(Claim(request, 1, Progress()), 1)
    site.ledger.record(attempt, replace(PAID, charge_id="ch_2"), Decision(OrderStatus.PAID))


class TestAColumnThatIsMissing:
    def test_is_left_out(self, described: Site) -> None:
        described.gateway.answers.extend([DOWN, PAID])
        placed = described.producer.place(order())
        described.advance(60)
        assert described.retrier.run(placed.order_id) is OrderStatus.PAID
        assert described.get().status is OrderStatus.PAID
        assert prune(described) == 0

    def test_is_used_as_soon_as_it_exists(self, described: Site) -> None:
        row = {"id": "1", "description": "tea"}
        read = described.database.read
        with pytest.raises(SchemaError, match=r"no column description .*run `breakwall db upgrade`"):
            read(lambda connection: without_missing_columns(connection, orders, [row]))
        assert read(
            lambda connection: without_missing_columns(connection, orders, [row | {"description": None}])
        ) == [{"id": "1"}]
        execute(described, "ALTER TABLE orders ADD COLUMN description VARCHAR(500)")
        assert read(lambda connection: without_missing_columns(connection, orders, [row])) == [row]
        assert read(lambda connection: missing_columns(connection, orders)) == set()

    def test_is_left_out_again_after_a_downgrade(self, described: Site) -> None:
        execute(described, "ALTER TABLE orders ADD COLUMN description VARCHAR(500)")
        described.database.read(lambda connection: missing_columns(connection, orders))
        execute(described, "ALTER TABLE orders DROP COLUMN description")
        described.gateway.answers.append(PAID)
        assert described.producer.place(order()).status == "paid"

    def test_hinders_neither_pruning_nor_a_pruned_order_that_comes_back(self, described: Site) -> None:
        order_id = place_and_prune(described, order())
        assert described.producer.place(order()).replayed
        described.open_circuit()
        assert described.producer.enqueue([order(), order("cart-2")])[0].replayed
        late_second_charge(described, order_id, "tea")
        assert described.get().charge_id == "ch_1"


class TestAFieldThatIsKeptOfAPrunedOrder:
    def test_is_compared(self, described: Site) -> None:
        add_columns(described)
        place_and_prune(described, described_order("tea"))
        assert described.producer.place(described_order("tea")).replayed
        with pytest.raises(IdempotencyConflictError, match="another description"):
            described.producer.place(described_order("milk"))

    def test_is_not_compared_if_the_order_was_pruned_before_the_field_was_added(
        self, described: Site
    ) -> None:
        place_and_prune(described, order())
        add_columns(described)
        assert described.producer.place(described_order("tea")).replayed

    @pytest.mark.parametrize("sent", [None, "tea"])
    def test_is_restored_by_a_late_answer(self, described: Site, sent: str | None) -> None:
        add_columns(described)
        order_id = place_and_prune(described, described_order("tea"))
        late_second_charge(described, order_id, sent)
        assert stored_description(described) == "tea"

    def test_that_was_not_kept_is_restored_from_the_request(self, described: Site) -> None:
        order_id = place_and_prune(described, order())
        add_columns(described)
        late_second_charge(described, order_id, "tea")
        assert stored_description(described) == "tea"


def stored_description(site: Site) -> str | None:
    return site.database.read(lambda connection: connection.scalar(select(orders.c.description)))
