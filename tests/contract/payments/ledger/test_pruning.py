"""Finished orders are pruned; their keys stay known. On SQLite and on PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, Table, func, insert, select, text, update

from breakwall.payments.db.database import DatabaseUnavailableError
from breakwall.payments.db.operator_tables import earlier_ends, order_traces, payment_hints
from breakwall.payments.db.schema import (
    attempts,
    charges,
    deliveries,
    destinations,
    incidents,
    interventions,
    known_keys,
    metadata,
    orders,
    outcomes,
)
from breakwall.payments.db.schema import site as names
from breakwall.payments.decisions import Decision, Progress
from breakwall.payments.gateways.base import ChargeRequest
from breakwall.payments.incidents import IncidentKind
from breakwall.payments.interventions import Author
from breakwall.payments.keys import derive_charge_key, key_shape
from breakwall.payments.ledger import record
from breakwall.payments.ledger.accept import known_orders
from breakwall.payments.ledger.audit import list_incidents, report_incident
from breakwall.payments.ledger.charges import assign_charge, known_charges
from breakwall.payments.ledger.claim import Attempt, Claim
from breakwall.payments.ledger.pruned_orders import PrunedOrder, digest_user
from breakwall.payments.ledger.pruning import BATCH, Pruning
from breakwall.payments.ledger.queries import Naming, OrderNotFoundError, OrderPrunedError, get_order
from breakwall.payments.operator.incidents import close_incident, open_incident
from breakwall.payments.orders import IdempotencyConflictError, Order, OrderStatus
from breakwall.payments.reconciliation.compare import Kind
from breakwall.payments.reconciliation.report import ReportLine
from breakwall.payments.reconciliation.run import Period, Reconciliation
from breakwall.producers.importing import OrderImporter
from breakwall.producers.order_files import OrderLine
from tests.contract.people import ANNA, dead
from tests.contract.site import Site, order
from tests.gateway import DECLINED, PAID

DAY = 86_400.0
KEYS_FOR = 400 * DAY


class PruningSite:
    """A site that is pruned."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.pruning = Pruning(
            site.database, keys_for=KEYS_FOR, clock=site.clock, sleep=lambda seconds: None, timer=lambda: 0.0
        )

    def paid(self, key: str = "cart-1", charge_id: str | None = None) -> str:
        self.site.gateway.answers.append(replace(PAID, charge_id=charge_id or f"ch_of_{key}"))
        return self.site.producer.place(order(key)).order_id

    def declined(self, key: str = "cart-1") -> str:
        self.site.gateway.answers.append(DECLINED)
        return self.site.producer.place(order(key)).order_id

    def prune(self, age: float = 90 * DAY) -> int:
        return sum(pruned for pruned, _ in self.pruning.run(age))

    def prune_after(self, age: float = 90 * DAY) -> int:
        self.site.advance(age + 1)
        return self.prune(age)

    def number(self, table: Table) -> int:
        counted = select(func.count()).select_from(table)
        return self.site.database.read(lambda connection: connection.scalar(counted) or 0)

    def told_later(self, key: str = "cart-1") -> None:
        """An order whose end is written as an outcome."""
        self.site.producer.enqueue([order(key)])
        self.site.people.cancel(key, ANNA)

    def destination(self, name: str) -> None:
        self.write(
            lambda connection: connection.execute(
                insert(destinations).values(name=name, since=self.site.clock.now)
            )
        )

    def newest_outcome(self) -> int:
        newest = select(func.max(outcomes.c.id))
        return self.site.database.read(lambda connection: connection.scalar(newest) or 0)

    def take(self) -> int:
        """The outcome is on its way to the webhook."""
        number, now = self.newest_outcome(), self.site.clock.now
        order_id = select(outcomes.c.order_id).where(outcomes.c.id == number).scalar_subquery()
        values = {"outcome_id": number, "destination": "webhook", "order_id": order_id, "due_at": now}
        self.write(lambda connection: connection.execute(update(outcomes).values(taken_at=now)))
        self.write(lambda connection: connection.execute(insert(deliveries).values(values)))
        return number

    def deliver(self, number: int) -> None:
        self._end(number, "delivered_at")

    def give_up(self, number: int) -> None:
        self._end(number, "given_up_at")

    def _end(self, number: int, column: str) -> None:
        ended = update(deliveries).where(deliveries.c.outcome_id == number)
        values = {"due_at": None, column: self.site.clock.now}
        self.write(lambda connection: connection.execute(ended.values(values)))

    def write(self, work: Callable[[Connection], Any]) -> Any:
        return self.site.database.write(work, name="test")


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def shared_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """One database for all of these tests. Each empties it, which is faster than making one."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path_factory.mktemp('pruning') / 'breakwall.db'}"
    server = request.getfixturevalue("_postgres")
    server.ensure_running()
    return str(server.fresh_url())


@pytest.fixture
def pruned_site(shared_url: str) -> Iterator[PruningSite]:
    site = Site(shared_url)
    with site.database.engine.begin() as connection:
        for table in reversed(metadata.sorted_tables):
            if table is not names:
                connection.execute(table.delete())
    yield PruningSite(site)
    site.producer.close()


class TestWhatIsPruned:
    def test_is_what_has_ended_long_ago_with_all_that_belongs_to_it(self, pruned_site: PruningSite) -> None:
        order_id = pruned_site.paid()
        found = open_incident(
            pruned_site.site.database, order_id, Author("anna", "odd"), clock=pruned_site.site.clock
        )
        close_incident(pruned_site.site.database, found.id, ANNA, clock=pruned_site.site.clock)
        pruned_site.site.producer.enqueue([order("cart-2")])
        pruned_site.site.people.cancel("cart-2", ANNA)
        assert pruned_site.prune_after() == 2
        assert [pruned_site.number(table) for table in (orders, attempts, incidents, interventions)] == [
            0
        ] * 4

    def test_takes_the_hint_and_the_trace_of_an_order_with_it(self, pruned_site: PruningSite) -> None:
        order_id, now = pruned_site.paid(), pruned_site.site.clock.now
        other = pruned_site.site.producer.enqueue([order("cart-2")])[0].order_id
        for row in ({"order_id": one, "at": now} for one in (order_id, other)):
            pruned_site.write(
                lambda connection, row=row: (
                    connection.execute(insert(payment_hints).values(row)),
                    connection.execute(insert(order_traces).values(**row, parent="00-1-2-01")),
                )
            )
        assert pruned_site.prune_after() == 1
        for table in (payment_hints, order_traces):
            left = select(table.c.order_id)
            found = pruned_site.site.database.read(
                lambda connection, left=left: connection.scalars(left).all()
            )
            assert found == [other]

    def test_takes_the_earlier_ends_of_an_order_with_it(self, pruned_site: PruningSite) -> None:
        site = pruned_site.site
        site.people.resolve_paid(dead(site, "cart-1")[0], "ch_1", ANNA)
        assert pruned_site.number(earlier_ends) == 1
        assert pruned_site.prune_after() == 1
        assert pruned_site.number(earlier_ends) == 0

    def test_is_nothing_that_ended_just_now(self, pruned_site: PruningSite) -> None:
        pruned_site.paid()
        pruned_site.site.advance(90 * DAY - 1)
        assert pruned_site.prune() == 0
        assert pruned_site.number(orders) == 1

    @pytest.mark.parametrize("status", ["queued", "in_flight", "review", "dead"])
    def test_is_nothing_that_still_waits_for_a_person_or_a_process(
        self, pruned_site: PruningSite, status: str
    ) -> None:
        order_id = pruned_site.declined()
        now = pruned_site.site.clock.after(0)
        state = {
            "queued": {"next_attempt_at": now, "dispatch_at": now},
            "in_flight": {"lease_until": now},
        }.get(status, {})
        pruned_site.write(
            lambda connection: connection.execute(
                update(orders).where(orders.c.id == order_id).values(status=status, **state)
            )
        )
        assert pruned_site.prune_after() == 0

    def test_is_nothing_that_is_suspected(self, pruned_site: PruningSite) -> None:
        pruned_site.declined()
        doubted = update(orders).values(suspected_at=pruned_site.site.clock.after(0))
        pruned_site.write(lambda connection: connection.execute(doubted))
        assert pruned_site.prune_after() == 0

    def test_is_nothing_with_an_open_incident_until_that_is_closed(self, pruned_site: PruningSite) -> None:
        order_id = pruned_site.paid()
        found = open_incident(
            pruned_site.site.database, order_id, Author("anna", "odd"), clock=pruned_site.site.clock
        )
        assert pruned_site.prune_after() == 0
        close_incident(pruned_site.site.database, found.id, ANNA, clock=pruned_site.site.clock)
        assert pruned_site.prune() == 1

    def test_is_nothing_that_the_shop_was_not_told_yet(self, pruned_site: PruningSite) -> None:
        pruned_site.destination("webhook")
        pruned_site.told_later()
        assert pruned_site.prune_after() == 0
        number = pruned_site.take()
        assert pruned_site.prune() == 0
        pruned_site.deliver(number)
        assert pruned_site.prune() == 1
        assert [pruned_site.number(table) for table in (orders, outcomes, deliveries)] == [0, 0, 0]

    @pytest.mark.parametrize("configured", [None, "later", "removed"])
    def test_is_what_nobody_is_to_be_told(self, pruned_site: PruningSite, configured: str | None) -> None:
        """There is no destination, or it was configured after the end, or it is not configured any more."""
        if configured == "removed":
            pruned_site.destination("webhook")
        pruned_site.told_later()
        if configured == "removed":
            pruned_site.take()
            pruned_site.write(lambda connection: connection.execute(destinations.delete()))
        pruned_site.site.advance(1.0)
        if configured == "later":
            pruned_site.destination("webhook")
        assert pruned_site.prune_after() == 1
        assert [pruned_site.number(table) for table in (orders, outcomes, deliveries)] == [0, 0, 0]

    def test_is_what_was_given_up_to_tell_once_its_incident_is_closed(self, pruned_site: PruningSite) -> None:
        pruned_site.destination("webhook")
        pruned_site.told_later()
        pruned_site.give_up(pruned_site.take())
        assert pruned_site.prune_after() == 1

    def test_leaves_the_numbers_of_outcomes_unused(self, pruned_site: PruningSite) -> None:
        """The shop knows an outcome by its number, and would take a second one for the first."""
        pruned_site.told_later()
        first = pruned_site.newest_outcome()
        pruned_site.prune_after()
        pruned_site.told_later("cart-2")
        assert pruned_site.newest_outcome() > first

    def test_is_all_of_it_behind_what_is_kept(self, pruned_site: PruningSite) -> None:
        number = BATCH + 5
        pruned_site.site.producer.enqueue(order(f"cart-{n}") for n in range(number))
        for n in range(number):
            pruned_site.site.people.cancel(f"cart-{n}", ANNA)
        kept = [get_order(pruned_site.site.database, f"cart-{n}").id for n in (0, 7)]
        for order_id in kept:
            open_incident(
                pruned_site.site.database, order_id, Author("anna", "odd"), clock=pruned_site.site.clock
            )
        assert pruned_site.prune_after() == number - 2
        left = pruned_site.site.database.read(lambda connection: set(connection.scalars(select(orders.c.id))))
        assert left == set(kept)

    def test_is_counted_beforehand(self, pruned_site: PruningSite) -> None:
        pruned_site.paid("cart-1")
        pruned_site.declined("cart-2")
        pruned_site.site.advance(91 * DAY)
        assert pruned_site.pruning.preview(90 * DAY) == (2, 0)
        assert pruned_site.number(orders) == 2


class TestAnOrderThatIsPlacedAgainAfterItWasPruned:
    def test_is_answered_with_how_it_ended_and_not_charged(self, pruned_site: PruningSite) -> None:
        order_id = pruned_site.paid()
        pruned_site.prune_after()
        pruned_site.site.gateway.charged.clear()
        result = pruned_site.site.producer.place(order())
        assert (result.order_id, result.status, result.charge_id) == (order_id, "paid", "ch_of_cart-1")
        assert result.replayed
        assert pruned_site.site.gateway.charged == []
        assert [pruned_site.number(table) for table in (orders, attempts)] == [0, 0]

    def test_is_answered_so_while_the_circuit_is_open(self, pruned_site: PruningSite) -> None:
        pruned_site.paid()
        pruned_site.prune_after()
        pruned_site.site.open_circuit()
        result = pruned_site.site.producer.place(order())
        assert (result.status, result.replayed) == ("paid", True)
        assert (pruned_site.number(orders), pruned_site.site.publisher.published) == (0, [])

    def test_is_answered_so_among_new_ones(self, pruned_site: PruningSite) -> None:
        pruned_site.declined()
        pruned_site.prune_after()
        known, new = pruned_site.site.producer.enqueue([order("cart-1"), order("cart-2")])
        assert (known.status, known.replayed) == ("declined", True)
        assert (new.status, new.replayed) == ("queued", False)
        assert pruned_site.site.publisher.published == [new.order_id]

    @pytest.mark.parametrize("way", ["place", "enqueue"])
    @pytest.mark.parametrize(
        ("other", "field"),
        [
            (replace(order(), amount=1), "amount"),
            (replace(order(), user_id="u2"), "user_id"),
            (replace(order(), currency="USD"), "currency"),
        ],
    )
    def test_is_refused_with_another_payload(
        self, pruned_site: PruningSite, other: Order, field: str, way: str
    ) -> None:
        pruned_site.paid()
        pruned_site.prune_after()
        hand_in = (
            pruned_site.site.producer.place
            if way == "place"
            else lambda one: pruned_site.site.producer.enqueue([one])
        )
        with pytest.raises(IdempotencyConflictError) as caught:
            hand_in(other)
        assert caught.value.fields == [field]
        assert pruned_site.number(orders) == 0

    def test_is_known_also_where_its_id_is_another_as_before_revision_0004(
        self, pruned_site: PruningSite
    ) -> None:
        pruned_site.declined()
        pruned_site.prune_after()
        pruned_site.write(
            lambda connection: connection.execute(update(known_keys).values(order_id="of-before"))
        )
        # Orders of that time had no details.
        known = update(known_keys).values(user_digest=digest_user("of-before", "u1"), details_digest=None)
        pruned_site.write(lambda connection: connection.execute(known))
        pruned_site.site.gateway.charged.clear()
        result = pruned_site.site.producer.place(order())
        assert (result.order_id, result.replayed) == ("of-before", True)
        assert pruned_site.site.gateway.charged == []

    def test_is_known_to_an_import(self, pruned_site: PruningSite) -> None:
        pruned_site.paid("cart-1")
        pruned_site.paid("cart-2")
        pruned_site.prune_after()
        bad: list[int] = []
        importer = OrderImporter(
            pruned_site.site.producer, pruned_site.site.database, lambda number, problem: bad.append(number)
        )
        lines = [
            OrderLine(1, order("cart-1")),
            OrderLine(2, order("cart-2", 7)),
            OrderLine(3, order("cart-3")),
        ]
        list(importer.run(lines))
        summary = importer.summary
        assert (summary.accepted, summary.already_known, bad) == (1, 1, [2])

    def test_is_a_new_order_once_its_key_is_forgotten(self, pruned_site: PruningSite) -> None:
        pruned_site.declined()
        pruned_site.prune_after()
        pruned_site.site.advance(KEYS_FOR)
        pruned_site.prune()
        pruned_site.site.gateway.answers.append(PAID)
        result = pruned_site.site.producer.place(order())
        assert (result.status, result.replayed) == ("paid", False)


@pytest.fixture
def slow_pruning(pruned_site: PruningSite) -> Callable[[Callable[[], Any]], Any]:
    """Runs a call while a pruning has deleted an order and not committed yet, on PostgreSQL."""
    if pruned_site.site.database.engine.dialect.name == "sqlite":
        pytest.skip("SQLite has one writer: nobody is beside it")

    def beside(deed: Callable[[], Any]) -> Any:
        order_id = pruned_site.site.get().id
        with ThreadPoolExecutor(1) as threads, pruned_site.site.database.engine.connect() as pruner:
            assert pruned_site.pruning._prune(pruner, [order_id], 90 * DAY) == 1
            doing = threads.submit(deed)
            wait_for_a_lock(pruned_site)
            pruner.commit()
            return doing.result(30)

    return beside


def wait_for_a_lock(pruned_site: PruningSite) -> None:
    waiting = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
    for _ in range(3000):
        with pruned_site.site.database.engine.connect() as connection:
            if connection.scalar(waiting):
                return
            connection.execute(text("SELECT pg_sleep(0.01)"))
    raise AssertionError("nobody waits")


def set_default(pruned_site: PruningSite, what: str) -> None:
    """The server's setting, for new connections."""
    with pruned_site.site.database.engine.begin() as connection:
        connection.execute(text(f'ALTER DATABASE "{pruned_site.site.database.engine.url.database}" {what}'))
    pruned_site.site.database.close()


@pytest.mark.both_databases  # On SQLite nobody is beside the pruning: it is skipped there.
class TestAnOrderThatIsPlacedWhileItIsPruned:
    @pytest.mark.parametrize("default", ["repeatable read", "serializable"])
    @pytest.mark.parametrize("way", ["place", "enqueue"])
    def test_is_not_charged_again_whatever_the_servers_default(
        self,
        pruned_site: PruningSite,
        slow_pruning: Callable[[Callable[[], Any]], Any],
        way: str,
        default: str,
    ) -> None:
        pruned_site.paid()
        pruned_site.site.advance(91 * DAY)
        pruned_site.site.gateway.charged.clear()
        place, enqueue = pruned_site.site.producer.place, pruned_site.site.producer.enqueue
        set_default(pruned_site, f"SET default_transaction_isolation = '{default}'")
        try:
            result = slow_pruning(lambda: place(order()) if way == "place" else enqueue([order()])[0])
        finally:
            set_default(pruned_site, "RESET default_transaction_isolation")
        assert (result.status, result.replayed) == ("paid", True)
        assert (pruned_site.site.gateway.charged, pruned_site.number(orders)) == ([], 0)

    def test_is_kept_where_an_incident_is_being_opened(self, pruned_site: PruningSite) -> None:
        if pruned_site.site.database.engine.dialect.name == "sqlite":
            pytest.skip("SQLite has one writer: nobody is beside it")
        order_id = pruned_site.paid()
        pruned_site.site.advance(91 * DAY)
        with pruned_site.site.database.engine.connect() as writer:
            report_incident(writer, pruned_site.site.clock, order_id, IncidentKind.REPORTED, "odd")
            assert pruned_site.prune() == 0
            writer.commit()
        assert pruned_site.prune() == 0


class TestAPrunedOrder:
    @pytest.mark.parametrize("by", [Naming.ANY, Naming.ID, Naming.KEY, Naming.SENT])
    def test_is_found_by_every_name_as_pruned(self, pruned_site: PruningSite, by: Naming) -> None:
        order_id = pruned_site.paid()
        pruned_site.prune_after()
        names = {Naming.ID: order_id, Naming.SENT: derive_charge_key(order_id)}
        with pytest.raises(
            OrderPrunedError, match=r"finished as paid by ch_of_cart-1 .* was pruned on"
        ) as caught:
            get_order(pruned_site.site.database, names.get(by, "cart-1"), by)
        pruned: PrunedOrder = caught.value.pruned
        assert (pruned.id, pruned.status, pruned.amount) == (order_id, OrderStatus.PAID, 10_000)
        assert pruned.pruned_at == pruned_site.site.clock.now

    def test_keeps_no_users_id(self, pruned_site: PruningSite) -> None:
        pruned_site.paid()
        pruned_site.prune_after()
        (row,) = pruned_site.site.database.read(
            lambda connection: connection.execute(select(known_keys)).all()
        )
        assert "u1" not in map(str, row)

    def test_that_was_never_there_is_not_found(self, pruned_site: PruningSite) -> None:
        with pytest.raises(OrderNotFoundError) as caught:
            get_order(pruned_site.site.database, "cart-1")
        assert not isinstance(caught.value, OrderPrunedError)

    def test_cannot_be_acted_on_also_where_that_began_before(self, pruned_site: PruningSite) -> None:
        pruned_site.declined()
        pruned_site.prune_after()
        with pytest.raises(OrderPrunedError):
            pruned_site.site.people.cancel("cart-1", ANNA)

    def test_keeps_its_charge_from_paying_another_order(self, pruned_site: PruningSite) -> None:
        pruned_site.paid("cart-1", "ch_1")
        pruned_site.prune_after()
        pruned_site.paid("cart-2", "ch_1")
        assert pruned_site.site.get("cart-2").status is OrderStatus.REVIEW

    def test_of_before_charges_were_written_down_keeps_its_charge_too(self, pruned_site: PruningSite) -> None:
        pruned_site.paid("cart-1", "ch_1")
        pruned_site.write(lambda connection: connection.execute(charges.delete()))
        pruned_site.prune_after()
        pruned_site.paid("cart-2", "ch_1")
        assert pruned_site.site.get("cart-2").status is OrderStatus.REVIEW

    def test_that_an_older_version_has_accepted_again_is_pruned_again(self, pruned_site: PruningSite) -> None:
        pruned_site.declined()
        row = pruned_site.site.database.read(lambda connection: connection.execute(select(orders)).one())
        pruned_site.prune_after()
        pruned_site.write(lambda connection: connection.execute(insert(orders).values(tuple(row))))
        assert pruned_site.prune_after() == 1
        assert (pruned_site.number(orders), pruned_site.number(known_keys)) == (0, 1)


class TestAnAnswerThatComesAfterThePruning:
    def late(self, order_id: str, key: str | None = None) -> Claim:
        key = key or derive_charge_key(order_id)
        return Claim(ChargeRequest(order_id, "u1", 10_000, "KRW", key, "cart-1"), 1, Progress())

    def test_changes_nothing_if_it_is_known_already(self, pruned_site: PruningSite) -> None:
        order_id = pruned_site.paid()
        pruned_site.prune_after()
        recorded = pruned_site.site.ledger.record(
            _attempt(self.late(order_id)), replace(PAID, charge_id="ch_of_cart-1"), Decision(OrderStatus.PAID)
        )
        assert recorded[:2] == (OrderStatus.PAID, "ch_of_cart-1")
        assert pruned_site.number(orders) == 0

    def test_brings_the_order_back_where_it_proves_a_second_charge(self, pruned_site: PruningSite) -> None:
        order_id = pruned_site.paid()
        pruned_site.prune_after()
        recorded = pruned_site.site.ledger.record(
            _attempt(self.late(order_id)), replace(PAID, charge_id="ch_2"), Decision(OrderStatus.PAID)
        )
        assert recorded[:2] == (OrderStatus.PAID, "ch_of_cart-1")
        assert [found.kind for found in list_incidents(pruned_site.site.database, order_id)] == [
            "two_charges"
        ]
        assert pruned_site.prune_after() == 0, "it has an open incident"

    @pytest.mark.parametrize("ended", ["declined", "cancelled"])
    def test_brings_the_order_back_where_it_proves_the_only_charge(
        self, pruned_site: PruningSite, ended: str
    ) -> None:
        if ended == "declined":
            pruned_site.declined()
        else:
            pruned_site.site.producer.enqueue([order()])
            pruned_site.site.people.cancel("cart-1", ANNA)
        order_id = pruned_site.site.get().id
        pruned_site.prune_after()
        recorded = pruned_site.site.ledger.record(
            _attempt(self.late(order_id)), replace(PAID, charge_id="ch_9"), Decision(OrderStatus.PAID)
        )
        assert recorded[:2] == (OrderStatus.PAID, "ch_9")
        assert pruned_site.site.get().status is OrderStatus.PAID
        kinds = [found.kind for found in list_incidents(pruned_site.site.database, order_id)]
        assert kinds == (["charged_after_cancel"] if ended == "cancelled" else [])

    def test_that_proves_nothing_changes_nothing(self, pruned_site: PruningSite) -> None:
        order_id = pruned_site.paid()
        pruned_site.prune_after()
        status, *_ = pruned_site.site.ledger.record(
            _attempt(self.late(order_id)), DECLINED, Decision(OrderStatus.DECLINED)
        )
        assert status is OrderStatus.PAID
        assert pruned_site.number(orders) == 0

    def test_with_another_orders_charge_restores_the_order_with_an_incident(
        self, pruned_site: PruningSite
    ) -> None:
        order_id = pruned_site.paid("cart-1")
        pruned_site.prune_after()
        pruned_site.paid("cart-2", "ch_2")
        answer = replace(PAID, charge_id="ch_2")
        pruned_site.site.ledger.record(_attempt(self.late(order_id)), answer, Decision(OrderStatus.PAID))
        assert [found.kind for found in list_incidents(pruned_site.site.database, order_id)] == [
            "wrong_charge"
        ]

    def test_with_another_orders_charge_during_the_pruning_keeps_the_order(
        self, pruned_site: PruningSite, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        if pruned_site.site.database.engine.dialect.name == "sqlite":
            pytest.skip("SQLite has one writer: nobody is beside it")
        order_id = pruned_site.paid("cart-1")
        pruned_site.site.advance(91 * DAY)
        pruned_site.paid("cart-2", "ch_2")
        pruned = []

        def prune_first(*told: Any) -> None:
            pruned.append(pruned_site.prune())
            report_incident(*told)

        monkeypatch.setattr(record, "report_incident", prune_first)
        answer = replace(PAID, charge_id="ch_2")
        pruned_site.site.ledger.record(_attempt(self.late(order_id)), answer, Decision(OrderStatus.PAID))
        assert pruned == [0]
        assert [found.kind for found in list_incidents(pruned_site.site.database, order_id)] == [
            "wrong_charge"
        ]


def test_an_order_whose_key_is_forgotten_meanwhile_is_refused_as_safe_to_place_again(
    pruned_site: PruningSite,
) -> None:
    """Its pruned order was there when the order was inserted, and is gone when it is read."""
    with pytest.raises(DatabaseUnavailableError, match="is safe"):
        pruned_site.site.database.read(lambda connection: known_orders(connection, [order()]))


def _attempt(claim: Claim) -> Attempt:
    return Attempt(claim, 1)


class TestAKeyThatIsForgotten:
    def test_goes_with_its_charge_but_the_newest_of_a_shape_stay(self, pruned_site: PruningSite) -> None:
        for number in range(5):
            pruned_site.paid(f"cart-{number}", f"ch_{number}")
            pruned_site.site.advance(1)
        pruned_site.prune_after()
        pruned_site.site.advance(KEYS_FOR)
        assert pruned_site.prune() == 0
        assert pruned_site.number(known_keys) == 0
        shape = key_shape(derive_charge_key("0" * 32))
        known = known_charges(
            pruned_site.site.database, pruned_site.site.clock, "default", shape, older_than=30.0
        )
        assert [charge.charge_id for charge in known] == ["ch_4", "ch_3", "ch_2"]
        assert pruned_site.number(charges) == 3

    def test_goes_without_a_shape_too(self, pruned_site: PruningSite) -> None:
        order_id = pruned_site.declined()
        pruned_site.site.ledger.database.write(
            lambda connection: assign_charge(
                connection, pruned_site.site.clock, "default", "ch_1", order_id, None
            ),
            name="test",
        )
        paid = {"status": "paid", "charge_id": "ch_1"}
        pruned_site.write(lambda connection: connection.execute(update(orders).values(paid)))
        pruned_site.prune_after()
        pruned_site.site.advance(KEYS_FOR)
        pruned_site.prune()
        assert pruned_site.number(charges) == 0

    def test_is_kept_until_then(self, pruned_site: PruningSite) -> None:
        pruned_site.paid()
        pruned_site.prune_after()
        pruned_site.site.advance(KEYS_FOR - 91 * DAY)
        pruned_site.prune()
        assert pruned_site.number(known_keys) == 1
        assert pruned_site.pruning.preview(90 * DAY) == (0, 0)
        pruned_site.site.advance(DAY)
        assert pruned_site.pruning.preview(90 * DAY) == (0, 1)


def test_several_prune_at_once_and_each_order_goes_once(pruned_site: PruningSite) -> None:
    keys = [f"cart-{number}" for number in range(300)]
    pruned_site.site.producer.enqueue(map(order, keys))
    ended = update(orders).values(
        status="declined", settled_at=pruned_site.site.clock.after(0), next_attempt_at=None, dispatch_at=None
    )
    pruned_site.write(lambda connection: connection.execute(ended))
    pruned_site.site.advance(91 * DAY)
    with ThreadPoolExecutor(4) as threads:
        pruned = list(threads.map(lambda _: pruned_site.prune(), range(4)))
    # Each skips what another has locked; the next query finds what was left.
    assert sum(pruned) + pruned_site.prune() == 300
    assert (pruned_site.number(orders), pruned_site.number(known_keys)) == (0, 300)


def test_a_pruning_that_is_killed_has_pruned_whole_orders(pruned_site: PruningSite) -> None:
    pruned_site.paid()
    pruned_site.site.advance(91 * DAY)
    order_id = pruned_site.site.get().id
    with pruned_site.site.database.engine.connect() as connection:
        pruned_site.pruning._prune(connection, [order_id], 90 * DAY)
    assert [pruned_site.number(table) for table in (orders, attempts, known_keys)] == [1, 1, 0]


class TestAReport:
    """A report of the payment service, over a time whose orders were pruned."""

    def compare(
        self, pruned_site: PruningSite, *lines: ReportLine, **options: Any
    ) -> tuple[list[Kind], Reconciliation]:
        reconciliation = Reconciliation(pruned_site.site.database, clock=pruned_site.site.clock, **options)
        return [found.kind for found in reconciliation.run(lines)], reconciliation

    def line(self, number: int = 2, **fields: Any) -> ReportLine:
        written = {
            "key": None,
            "charge_id": "ch_1",
            "amount": 10_000,
            "currency": "KRW",
            "status": "succeeded",
        }
        return ReportLine(number=number, **{**written, **fields})

    @pytest.mark.parametrize("name", ["key", "sent", "order_id", "charge"])
    def test_agrees_about_a_pruned_order_by_whatever_it_names_it(
        self, pruned_site: PruningSite, name: str
    ) -> None:
        order_id = pruned_site.paid("cart-1", "ch_1")
        pruned_site.prune_after()
        named = {
            "key": {"key": "cart-1"},
            "sent": {"key": derive_charge_key(order_id)},
            "order_id": {"order_id": order_id},
            "charge": {},
        }[name]
        kinds, reconciliation = self.compare(pruned_site, self.line(**named))
        assert (kinds, reconciliation.pruned) == ([], 1)

    def test_differs_where_it_has_another_amount_charge_or_end(self, pruned_site: PruningSite) -> None:
        pruned_site.paid("cart-1", "ch_1")
        pruned_site.declined("cart-2")
        pruned_site.prune_after()
        lines = (
            self.line(2, key="cart-1", amount=5, charge_id="ch_9"),
            self.line(3, key="cart-2", charge_id="ch_2"),
        )
        found = list(Reconciliation(pruned_site.site.database, clock=pruned_site.site.clock).run(lines))
        assert {one.kind for one in found} == {
            Kind.OTHER_AMOUNT,
            Kind.OTHER_CHARGE_ID,
            Kind.CHARGED_NOT_PAID,
        }
        # Each named a command that was refused, because there is no order any more.
        assert {(one.pruned, one.command) for one in found} == {(True, None)}

    def test_counts_the_pruned_orders_of_its_period_alone(self, pruned_site: PruningSite) -> None:
        pruned_site.paid("cart-1")
        pruned_site.site.advance(10 * DAY)
        pruned_site.paid("cart-2")
        pruned_site.prune_after()
        since = pruned_site.site.clock.now - timedelta(days=95)
        _, reconciliation = self.compare(pruned_site, period=Period(since=since))
        assert reconciliation.pruned == 1

    def test_does_not_know_a_key_that_is_forgotten(self, pruned_site: PruningSite) -> None:
        pruned_site.paid("cart-1", "ch_1")
        pruned_site.prune_after()
        pruned_site.site.advance(KEYS_FOR)
        pruned_site.prune()
        kinds, _ = self.compare(pruned_site, self.line(key="cart-1"))
        assert kinds == [Kind.UNKNOWN_KEY]

    def test_says_before_when_keys_may_be_forgotten(self, pruned_site: PruningSite) -> None:
        pruned_site.paid("cart-1")
        _, before = self.compare(pruned_site, keys_for=KEYS_FOR)
        assert before.forgotten_before is None, "nothing was pruned"
        pruned_site.prune_after()
        limit = pruned_site.site.clock.now - timedelta(seconds=KEYS_FOR)
        _, after = self.compare(pruned_site, keys_for=KEYS_FOR)
        assert after.forgotten_before == limit
        _, later = self.compare(pruned_site, keys_for=KEYS_FOR, period=Period(since=limit))
        assert later.forgotten_before is None
