"""What an order carries reaches the gateway the same each time, and is a part of its payload. On both databases."""

from __future__ import annotations

import json
import traceback
from collections.abc import Callable
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from sqlalchemy import text, update

from breakwall.payments.db.schema import metadata as tables
from breakwall.payments.db.schema import orders
from breakwall.payments.decisions import Decision
from breakwall.payments.gateways.base import ChargeRequest
from breakwall.payments.ledger.pruning import Pruning
from breakwall.payments.ledger.queries import OrderPrunedError, get_order
from breakwall.payments.orders import IdempotencyConflictError, InvalidOrderError, Order, OrderStatus
from breakwall.producers.importing import OrderImporter
from breakwall.producers.order_files import OrderLine
from tests.contract.site import LEASE, Site, order
from tests.gateway import ABSENT, DOWN, LOST, PAID

DAY = 86_400.0
CARRIED: dict[str, Any] = {
    "payment_method": "pm_geheim",
    "description": "geheim: zwei Tee ☕",
    "metadata": {"z": "geheim", "카트": "17", "a": 'geheim "b"\\'},
}
DETAILED = replace(order(), **CARRIED)
NAMES = [field.name for field in fields(ChargeRequest)]


def bytes_of(request: ChargeRequest) -> bytes:
    """What an HTTP gateway would send, in its order."""
    return json.dumps({name: getattr(request, name) for name in NAMES}).encode()


def prune(site: Site) -> None:
    site.advance(91 * DAY)
    list(Pruning(site.database, keys_for=400 * DAY, clock=site.clock, sleep=lambda _: None).run(90 * DAY))
    with pytest.raises(OrderPrunedError):
        site.get()


class TestTheRequest:
    def test_is_the_same_at_first_and_at_each_retry_and_after_a_restart(
        self, site: Site, request: Any
    ) -> None:
        site.gateway.answers.extend([DOWN, DOWN, PAID])
        placed = site.producer.place(DETAILED)
        site.advance(120)
        site.retrier.run(placed.order_id)
        restarted = Site(site.database.engine.url.render_as_string(False))
        restarted.clock.now = site.clock.now + timedelta(seconds=3600)
        restarted.gateway.answers.append(PAID)
        assert restarted.retrier.run(placed.order_id) is OrderStatus.PAID
        sent = [bytes_of(one) for one in (*site.gateway.charged, *restarted.gateway.charged)]
        assert len(sent) == 3
        assert len(set(sent)) == 1
        assert site.gateway.charged[0].metadata == CARRIED["metadata"]
        restarted.producer.close()

    def test_is_the_same_after_a_look_up(self, site: Site) -> None:
        site.know_a_charge()
        site.gateway.answers.extend([LOST, PAID])
        placed = site.producer.place(DETAILED)
        site.advance(site.gateway.profile.absent_after + LEASE)
        site.gateway.lookups.extend([ABSENT, ABSENT])
        assert site.retrier.run(placed.order_id) is OrderStatus.PAID
        first, second = site.gateway.charged
        assert {name: getattr(first, name) for name in CARRIED} == CARRIED
        assert {name: getattr(second, name) for name in CARRIED} == CARRIED

    def test_is_the_same_from_a_batch(self, site: Site) -> None:
        (single,) = site.producer.enqueue([DETAILED])
        claim = site.ledger.claim(single.order_id)
        assert claim is not None
        site.ledger.release(claim, 0.0)
        (attempt,) = site.ledger.exchange([], [single.order_id], max_attempts=3).attempts
        assert bytes_of(attempt.claim.request) == bytes_of(claim.request)
        assert attempt.claim.request.metadata == CARRIED["metadata"]

    def test_has_no_details_for_an_order_without(self, site: Site) -> None:
        site.gateway.answers.append(PAID)
        site.producer.place(replace(order(), metadata={}))
        (sent,) = site.gateway.charged
        assert [getattr(sent, name) for name in CARRIED] == [None] * 3

    def test_does_not_change_with_the_callers_own_dict(self, site: Site) -> None:
        mine = {"cart": "17"}
        placed = replace(order(), metadata=mine)
        mine["cart"] = "18"
        site.gateway.answers.append(PAID)
        site.producer.place(placed)
        assert site.gateway.charged[0].metadata == {"cart": "17"} == site.get().metadata


def place(site: Site, one: Order) -> Any:
    return site.producer.place(one)


def enqueue(site: Site, one: Order) -> Any:
    return site.producer.enqueue([one])[0]


WAYS = pytest.mark.parametrize("hand_in", [place, enqueue])


@WAYS
class TestTheSameKey:
    @pytest.mark.parametrize("pruned", [False, True], ids=["known", "pruned"])
    def test_with_the_same_details_is_the_same_order(
        self, site: Site, hand_in: Callable[[Site, Order], Any], pruned: bool
    ) -> None:
        site.gateway.answers.append(PAID)
        site.producer.place(DETAILED)
        if pruned:
            prune(site)
        again = replace(DETAILED, metadata=dict(reversed(CARRIED["metadata"].items())), gateway="http")
        assert hand_in(site, again).replayed

    @pytest.mark.parametrize("pruned", [False, True], ids=["known", "pruned"])
    @pytest.mark.parametrize("other", [None, "other"])
    @pytest.mark.parametrize("name", CARRIED)
    def test_with_another_detail_is_refused(
        self, site: Site, hand_in: Callable[[Site, Order], Any], name: str, other: str | None, pruned: bool
    ) -> None:
        site.gateway.answers.append(PAID)
        site.producer.place(DETAILED)
        if pruned:
            prune(site)
        changed: Any = {"a": other} if other and name == "metadata" else other
        with pytest.raises(IdempotencyConflictError, match=f"another .*{name}") as refused:
            hand_in(site, replace(DETAILED, **{name: changed}))
        assert "geheim" not in str(refused.value)

    @pytest.mark.parametrize("pruned", [False, True], ids=["known", "pruned"])
    @pytest.mark.parametrize("name", CARRIED)
    def test_with_a_detail_that_the_first_one_had_not_is_refused(
        self, site: Site, hand_in: Callable[[Site, Order], Any], name: str, pruned: bool
    ) -> None:
        site.gateway.answers.append(PAID)
        site.producer.place(order())
        if pruned:
            prune(site)
        with pytest.raises(IdempotencyConflictError):
            hand_in(site, replace(order(), **{name: CARRIED[name]}))

    def test_of_an_order_from_before_details_is_the_same_whatever_it_carries(
        self, site: Site, hand_in: Callable[[Site, Order], Any]
    ) -> None:
        site.gateway.answers.append(PAID)
        site.producer.place(order())
        older = update(orders).values(gateway=None)
        site.database.write(lambda connection: connection.execute(older), name="test")
        assert hand_in(site, DETAILED).replayed


@WAYS
class TestTheLastMoment:
    def test_is_counted_by_the_databases_clock(
        self, site: Site, hand_in: Callable[[Site, Order], Any]
    ) -> None:
        site.gateway.answers.append(PAID)
        hand_in(site, replace(order(), charge_before=90))
        assert site.get().charge_before == site.clock.now + timedelta(seconds=90)

    def test_is_kept_to_the_microsecond_whatever_its_zone(
        self, site: Site, hand_in: Callable[[Site, Order], Any]
    ) -> None:
        moment = site.clock.now.astimezone(timezone(timedelta(hours=9))) + timedelta(days=1, microseconds=7)
        site.gateway.answers.append(PAID)
        hand_in(site, replace(order(), charge_before=moment))
        assert site.get().charge_before == moment
        assert hand_in(site, replace(order(), charge_before=moment.astimezone(UTC))).replayed

    def test_that_has_passed_refuses_a_new_order(
        self, site: Site, hand_in: Callable[[Site, Order], Any]
    ) -> None:
        with pytest.raises(InvalidOrderError, match="charge_before: should be in the future") as refused:
            hand_in(site, replace(order(), charge_before=site.clock.now))
        assert refused.value.keys == {"cart-1"}
        assert site.gateway.charged == []
        with pytest.raises(LookupError):
            site.get()

    @pytest.mark.parametrize("pruned", [False, True], ids=["known", "pruned"])
    def test_that_has_passed_refuses_no_known_order(
        self, site: Site, hand_in: Callable[[Site, Order], Any], pruned: bool
    ) -> None:
        one = replace(order(), charge_before=site.clock.now + timedelta(seconds=60))
        site.gateway.answers.append(PAID)
        site.producer.place(one)
        site.advance(61)
        if pruned:
            prune(site)
        assert hand_in(site, one).replayed

    def test_conflicts_if_it_is_another_moment_and_never_as_seconds(
        self, site: Site, hand_in: Callable[[Site, Order], Any]
    ) -> None:
        site.gateway.answers.append(PAID)
        site.producer.place(replace(order(), charge_before=60))
        kept = site.get().charge_before
        site.advance(30)
        assert hand_in(site, replace(order(), charge_before=3600.0)).replayed
        assert hand_in(site, order()).replayed
        assert site.get().charge_before == kept
        with pytest.raises(IdempotencyConflictError, match="another charge_before"):
            hand_in(site, replace(order(), charge_before=site.clock.now + timedelta(days=1)))


def test_a_file_reports_each_order_that_only_the_ledger_refuses_and_stores_the_rest(site: Site) -> None:
    """It was tried for ever."""
    bad: dict[int, str] = {}
    importer = OrderImporter(site.producer, site.database, bad.__setitem__)
    lines = [
        OrderLine(1, order("a")),
        OrderLine(2, replace(order("b"), charge_before=site.clock.now)),
        OrderLine(3, replace(order("c"), gateway="other")),
        OrderLine(4, replace(order("d"), charge_before=datetime(2001, 1, 1, tzinfo=UTC))),
        OrderLine(5, order("e")),
    ]
    list(importer.run(lines))
    assert (importer.summary.accepted, sorted(bad)) == (2, [2, 3, 4])
    assert "gateway: should be the configured one, 'http'" in bad[3]


def test_a_late_answer_brings_a_pruned_order_back_with_what_it_carried(site: Site) -> None:
    site.gateway.answers.append(DOWN)
    placed = site.producer.place(replace(DETAILED, charge_before=30 * DAY))
    before = site.get().charge_before
    claim = site.ledger.claim(placed.order_id) if site.advance(60) is None else None
    assert claim is not None
    attempt = site.ledger.begin_attempt(claim)
    assert attempt is not None
    ended = update(orders).values(
        status="declined", settled_at=site.clock.after(0), lease_until=None, reason="expired"
    )
    site.database.write(lambda connection: connection.execute(ended), name="test")
    prune(site)
    site.ledger.record(attempt, replace(PAID, charge_id="ch_2"), Decision(OrderStatus.PAID))
    back = get_order(site.database, placed.order_id)
    assert {name: getattr(back, name) for name in CARRIED} == CARRIED
    assert (back.gateway, back.charge_before) == ("http", before)
    with pytest.raises(IdempotencyConflictError):
        site.producer.place(order())


class TestWhatIsSecret:
    """The marks are in no table but `orders`, in no error and in no `repr`."""

    def test_is_in_no_other_table(self, site: Site) -> None:
        site.know_a_charge()
        site.gateway.answers.extend([LOST, replace(PAID, contradiction="another amount")])
        placed = site.producer.place(DETAILED)
        site.advance(site.gateway.profile.absent_after + LEASE)
        site.gateway.lookups.extend([ABSENT, ABSENT])
        site.retrier.run(placed.order_id)
        found = {}
        for table in tables.sorted_tables:
            rows = site.database.read(
                lambda connection, table=table: connection.execute(table.select()).all()
            )
            found[table.name] = "geheim" in repr([tuple(row) for row in rows])
        assert [name for name, has in found.items() if has] == ["orders"]

    def test_is_in_nothing_that_is_kept_of_a_pruned_order(self, site: Site) -> None:
        site.gateway.answers.append(PAID)
        site.producer.place(DETAILED)
        prune(site)
        with pytest.raises(OrderPrunedError) as pruned:
            site.get()
        told = [repr(pruned.value.pruned), str(pruned.value), repr(pruned.value.details())]
        assert "geheim" not in "".join(told)

    def test_is_in_no_repr(self, site: Site) -> None:
        site.gateway.answers.append(PAID)
        result = site.producer.place(DETAILED)
        (sent,) = site.gateway.charged
        assert "geheim" not in repr([DETAILED, sent, site.get(), result])

    @pytest.mark.parametrize(
        "statement",
        [
            "UPDATE orders SET amount = -1",
            "UPDATE orders SET status = NULL",
            "INSERT INTO orders SELECT * FROM orders",
            "UPDATE orders SET amount = CAST(description AS INTEGER), status = NULL",
        ],
    )
    def test_is_in_no_traceback_of_the_database(self, site: Site, statement: str) -> None:
        """PostgreSQL writes the failing row into its error."""
        site.gateway.answers.append(DOWN)
        site.producer.place(DETAILED)
        with pytest.raises(Exception) as failed:
            site.database.write(lambda connection: connection.execute(text(statement)), name="test")
        written = "".join(traceback.format_exception(failed.value))
        assert "Failing row contains" not in written
        assert "pm_geheim" not in written

    def test_is_in_no_log_although_everything_is_logged(
        self, site: Site, caplog: pytest.LogCaptureFixture
    ) -> None:
        """At DEBUG, SQLAlchemy logs each row that it reads."""
        with caplog.at_level("DEBUG"), caplog.at_level("DEBUG", logger="sqlalchemy.engine"):
            logging = Site(site.database.engine.url.render_as_string(False))
            logging.gateway.answers.extend([DOWN, PAID])
            placed = logging.producer.place(DETAILED)
            logging.producer.enqueue([replace(DETAILED, idempotency_key="cart-2")])
            logging.advance(120)
            logging.retrier.run(placed.order_id)
            with pytest.raises(IdempotencyConflictError):
                logging.producer.place(replace(DETAILED, description="geheim 2"))
            assert logging.get().payment_method == "pm_geheim"
            logging.producer.close()
        assert "INSERT INTO orders" in caplog.text, "SQLAlchemy logs"
        assert "geheim" not in caplog.text
