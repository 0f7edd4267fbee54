"""While a fleet is rolled, processes of this version work on the tables of the version before, and of the one after."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import asdict, dataclass, replace

import pytest
from sqlalchemy import Column, String, select

from breakwall.migrations import HEAD
from breakwall.payments import orders as order_fields
from breakwall.payments.db.database import Database, DatabaseUnavailableError, SchemaError
from breakwall.payments.db.revisions import (
    BEFORE,
    check_revision,
    check_schema,
    missing_columns,
    starts_after_upgrade,
    without_missing_columns,
)
from breakwall.payments.db.schema import NEWEST, known_keys, orders
from breakwall.payments.decisions import Decision, Progress
from breakwall.payments.gateways.base import ChargeRequest
from breakwall.payments.keys import derive_charge_key
from breakwall.payments.ledger import pruned_orders
from breakwall.payments.ledger.claim import Attempt, Claim
from breakwall.payments.ledger.pruned_orders import PrunedOrder
from breakwall.payments.ledger.pruning import Pruning
from breakwall.payments.ledger.queries import OrderNotFoundError, OrderPrunedError
from breakwall.payments.operator.resolve import resolve_paid
from breakwall.payments.orders import IdempotencyConflictError, Order, OrderStatus
from tests.contract.payments.db.rolling import execute, go_ahead, go_back, stand_at
from tests.contract.people import ANNA
from tests.contract.site import LEASE, Site, order
from tests.gateway import ABSENT, DECLINED, DOWN, LOST, PAID
from tests.unit.payments.remarked_order import RemarkedOrder


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

    def test_prunes(self, rolled: Site) -> None:
        rolled.gateway.answers.append(DECLINED)
        rolled.producer.place(order())
        rolled.advance(100)
        assert prune(rolled) >= 1
        with pytest.raises(OrderPrunedError):
            rolled.get()

    def test_finds_no_missing_order(self, rolled: Site) -> None:
        with pytest.raises(OrderNotFoundError):
            rolled.get("cart-9")


def test_each_revision_from_the_version_before_to_the_version_after_is_worked_with() -> None:
    for number in range(int(BEFORE), int(HEAD) + 2):
        check_revision(f"{number:04d}")


@pytest.mark.parametrize(
    ("before", "after", "starts"),
    [("0008", "0009", True), ("0009", "0009", True), ("0007", "0009", False), ("0004", "0005", False)],
)
def test_a_process_starts_again_after_one_revision_and_not_after_two(
    before: str, after: str, starts: bool
) -> None:
    assert starts_after_upgrade(before, after) is starts


@pytest.mark.parametrize(
    ("revision", "told"),
    [
        (f"{int(HEAD) + 2:04d}", f"is at revision {int(HEAD) + 2:04d}.*a newer Breakwall has migrated it"),
        (f"{int(BEFORE) - 1:04d}", f"is at revision {int(BEFORE) - 1:04d}.*run `breakwall db upgrade`"),
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


@pytest.fixture
def remarked(site: Site, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """A site of a version whose revision adds a field to the orders, on tables that do not have its columns yet."""
    added = [(table, Column("remark", String(500), info=NEWEST)) for table in (orders, known_keys)]
    for table, column in added:
        table.append_column(column)
    monkeypatch.setattr(order_fields, "FIELDS", (*order_fields.FIELDS, "remark"))
    monkeypatch.setattr(pruned_orders, "PrunedOrder", RemarkedPrunedOrder)
    yield site
    for table, column in added:
        table._columns.remove(column)  # type: ignore[attr-defined]


@dataclass(frozen=True, slots=True)
class RemarkedPrunedOrder(PrunedOrder):
    remark: str | None = None


@dataclass(frozen=True, slots=True)
class RemarkedRequest(ChargeRequest):
    remark: str | None = None


def remarked_order(remark: str | None) -> Order:
    return RemarkedOrder(**asdict(order()), remark=remark)


def add_columns(site: Site) -> None:
    for table in ("orders", "known_keys"):
        execute(site, f"ALTER TABLE {table} ADD COLUMN remark VARCHAR(500)")


def drop_columns(site: Site) -> None:
    for table in ("orders", "known_keys"):
        execute(site, f"ALTER TABLE {table} DROP COLUMN remark")


def place_and_prune(site: Site, placed: Order) -> str:
    site.gateway.answers.append(PAID)
    order_id = site.producer.place(placed).order_id
    site.advance(100)
    assert prune(site) == 1
    return order_id


def late_second_charge(site: Site, order_id: str, remark: str | None) -> None:
    request = RemarkedRequest(order_id, "u1", 10_000, "KRW", derive_charge_key(order_id), remark=remark)
    attempt = Attempt(Claim(request, 1, Progress()), 1)
    site.ledger.record(attempt, replace(PAID, charge_id="ch_2"), Decision(OrderStatus.PAID))


def place_one(site: Site, placed: Order) -> OrderStatus:
    return site.producer.place(placed).status


def enqueue_one(site: Site, placed: Order) -> OrderStatus:
    return site.producer.enqueue([placed])[0].status


@pytest.mark.parametrize("hand_in", [place_one, enqueue_one])
class TestAnOrderWithAValueForAMissingColumn:
    def test_is_refused_and_not_charged_without_it(
        self, remarked: Site, hand_in: Callable[[Site, Order], OrderStatus]
    ) -> None:
        """Dropped, the value would never reach the payment service, and a replay would not differ."""
        with pytest.raises(SchemaError, match=r"no column remark .*run `breakwall db upgrade`"):
            hand_in(remarked, remarked_order("tea"))
        assert remarked.gateway.charged == []
        with pytest.raises(OrderNotFoundError):
            remarked.get()

    def test_is_accepted_after_the_migration_without_a_restart(
        self, remarked: Site, hand_in: Callable[[Site, Order], OrderStatus]
    ) -> None:
        with pytest.raises(SchemaError):
            hand_in(remarked, remarked_order("tea"))
        add_columns(remarked)
        remarked.gateway.answers.append(PAID)
        assert hand_in(remarked, remarked_order("tea")) in {"paid", "queued"}
        assert stored_remark(remarked) == "tea"

    def test_is_refused_again_after_a_downgrade(
        self, remarked: Site, hand_in: Callable[[Site, Order], OrderStatus]
    ) -> None:
        add_columns(remarked)
        remarked.gateway.answers.append(PAID)
        hand_in(remarked, remarked_order("tea"))
        drop_columns(remarked)
        with pytest.raises(SchemaError):
            hand_in(remarked, replace(remarked_order("tea"), idempotency_key="cart-2"))
        assert remarked.producer.enqueue([order()])[0].replayed


def test_an_order_that_is_refused_does_not_refuse_those_that_it_shares_a_transaction_with(
    remarked: Site,
) -> None:
    remarked.open_circuit()
    plain = [order(f"cart-{n}") for n in range(2, 6)]
    with ThreadPoolExecutor(5) as threads:
        placed = [threads.submit(remarked.producer.place, one) for one in (remarked_order("tea"), *plain)]
    assert isinstance(placed[0].exception(), SchemaError)
    assert [one.result().status for one in placed[1:]] == ["queued"] * 4


class TestAColumnThatIsMissing:
    def test_is_left_out(self, remarked: Site) -> None:
        remarked.gateway.answers.extend([DOWN, PAID])
        placed = remarked.producer.place(order())
        remarked.advance(60)
        assert remarked.retrier.run(placed.order_id) is OrderStatus.PAID
        assert remarked.get().status is OrderStatus.PAID
        assert prune(remarked) == 0

    def test_is_used_as_soon_as_it_exists(self, remarked: Site) -> None:
        row = {"id": "1", "remark": "tea"}
        read = remarked.database.read
        with pytest.raises(SchemaError, match=r"no column remark .*run `breakwall db upgrade`"):
            read(lambda connection: without_missing_columns(connection, orders, [row]))
        assert read(
            lambda connection: without_missing_columns(connection, orders, [row | {"remark": None}])
        ) == [{"id": "1"}]
        execute(remarked, "ALTER TABLE orders ADD COLUMN remark VARCHAR(500)")
        assert read(lambda connection: without_missing_columns(connection, orders, [row])) == [row]
        assert read(lambda connection: missing_columns(connection, orders)) == set()

    def test_is_left_out_again_after_a_downgrade(self, remarked: Site) -> None:
        execute(remarked, "ALTER TABLE orders ADD COLUMN remark VARCHAR(500)")
        remarked.database.read(lambda connection: missing_columns(connection, orders))
        execute(remarked, "ALTER TABLE orders DROP COLUMN remark")
        remarked.gateway.answers.append(PAID)
        assert remarked.producer.place(order()).status == "paid"

    def test_hinders_neither_pruning_nor_a_pruned_order_that_comes_back(self, remarked: Site) -> None:
        order_id = place_and_prune(remarked, order())
        assert remarked.producer.place(order()).replayed
        remarked.open_circuit()
        assert remarked.producer.enqueue([order(), order("cart-2")])[0].replayed
        late_second_charge(remarked, order_id, "tea")
        assert remarked.get().charge_id == "ch_1"


class TestAFieldThatIsKeptOfAPrunedOrder:
    def test_is_compared(self, remarked: Site) -> None:
        add_columns(remarked)
        place_and_prune(remarked, remarked_order("tea"))
        assert remarked.producer.place(remarked_order("tea")).replayed
        with pytest.raises(IdempotencyConflictError, match="another remark"):
            remarked.producer.place(remarked_order("milk"))

    def test_is_not_compared_if_the_order_was_pruned_before_the_field_was_added(self, remarked: Site) -> None:
        place_and_prune(remarked, order())
        add_columns(remarked)
        assert remarked.producer.place(remarked_order("tea")).replayed

    @pytest.mark.parametrize("sent", [None, "tea"])
    def test_is_restored_by_a_late_answer(self, remarked: Site, sent: str | None) -> None:
        add_columns(remarked)
        order_id = place_and_prune(remarked, remarked_order("tea"))
        late_second_charge(remarked, order_id, sent)
        assert stored_remark(remarked) == "tea"

    def test_that_was_not_kept_is_restored_from_the_request(self, remarked: Site) -> None:
        order_id = place_and_prune(remarked, order())
        add_columns(remarked)
        late_second_charge(remarked, order_id, "tea")
        assert stored_remark(remarked) == "tea"


def stored_remark(site: Site) -> str | None:
    return site.database.read(lambda connection: connection.scalar(select(orders.c.remark)))
