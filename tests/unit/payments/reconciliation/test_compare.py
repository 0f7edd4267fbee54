"""Holding an order against a report's lines, and the spool between the two. No file, no ledger."""

from __future__ import annotations

import shlex
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from breakwall.payments.orders import OrderStatus
from breakwall.payments.reconciliation.charge_status import UNREADABLE
from breakwall.payments.reconciliation.compare import Account, Difference, Kind, compare
from breakwall.payments.reconciliation.matching import Match
from breakwall.payments.reconciliation.report import ReportLine
from breakwall.payments.reconciliation.staging import Spool


def account(status: OrderStatus = OrderStatus.PAID, charge_id: str | None = "ch_1") -> Account:
    return Account("o1", "cart-1", 10_000, "KRW", status, charge_id)


def charge(charge_id: str = "ch_1", **other: Any) -> ReportLine:
    fields = {"number": 7, "key": "cart-1", "amount": 10_000, "currency": "KRW", "status": "succeeded"}
    return ReportLine(charge_id=charge_id, **(fields | other))


def kinds(account: Account, *lines: ReportLine) -> list[Kind]:
    return [found.kind for found in compare(account, lines)]


class TestComparing:
    def test_the_same_charge_is_no_difference(self) -> None:
        assert kinds(account(), charge()) == []

    @pytest.mark.parametrize("status", [status for status in OrderStatus if status is not OrderStatus.PAID])
    def test_charged_but_not_paid_here(self, status: OrderStatus) -> None:
        (found,) = compare(account(status, None), [charge()])
        assert (found.kind, found.here, found.report, found.line) == (
            Kind.CHARGED_NOT_PAID,
            status.value,
            "ch_1",
            7,
        )

    @pytest.mark.parametrize("status", [status for status in OrderStatus if status is not OrderStatus.PAID])
    def test_neither_charged_nor_paid_is_no_difference(self, status: OrderStatus) -> None:
        assert kinds(account(status, None), charge(status="declined")) == []

    def test_paid_here_but_not_in_the_report(self) -> None:
        (found,) = compare(account(), [])
        assert (found.kind, found.here, found.report, found.line) == (
            Kind.PAID_NOT_CHARGED,
            "ch_1",
            None,
            None,
        )

    @pytest.mark.parametrize("status", ["declined", "refunded", "processing"])
    def test_paid_here_and_not_charged_in_the_report(self, status: str) -> None:
        (found,) = compare(account(), [charge(status=status)])
        assert (found.kind, found.report) == (Kind.PAID_NOT_CHARGED, status)

    def test_another_amount(self) -> None:
        (found,) = compare(account(), [charge(amount=9_999)])
        assert (found.kind, found.here, found.report) == (Kind.OTHER_AMOUNT, 10_000, 9_999)

    def test_another_currency(self) -> None:
        (found,) = compare(account(), [charge(currency="USD")])
        assert (found.kind, found.here, found.report) == (Kind.OTHER_CURRENCY, "KRW", "USD")

    def test_the_amount_of_what_was_not_charged_is_nobodys_business(self) -> None:
        assert kinds(account(), charge(), charge(status="declined", amount=1)) == []

    def test_another_charge_id(self) -> None:
        (found,) = compare(account(), [charge("ch_2")])
        assert (found.kind, found.here, found.report) == (Kind.OTHER_CHARGE_ID, "ch_1", "ch_2")

    def test_two_charges_for_one_order(self) -> None:
        (found,) = compare(account(), [charge(), charge("ch_2", number=9)])
        assert (found.kind, found.report, found.line) == (Kind.TWO_CHARGES, "ch_1, ch_2", 9)

    def test_two_charges_neither_of_which_is_ours(self) -> None:
        assert kinds(account(), charge("ch_2"), charge("ch_3")) == [Kind.TWO_CHARGES, Kind.OTHER_CHARGE_ID]

    def test_two_charges_for_an_order_that_is_not_paid(self) -> None:
        unpaid = account(OrderStatus.DEAD, None)
        assert kinds(unpaid, charge("ch_2"), charge("ch_3")) == [Kind.TWO_CHARGES, Kind.CHARGED_NOT_PAID]

    def test_a_second_charge_that_was_given_back_is_no_difference(self) -> None:
        assert kinds(account(), charge(), charge("ch_2", status="refunded")) == []

    def test_a_charge_that_is_listed_twice_is_one_charge(self) -> None:
        assert kinds(account(), charge(), charge(number=8)) == []

    @pytest.mark.parametrize("status", ["pending", "disputed", ""])
    def test_what_the_report_calls_no_charge_is_named_where_it_is_paid_here(self, status: str) -> None:
        (found,) = compare(account(), [charge(status=status)])
        assert (found.kind, found.report) == (Kind.PAID_NOT_CHARGED, status or "(no status)")

    def test_an_order_whose_line_cannot_be_read_is_not_missing(self) -> None:
        assert kinds(account(), charge(status=UNREADABLE, amount=None, currency=None)) == []

    def test_a_charge_that_is_another_orders_here_is_told_once(self) -> None:
        (found,) = compare(account(), [charge("ch_9")], {7: "o9"})
        assert (found.kind, found.here, found.report) == (Kind.CHARGE_OF_ANOTHER, "o9", "ch_9")

    def test_a_charge_of_another_order_pays_none_that_is_unpaid_here(self) -> None:
        """Recording it as this order's would have two orders paid with one charge."""
        unpaid = account(OrderStatus.REVIEW, None)
        assert [found.kind for found in compare(unpaid, [charge()], {7: "o9"})] == [Kind.CHARGE_OF_ANOTHER]

    def test_every_kind_has_a_sentence(self) -> None:
        for kind in Kind:
            for order_id, key in (("o1", "cart-1"), (None, "cart-1"), (None, None)):
                assert "None" not in Difference(kind, order_id, key, "here", "there", 1).sentence


class TestTheCommandThatRecordsIt:
    def command(self, kind: Kind, **other: Any) -> list[str]:
        fields = {"order_id": "o1", "idempotency_key": "k", "here": "dead", "report": "ch_1", "line": 1}
        found = Difference(kind, **(fields | other))
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


def matches(*lines: tuple[ReportLine, str | None]) -> list[Match]:
    return [Match(line, order_id) for line, order_id in lines]


class TestTheSpool:
    def lines(self, number: int) -> Iterator[Match]:
        for n in range(number):
            yield Match(charge(f"ch_{n}", number=n + 1, key=f"cart-{n}"), f"order-{n % 1000:04}")

    def test_gives_the_lines_back_by_order(self) -> None:
        with Spool() as spool:
            spool.add(self.lines(3000))
            spool.complete()
            found = list(spool.by_order())
        assert len(found) == 1000
        assert [line.number for line in found[7][1]] == [8, 1008, 2008]

    def test_gives_lines_that_say_the_same_back_once(self) -> None:
        with Spool() as spool:
            spool.add(matches((charge(), "o1"), (charge(number=9), "o1"), (charge(number=8, amount=5), "o1")))
            assert [line.number for _, lines, _ in spool.by_order() for line in lines] == [7, 8]

    def test_knows_the_lines_without_an_order_and_the_orders_without_a_line(self) -> None:
        with Spool() as spool:
            spool.add(matches((charge(), "o1"), (charge(number=8), None)))
            assert [line.number for line, _ in spool.without_order()] == [8]
            assert spool.missing(["o1", "o2", "o3"]) == {"o2", "o3"}

    def told(self, *lines: tuple[ReportLine, str | None]) -> list[tuple[str, int, str]]:
        with Spool() as spool:
            spool.add(matches(*lines))
            spool.complete()
            left = [(order_id, line) for order_id, lines, _ in spool.by_order() for line in lines]
        return [(order_id, line.number, line.status) for order_id, line in left]

    def test_drops_a_charge_that_a_later_line_takes_back(self) -> None:
        lines = [(charge(number=2), "o1"), (charge(number=3, status="refunded"), "o1")]
        assert self.told(*lines) == [("o1", 3, "refunded")]

    def test_drops_no_charge_that_a_later_line_makes(self) -> None:
        lines = [(charge(number=2, status="processing"), "o1"), (charge(number=3), "o1")]
        assert ("o1", 3, "succeeded") in self.told(*lines)

    def test_goes_by_the_last_of_three_lines(self) -> None:
        first, taken_back, again = charge(number=2), charge(number=3, status="failed"), charge(number=4)
        assert ("o1", 2, "succeeded") in self.told((first, "o1"), (taken_back, "o1"), (again, "o1"))
        twice = [(first, "o1"), (replace(again, number=3), "o1"), (replace(taken_back, number=4), "o1")]
        assert self.told(*twice) == [("o1", 4, "failed")]

    def test_drops_a_charge_that_is_taken_back_under_another_key(self) -> None:
        lines = [(charge(number=2), "o1"), (charge(number=3, key="refund-9", status="refunded"), None)]
        assert self.told(*lines) == []

    def test_drops_nothing_of_another_charge(self) -> None:
        lines = [(charge(number=2), "o1"), (charge("ch_2", number=3, status="refunded"), "o1")]
        assert self.told(*lines) == [("o1", 2, "succeeded"), ("o1", 3, "refunded")]

    def test_drops_nothing_because_of_a_line_without_a_charge(self) -> None:
        declined = replace(charge(number=3, status="declined"), charge_id=None)
        assert self.told((charge(number=2), "o1"), (declined, "o1"))[0] == ("o1", 2, "succeeded")

    @pytest.mark.parametrize(
        ("parts", "stands"), [([4_000], True), ([4_000, 6_000], False), ([10_000], False)]
    )
    def test_keeps_a_charge_that_is_given_back_in_part(self, parts: list[int], stands: bool) -> None:
        back = [(charge(number=3 + n, status="refunded", amount=part), "o1") for n, part in enumerate(parts)]
        charged = ("o1", 2, "succeeded") in self.told((charge(number=2), "o1"), *back)
        assert charged is stands

    def test_takes_a_refund_of_no_amount_for_the_whole(self) -> None:
        back = charge(number=3, status="refunded", amount=None)
        assert self.told((charge(number=2), "o1"), (back, "o1")) == [("o1", 3, "refunded")]

    def test_drops_no_charge_for_a_line_that_is_no_charge(self) -> None:
        disputed = charge(number=3, status="chargeback")
        assert self.told((charge(number=2), "o1"), (disputed, "o1"))[0] == ("o1", 2, "succeeded")

    def test_lists_no_line_of_nobodys_that_is_no_charge(self) -> None:
        with Spool() as spool:
            spool.add(matches(*((charge(status=status), None) for status in ("pending", "refunded", ""))))
            spool.add(matches((replace(charge(status="failed"), key=None), None)))
            assert list(spool.without_order()) == []

    def test_misses_no_order_whose_charge_stands_under_another_ones_key(self) -> None:
        with Spool() as spool:
            spool.add([Match(charge(), "o1", "o2"), Match(charge("ch_2", status="failed"), "o1", "o3")])
            assert spool.missing(["o1", "o2", "o3"]) == {"o3"}

    def test_knows_no_shared_charge_where_it_was_taken_back(self) -> None:
        with Spool() as spool:
            spool.add(matches((charge(number=2), "o1"), (charge(number=3), "o2")))
            spool.add(matches((charge(number=4, status="refunded"), "o2")))
            spool.complete()
            assert list(spool.shared_charges()) == []

    def test_knows_charges_that_several_orders_share(self) -> None:
        with Spool() as spool:
            spool.add(Match(charge(number=n), f"o{n}") for n in (3, 1, 2))
            spool.add(matches((charge("ch_2", number=4), "o1"), (charge("ch_2", number=5), "o1")))
            assert list(spool.shared_charges()) == [("ch_1", ("o1", "o3"), 1)]

    def test_holds_next_to_nothing_in_the_memory(self) -> None:
        """50,000 lines are some 15 MB as objects."""
        tracemalloc.start()
        with Spool() as spool:
            spool.add(self.lines(50_000))
            spool.complete()
            assert sum(len(lines) for _, lines, _ in spool.by_order()) == 50_000
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert most < 1_000_000
