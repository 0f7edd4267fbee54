"""Comparing a report with the ledger, on both databases."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import update

from breakwall.payments.db.schema import orders
from breakwall.payments.gateways.base import ChargeAnswer, Health, Outcome
from breakwall.payments.gateways.wire_keys import wire_key
from breakwall.payments.keys import derive_charge_key
from breakwall.payments.orders import OrderStatus
from breakwall.payments.reconciliation import run
from breakwall.payments.reconciliation.charge_status import UNREADABLE
from breakwall.payments.reconciliation.compare import Kind
from breakwall.payments.reconciliation.report import ReportLine
from breakwall.payments.reconciliation.run import Period, Reconciliation, paid_query
from tests.contract.people import ANNA, STORED_ERROR, crowd, dead, explain, in_review
from tests.contract.site import Site, order
from tests.gateway import ABSENT, FOUND, LOST
from tests.texts import TYPED

START = datetime(2026, 1, 1, tzinfo=UTC)  # When the crowd's first order was accepted and paid.

Found = tuple[Kind, str | None]


@pytest.fixture(params=[500, 2], ids=["one batch", "batches of two"], autouse=True)
def batch(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "BATCH", request.param)


def paid(site: Site, *keys: str) -> None:
    """Orders that are paid with a charge of their own, a second after each other."""
    for key in keys:
        answer = ChargeAnswer(Outcome.SUCCEEDED, Health.SUCCESS, charge_id=f"ch_{key}")
        site.gateway.answers.append(answer)
        assert site.producer.place(order(key)).status is OrderStatus.PAID
        site.advance(1)


def report(*keys: str, **other: Any) -> list[ReportLine]:
    """A line for each of the keys, as the payment service would write it."""
    fields = {"number": 2, "amount": 10_000, "currency": "KRW", "status": "succeeded"}
    return [ReportLine(key=key, **({**fields, "charge_id": f"ch_{key}"} | other)) for key in keys]


def numbered(lines: list[ReportLine]) -> Iterator[ReportLine]:
    for number, line in enumerate(lines, 2):
        yield replace(line, number=number)


def compared(site: Site, lines: list[ReportLine], **options: Any) -> list[Found]:
    found = Reconciliation(site.database, clock=site.clock, **options).run(numbered(lines))
    return [(discrepancy.kind, discrepancy.idempotency_key) for discrepancy in found]


def test_a_report_of_exactly_all_charges_agrees(site: Site) -> None:
    paid(site, *"abcde")
    dead(site, "f")
    assert compared(site, report(*"abcde") + report("f", status="declined", charge_id=None)) == []


def test_each_discrepancy_is_listed_and_nothing_else(site: Site) -> None:
    paid(site, *"abcdefg")
    dead(site, "h")
    lines = [
        *report("a"),
        *report("b", amount=1),
        *report("c", currency="USD"),
        *report("d", charge_id="ch_other"),
        *report("e"),
        *report("e", charge_id="ch_second"),
        *report("g", status="refunded"),
        *report("h"),
        *report("unknown"),
    ]
    assert sorted(compared(site, lines)) == sorted(
        [
            (Kind.OTHER_AMOUNT, "b"),
            (Kind.OTHER_CURRENCY, "c"),
            (Kind.OTHER_CHARGE_ID, "d"),
            (Kind.TWO_CHARGES, "e"),
            (Kind.PAID_NOT_CHARGED, "f"),
            (Kind.PAID_NOT_CHARGED, "g"),
            (Kind.CHARGED_NOT_PAID, "h"),
            (Kind.UNKNOWN_KEY, "unknown"),
        ]
    )


def test_a_charge_that_a_later_line_reverses_is_none(site: Site) -> None:
    paid(site, "a", "b")
    lines = report("a", "b") + report("a", status="refunded")
    assert compared(site, lines) == [(Kind.PAID_NOT_CHARGED, "a")]


def test_a_charge_that_is_reversed_under_an_unknown_key_pays_no_order(site: Site) -> None:
    paid(site, "a")
    lines = report("a") + report("refund-9", charge_id="ch_a", status="refunded")
    assert compared(site, lines) == [(Kind.PAID_NOT_CHARGED, "a")]


def test_a_charge_that_a_later_line_makes_agrees(site: Site) -> None:
    paid(site, "a")
    assert compared(site, report("a", status="processing") + report("a")) == []


def test_one_charge_for_two_orders_is_listed(site: Site) -> None:
    paid(site, "a", "b")
    lines = report("a", "b", charge_id="ch_a")
    assert compared(site, lines) == [(Kind.SHARED_CHARGE, None), (Kind.CHARGE_OF_ANOTHER, "b")]


def test_a_report_without_lines_lacks_every_paid_order(site: Site) -> None:
    paid(site, *"abc")
    assert compared(site, []) == [(Kind.PAID_NOT_CHARGED, key) for key in "abc"]


class TestAnyKeyOfAnAttempt:
    def rotated_twice(self, site: Site) -> list[str]:
        """The keys of an order whose key was changed twice before it was paid."""
        site.know_a_charge()
        site.gateway.answers.append(STORED_ERROR)
        order_id = site.producer.place(order("a")).order_id
        for answer in (
            STORED_ERROR,
            ChargeAnswer(Outcome.SUCCEEDED, Health.SUCCESS, charge_id="ch_a"),
        ):
            site.advance(60)
            site.gateway.lookups.append(ABSENT)
            site.gateway.answers.append(answer)
            site.retrier.run(order_id)
        assert site.get("a").status is OrderStatus.PAID
        return [sent.idempotency_key for sent in site.gateway.charged]

    def report_of_the_other(self) -> list[ReportLine]:
        return report("paid-before", charge_id="ch_of_paid-before")

    @pytest.mark.parametrize("which", [0, 1, 2])
    def test_finds_its_order(self, site: Site, which: int) -> None:
        keys = self.rotated_twice(site)
        assert len(set(keys)) == 3
        assert compared(site, [*report(keys[which], charge_id="ch_a"), *self.report_of_the_other()]) == []

    def test_finds_two_charges_under_two_keys(self, site: Site) -> None:
        keys = self.rotated_twice(site)
        lines = [*report(keys[0], charge_id="ch_early"), *report(keys[2], charge_id="ch_a")]
        assert compared(site, [*lines, *self.report_of_the_other()]) == [(Kind.TWO_CHARGES, "a")]

    def test_finds_its_order_after_a_person_had_it_changed(self, site: Site) -> None:
        order_id = in_review(site, answer=STORED_ERROR)
        site.people.resolve_not_charged("cart-1", ANNA)
        site.people.retry("cart-1", ANNA)
        site.gateway.answers.append(ChargeAnswer(Outcome.SUCCEEDED, Health.SUCCESS, charge_id="ch_a"))
        site.retrier.run(order_id)
        assert compared(site, report(site.gateway.charged[-1].idempotency_key, charge_id="ch_a")) == []

    def test_finds_its_order_by_the_id_in_it_if_the_attempt_is_lost(self, site: Site) -> None:
        """As after a restore: the key was rotated, and used, in the time that is lost."""
        paid(site, "a")
        rotated = derive_charge_key(site.get("a").id, 99)
        assert compared(site, report(rotated, charge_id="ch_a")) == []

    @pytest.mark.parametrize("unknown", [derive_charge_key("0" * 32), f"{'0' * 32}.99"])
    def test_does_not_mean_any_key_that_merely_looks_like_one(self, site: Site, unknown: str) -> None:
        paid(site, "a")
        assert compared(site, report("a", unknown, charge_id="ch_a")) == [(Kind.UNKNOWN_KEY, unknown)]


class TestAKeyThatIsSentEncoded:
    @pytest.mark.parametrize("key", ["cart%17", "..", "100%", *TYPED.values()])
    def test_finds_its_order_as_it_was_sent_and_as_it_is(self, site: Site, key: str) -> None:
        paid(site, key)
        for reported in (wire_key(key), key):
            assert compared(site, report(reported, charge_id=f"ch_{key}")) == []

    def test_finds_the_order_that_was_sent_with_it_where_another_is_called_so(self, site: Site) -> None:
        keys = ["cart%17", "cart%2517", "cart%252517"]
        paid(site, *keys)
        lines = [line for key in keys for line in report(wire_key(key), charge_id=f"ch_{key}")]
        assert compared(site, lines) == []

    def test_finds_nothing_where_it_stands_for_what_no_key_holds(self, site: Site) -> None:
        paid(site, "a")
        lines = report("a", "a%00", charge_id="ch_a")
        assert compared(site, lines) == [(Kind.UNKNOWN_KEY, "a%00")]


class TestAChargeThatIsKnownByItsId:
    def test_finds_its_order_where_the_report_has_no_keys(self, site: Site) -> None:
        paid(site, "a", "b")
        lines = [replace(line, key=None) for line in report("a", "b")]
        assert compared(site, lines) == []
        lines = [replace(line, key=None) for line in report("a", amount=1)]
        assert compared(site, lines) == [(Kind.OTHER_AMOUNT, "a"), (Kind.PAID_NOT_CHARGED, "b")]

    def test_of_no_order_is_reported_without_a_key(self, site: Site) -> None:
        lines = [replace(line, key=None) for line in report("a")]
        assert compared(site, lines) == [(Kind.UNKNOWN_KEY, None)]

    def test_under_an_unknown_key_is_found_and_reported(self, site: Site) -> None:
        paid(site, "a")
        run = Reconciliation(site.database, clock=site.clock)
        (found,) = run.run(report("unknown", charge_id="ch_a"))
        assert (found.kind, found.idempotency_key) == (Kind.UNKNOWN_KEY, "unknown")
        assert found.order_id == site.get("a").id

    def test_that_is_another_orders_is_reported_once_and_neither_is_missing(self, site: Site) -> None:
        paid(site, "a")
        dead(site, "b")
        run = Reconciliation(site.database, clock=site.clock)
        (found,) = run.run(report("b", charge_id="ch_a"))
        assert (found.kind, found.order_id) == (Kind.CHARGE_OF_ANOTHER, site.get("b").id)
        assert (found.here, found.report) == (site.get("a").id, "ch_a")

    def test_that_two_orders_have_here_is_reported(self, site: Site) -> None:
        """From before a charge was one order's."""
        paid(site, "a", "b")
        shared = update(orders).values(charge_id="ch_1")
        site.database.write(lambda connection: connection.execute(shared) and None, name="test")
        without_key = [replace(line, key=None) for line in report("a", charge_id="ch_1")]
        for lines in (without_key, report("a", "b", charge_id="ch_1")):
            assert compared(site, lines) == [(Kind.SHARED_CHARGE, None)]

    def test_is_found_by_the_orders_own_id_before_that(self, site: Site) -> None:
        dead(site, "a")
        named = [replace(line, key=None, order_id=site.get("a").id) for line in report("x")]
        assert compared(site, named) == [(Kind.CHARGED_NOT_PAID, "a")]

    def test_with_the_id_of_another_order_is_reported(self, site: Site) -> None:
        paid(site, "a", "b")
        lines = [replace(report("a")[0], order_id=site.get("b").id), *report("b")]
        assert compared(site, lines) == [(Kind.CHARGE_OF_ANOTHER, "a")]


class TestLinesOfOthers:
    def run(self, site: Site, lines: list[ReportLine], **options: Any) -> tuple[list[Found], int]:
        run = Reconciliation(site.database, clock=site.clock, **options)
        found = [(discrepancy.kind, discrepancy.idempotency_key) for discrepancy in run.run(numbered(lines))]
        return found, run.of_others

    def test_are_discrepancies_unless_only_known_charges_count(self, site: Site) -> None:
        paid(site, "a")
        lines = report("a", "x", "y")
        unknown = [(Kind.UNKNOWN_KEY, "x"), (Kind.UNKNOWN_KEY, "y")]
        assert self.run(site, lines) == (unknown, 0)
        assert self.run(site, lines, only_known=True) == ([], 2)

    def test_are_none_that_have_a_charge_of_ours(self, site: Site) -> None:
        paid(site, "a")
        lines = report("x", charge_id="ch_a")
        assert self.run(site, lines, only_known=True) == ([(Kind.UNKNOWN_KEY, "x")], 0)

    def test_are_refunds_and_refusals_of_charges_that_no_order_has(self, site: Site) -> None:
        refunds = report("x", "y", status="refunded")
        refused = [replace(line, key=None) for line in report("z", status="failed")]
        assert self.run(site, refunds + refused) == ([], 3)

    def test_reverse_a_second_charge_of_ours_all_the_same(self, site: Site) -> None:
        """A refund is often known by the charge alone, and a second charge to no order by its id."""
        paid(site, "a")
        second = report("a", charge_id="ch_second")
        refund = [replace(line, key=None) for line in report("a", charge_id="ch_second", status="refunded")]
        assert self.run(site, report("a") + second)[0] == [(Kind.TWO_CHARGES, "a")]
        assert self.run(site, report("a") + second + refund, only_known=True)[0] == []


class TestLinesThatAreNoCharge:
    @pytest.mark.parametrize("status", ["pending", "disputed", "fee", ""])
    def test_are_no_discrepancy_of_their_own(self, site: Site, status: str) -> None:
        paid(site, "a")
        lines = [*report("x", status=status, amount=None), *report("a"), *report("a", status=status)]
        assert compared(site, lines) == []

    def test_are_named_where_the_order_is_paid_here(self, site: Site) -> None:
        paid(site, "a")
        run = Reconciliation(site.database, clock=site.clock)
        (found,) = run.run(report("a", status="pending"))
        assert (found.kind, found.report) == (Kind.PAID_NOT_CHARGED, "pending")

    def test_that_cannot_be_read_do_not_make_their_order_missing(self, site: Site) -> None:
        paid(site, "a")
        assert compared(site, report("a", status=UNREADABLE, amount=None, currency=None)) == []


@pytest.mark.parametrize("shown", ["123", "0123"])
def test_a_key_that_a_spreadsheet_took_zeros_from_is_named_and_not_guessed(site: Site, shown: str) -> None:
    paid(site, "000123")
    run = Reconciliation(site.database, clock=site.clock)
    unknown, missing = run.run(report(shown, charge_id="ch_x"))
    assert (unknown.kind, missing.kind) == (Kind.UNKNOWN_KEY, Kind.PAID_NOT_CHARGED)
    assert "spreadsheet may have made it from the order's key 000123" in unknown.sentence


class TestThePeriod:
    """Orders are paid at 0 s (a), 1 s (b), 2 s (c), 3 s (d)."""

    def period(self, since: float | None, until: float | None) -> Period:
        start = datetime(2026, 11, 27, tzinfo=UTC)
        moments = [None if at is None else start + timedelta(seconds=at) for at in (since, until)]
        return Period(*moments)

    @pytest.mark.parametrize(
        ("since", "until", "missed"),
        [(None, None, "abcd"), (1, None, "bcd"), (None, 2, "ab"), (1, 3, "bc"), (9, 10, "")],
    )
    def test_bounds_the_orders_that_are_missing(
        self, site: Site, since: float | None, until: float | None, missed: str
    ) -> None:
        paid(site, *"abcd")
        run = Reconciliation(site.database, period=self.period(since, until), clock=site.clock)
        assert [found.idempotency_key for found in run.run([])] == list(missed)
        assert (run.paid_orders, run.not_judged) == (len(missed), 0)

    def test_does_not_bound_the_lines_that_are_compared(self, site: Site) -> None:
        paid(site, *"abcd")
        lines = report("a", amount=1)
        assert compared(site, lines, period=self.period(9, 10)) == [(Kind.OTHER_AMOUNT, "a")]

    def test_judges_no_order_whose_charge_may_lie_before_it(self, site: Site) -> None:
        site.gateway.answers.append(LOST)
        order_id = site.producer.place(order()).order_id
        site.advance(60)
        site.gateway.lookups.append(FOUND)
        site.retrier.run(order_id)
        run = Reconciliation(site.database, period=self.period(30, 90), clock=site.clock)
        assert list(run.run([])) == []
        assert (run.paid_orders, run.not_judged) == (1, 1)

    def test_judges_an_order_that_was_accepted_before_it_and_charged_within(self, site: Site) -> None:
        order_id = site.producer.enqueue([order()])[0].order_id
        site.advance(60)
        site.gateway.answers.append(ChargeAnswer(Outcome.SUCCEEDED, Health.SUCCESS, charge_id="ch_a"))
        site.retrier.run(order_id)
        assert compared(site, [], period=self.period(30, 90)) == [(Kind.PAID_NOT_CHARGED, "cart-1")]

    def test_without_an_end_ends_with_the_beginning_of_the_run(self, site: Site) -> None:
        paid(site, "a")

        def slowly() -> Any:
            yield from report("a")
            site.advance(1)
            paid(site, "b")

        assert list(Reconciliation(site.database, clock=site.clock).run(slowly())) == []


def test_it_counts_what_it_compared(site: Site) -> None:
    paid(site, *"abc")
    advanced: list[int] = []
    run = Reconciliation(site.database, clock=site.clock, advance=advanced.append)
    assert list(run.run(numbered(report(*"abc") + report("c", status="declined", charge_id=None)))) == []
    assert (run.lines, run.charges, run.paid_orders) == (4, 3, 3)
    assert sum(advanced) == 7


@pytest.mark.both_databases
def test_the_paid_orders_are_read_from_their_index(site: Site) -> None:
    site.database.write(crowd, name="test")
    for since, after in itertools.product([None, START], [None, (START + timedelta(hours=1), "0" * 32)]):
        query = paid_query(since, START + timedelta(hours=2), after)
        plan = site.database.read(lambda connection, query=query: explain(connection, query))  # type: ignore[misc]
        assert "ix_orders_settled" in plan
        assert "Seq Scan on orders" not in plan
        assert "SCAN orders" not in plan
