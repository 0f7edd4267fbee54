"""The discrepancies between an order and the report's lines about it."""

from __future__ import annotations

import shlex
from typing import Any

import pytest

from breakwall.payments.orders import OrderStatus
from breakwall.payments.reconciliation.charge_status import UNREADABLE
from breakwall.payments.reconciliation.compare import Discrepancy, Kind, LedgerOrder, compare
from breakwall.payments.reconciliation.report import ReportLine


def ledger_order(status: OrderStatus = OrderStatus.PAID, charge_id: str | None = "ch_1") -> LedgerOrder:
    return LedgerOrder("o1", "cart-1", 10_000, "KRW", status, charge_id)


def charge(charge_id: str = "ch_1", **other: Any) -> ReportLine:
    fields = {"number": 7, "key": "cart-1", "amount": 10_000, "currency": "KRW", "status": "succeeded"}
    return ReportLine(charge_id=charge_id, **(fields | other))


def kinds(order: LedgerOrder, *lines: ReportLine) -> list[Kind]:
    return [found.kind for found in compare(order, lines)]


class TestComparing:
    def test_the_same_charge_is_no_difference(self) -> None:
        assert kinds(ledger_order(), charge()) == []

    @pytest.mark.parametrize("status", [status for status in OrderStatus if status is not OrderStatus.PAID])
    def test_charged_but_not_paid_here(self, status: OrderStatus) -> None:
        (found,) = compare(ledger_order(status, None), [charge()])
        assert (found.kind, found.here, found.report, found.line) == (
            Kind.CHARGED_NOT_PAID,
            status.value,
            "ch_1",
            7,
        )

    @pytest.mark.parametrize("status", [status for status in OrderStatus if status is not OrderStatus.PAID])
    def test_neither_charged_nor_paid_is_no_difference(self, status: OrderStatus) -> None:
        assert kinds(ledger_order(status, None), charge(status="declined")) == []

    def test_paid_here_but_not_in_the_report(self) -> None:
        (found,) = compare(ledger_order(), [])
        assert (found.kind, found.here, found.report, found.line) == (
            Kind.PAID_NOT_CHARGED,
            "ch_1",
            None,
            None,
        )

    @pytest.mark.parametrize("status", ["declined", "refunded", "processing"])
    def test_paid_here_and_not_charged_in_the_report(self, status: str) -> None:
        (found,) = compare(ledger_order(), [charge(status=status)])
        assert (found.kind, found.report) == (Kind.PAID_NOT_CHARGED, status)

    def test_another_amount(self) -> None:
        (found,) = compare(ledger_order(), [charge(amount=9_999)])
        assert (found.kind, found.here, found.report) == (Kind.OTHER_AMOUNT, 10_000, 9_999)

    def test_another_currency(self) -> None:
        (found,) = compare(ledger_order(), [charge(currency="USD")])
        assert (found.kind, found.here, found.report) == (Kind.OTHER_CURRENCY, "KRW", "USD")

    def test_the_amount_of_what_was_not_charged_is_nobodys_business(self) -> None:
        assert kinds(ledger_order(), charge(), charge(status="declined", amount=1)) == []

    def test_another_charge_id(self) -> None:
        (found,) = compare(ledger_order(), [charge("ch_2")])
        assert (found.kind, found.here, found.report) == (Kind.OTHER_CHARGE_ID, "ch_1", "ch_2")

    def test_two_charges_for_one_order(self) -> None:
        (found,) = compare(ledger_order(), [charge(), charge("ch_2", number=9)])
        assert (found.kind, found.report, found.line) == (Kind.TWO_CHARGES, "ch_1, ch_2", 9)

    def test_two_charges_neither_of_which_is_ours(self) -> None:
        assert kinds(ledger_order(), charge("ch_2"), charge("ch_3")) == [
            Kind.TWO_CHARGES,
            Kind.OTHER_CHARGE_ID,
        ]

    def test_two_charges_for_an_order_that_is_not_paid(self) -> None:
        unpaid = ledger_order(OrderStatus.DEAD, None)
        assert kinds(unpaid, charge("ch_2"), charge("ch_3")) == [Kind.TWO_CHARGES, Kind.CHARGED_NOT_PAID]

    def test_a_second_charge_that_was_given_back_is_no_difference(self) -> None:
        assert kinds(ledger_order(), charge(), charge("ch_2", status="refunded")) == []

    def test_a_charge_that_is_listed_twice_is_one_charge(self) -> None:
        assert kinds(ledger_order(), charge(), charge(number=8)) == []

    @pytest.mark.parametrize("status", ["pending", "disputed", ""])
    def test_what_the_report_calls_no_charge_is_named_where_it_is_paid_here(self, status: str) -> None:
        (found,) = compare(ledger_order(), [charge(status=status)])
        assert (found.kind, found.report) == (Kind.PAID_NOT_CHARGED, status or "(no status)")

    def test_an_order_whose_line_cannot_be_read_is_not_missing(self) -> None:
        assert kinds(ledger_order(), charge(status=UNREADABLE, amount=None, currency=None)) == []

    def test_a_charge_that_is_another_orders_here_is_told_once(self) -> None:
        (found,) = compare(ledger_order(), [charge("ch_9")], {7: "o9"})
        assert (found.kind, found.here, found.report) == (Kind.CHARGE_OF_ANOTHER, "o9", "ch_9")

    def test_a_charge_of_another_order_pays_none_that_is_unpaid_here(self) -> None:
        """Recording it as this order's would have two orders paid with one charge."""
        unpaid = ledger_order(OrderStatus.REVIEW, None)
        assert [found.kind for found in compare(unpaid, [charge()], {7: "o9"})] == [Kind.CHARGE_OF_ANOTHER]

    def test_every_kind_has_a_sentence(self) -> None:
        for kind in Kind:
            for order_id, key in (("o1", "cart-1"), (None, "cart-1"), (None, None)):
                assert "None" not in Discrepancy(kind, order_id, key, "here", "there", 1).sentence


class TestTheCommandThatRecordsIt:
    def command(self, kind: Kind, **other: Any) -> list[str]:
        fields = {"order_id": "o1", "idempotency_key": "k", "here": "dead", "report": "ch_1", "line": 1}
        found = Discrepancy(kind, **(fields | other))
        return shlex.split(found.command or "")

    def test_is_paid_for_what_was_charged_and_is_not_paid(self) -> None:
        ending = self.command(Kind.CHARGED_NOT_PAID)
        assert ending[:7] == ["breakwall", "orders", "resolve", "o1", "--paid", "ch_1", "--reason"]
        assert ending[7] == "reconcile: the report has it charged as ch_1, here it is dead"

    def test_is_an_incident_for_all_else_with_an_order(self) -> None:
        for kind in set(Kind) - {Kind.CHARGED_NOT_PAID, Kind.SHARED_CHARGE}:
            opening = self.command(kind)
            assert opening[:5] == ["breakwall", "orders", "incidents", "--open", "o1"]
            assert opening[5] == "--reason"
            assert "ch_1" in opening[6]

    def test_is_an_incident_of_the_first_of_the_orders_that_share_a_charge(self) -> None:
        assert self.command(Kind.SHARED_CHARGE, order_id=None, here="o1, o2")[4] == "o1"

    def test_is_none_for_a_key_of_nobodys(self) -> None:
        assert self.command(Kind.UNKNOWN_KEY, order_id=None) == []

    def test_says_what_the_report_says_and_runs_nothing_of_it(self) -> None:
        nasty = "ch'; rm -rf $(pwd) #"
        assert self.command(Kind.CHARGED_NOT_PAID, report=nasty)[5] == nasty
        assert nasty in self.command(Kind.OTHER_CHARGE_ID, report=nasty)[-1]
