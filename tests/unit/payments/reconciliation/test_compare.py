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


UNPAID = [status for status in OrderStatus if status is not OrderStatus.PAID]
DEAD = ledger_order(OrderStatus.DEAD, None)


class TestComparing:
    @pytest.mark.parametrize(
        ("order", "lines", "discrepancy"),
        [
            (ledger_order(), [], (Kind.PAID_NOT_CHARGED, "ch_1", None, None)),
            (ledger_order(), [charge(amount=9_999)], (Kind.OTHER_AMOUNT, 10_000, 9_999, 7)),
            (ledger_order(), [charge(currency="USD")], (Kind.OTHER_CURRENCY, "KRW", "USD", 7)),
            (ledger_order(), [charge("ch_2")], (Kind.OTHER_CHARGE_ID, "ch_1", "ch_2", 7)),
            (
                ledger_order(),
                [charge(), charge("ch_2", number=9)],
                (Kind.TWO_CHARGES, "paid with ch_1", "ch_1, ch_2", 9),
            ),
            *(
                (ledger_order(status, None), [charge()], (Kind.CHARGED_NOT_PAID, status.value, "ch_1", 7))
                for status in UNPAID
            ),
            *(
                (
                    ledger_order(),
                    [charge(status=status)],
                    (Kind.PAID_NOT_CHARGED, "ch_1", status or "(no status)", 7),
                )
                for status in ("declined", "refunded", "processing", "pending", "disputed", "")
            ),
        ],
    )
    def test_finds_each_discrepancy(
        self, order: LedgerOrder, lines: list[ReportLine], discrepancy: tuple[Kind, Any, Any, int | None]
    ) -> None:
        (found,) = compare(order, lines)
        assert (found.kind, found.here, found.report, found.line) == discrepancy

    @pytest.mark.parametrize(
        ("order", "lines"),
        [
            (ledger_order(), [charge()]),
            (ledger_order(), [charge(), charge(number=8)]),
            (ledger_order(), [charge(), charge("ch_2", status="refunded")]),
            (ledger_order(), [charge(), charge(status="declined", amount=1)]),
            (ledger_order(), [charge(status=UNREADABLE, amount=None, currency=None)]),
            *((ledger_order(status, None), [charge(status="declined")]) for status in UNPAID),
        ],
    )
    def test_finds_none_where_both_agree_or_the_line_is_unreadable(
        self, order: LedgerOrder, lines: list[ReportLine]
    ) -> None:
        assert kinds(order, *lines) == []

    @pytest.mark.parametrize(
        ("order", "second"), [(ledger_order(), Kind.OTHER_CHARGE_ID), (DEAD, Kind.CHARGED_NOT_PAID)]
    )
    def test_finds_two_charges_that_are_not_recorded_here(self, order: LedgerOrder, second: Kind) -> None:
        assert kinds(order, charge("ch_2"), charge("ch_3")) == [Kind.TWO_CHARGES, second]

    @pytest.mark.parametrize("order", [ledger_order(), ledger_order(OrderStatus.REVIEW, None)])
    def test_reports_another_orders_charge_once_and_pays_none_with_it(self, order: LedgerOrder) -> None:
        """Recording it as this order's would have two orders paid with one charge."""
        (found,) = compare(order, [charge("ch_9")], {7: "o9"})
        assert (found.kind, found.here, found.report) == (Kind.CHARGE_OF_ANOTHER, "o9", "ch_9")

    def test_every_kind_has_a_sentence(self) -> None:
        for kind in Kind:
            for order_id, key in (("o1", "cart-1"), (None, "cart-1"), (None, None)):
                assert "None" not in Discrepancy(kind, order_id, key, "here", "there", 1).sentence


class TestTheCommandThatRecordsIt:
    def command(self, kind: Kind, **other: Any) -> list[str]:
        fields = {"order_id": "o1", "idempotency_key": "k", "here": "dead", "report": "ch_1", "line": 1}
        found = Discrepancy(kind, **(fields | other))
        return shlex.split(found.command or "")

    def test_resolves_an_order_that_was_charged_and_is_not_paid(self) -> None:
        ending = self.command(Kind.CHARGED_NOT_PAID)
        assert ending[:7] == ["breakwall", "orders", "resolve", "o1", "--paid", "ch_1", "--reason"]
        assert ending[7] == "reconcile: the report has it charged as ch_1, here it is dead"

    def test_opens_an_incident_for_every_other_discrepancy_of_an_order(self) -> None:
        for kind in set(Kind) - {Kind.CHARGED_NOT_PAID, Kind.SHARED_CHARGE}:
            opening = self.command(kind)
            assert opening[:5] == ["breakwall", "orders", "incidents", "--open", "o1"]
            assert opening[5] == "--reason"
            assert "ch_1" in opening[6]

    def test_opens_an_incident_of_the_first_order_that_shares_a_charge(self) -> None:
        assert self.command(Kind.SHARED_CHARGE, order_id=None, here="o1, o2")[4] == "o1"

    def test_does_not_exist_for_an_unknown_key(self) -> None:
        assert self.command(Kind.UNKNOWN_KEY, order_id=None) == []

    def test_quotes_the_report_so_that_no_part_of_it_runs(self) -> None:
        nasty = "ch'; rm -rf $(pwd) #"
        assert self.command(Kind.CHARGED_NOT_PAID, report=nasty)[5] == nasty
        assert nasty in self.command(Kind.OTHER_CHARGE_ID, report=nasty)[-1]
