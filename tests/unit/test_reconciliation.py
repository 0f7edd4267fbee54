"""Reading a report, holding an order against it, and the spool between the two. No ledger."""

from __future__ import annotations

import io
import json
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from breakwall.payments.differences import Account, Kind, compare
from breakwall.payments.orders import OrderStatus
from breakwall.payments.reports import MAX_LINE, ReportLine, UnreadableReportError, read_report
from breakwall.payments.spool import Spool
from tests.texts import TYPED

HEADER = b"key,charge_id,amount,currency,status\n"
GOOD = b"cart-1,ch_1,10000,KRW,succeeded\n"
READ = ReportLine(2, "cart-1", "ch_1", 10_000, "KRW", "succeeded")


def read(report: bytes) -> list[ReportLine]:
    return list(read_report(io.BytesIO(report)))


def refused(report: bytes) -> UnreadableReportError:
    with pytest.raises(UnreadableReportError) as caught:
        read(report)
    return caught.value


class TestReadingCsv:
    def test_a_line_becomes_a_charge(self) -> None:
        assert read(HEADER + GOOD) == [READ]

    @pytest.mark.parametrize(
        "report",
        [
            b"\xef\xbb\xbf" + HEADER + GOOD,
            (HEADER + GOOD).replace(b"\n", b"\r\n"),
            HEADER.upper() + GOOD,
            HEADER.replace(b"key", b"idempotency_key") + GOOD,
            b"key, charge_id , amount,currency,status\n cart-1 ,ch_1, 10000,KRW,succeeded",
            HEADER + GOOD.replace(b"KRW,succeeded", b"krw,SUCCEEDED"),
            HEADER + b'"cart-1","ch_1","10000","KRW","succeeded"\n',
            b"note,status,currency,amount,charge_id,key\nhello,succeeded,KRW,10000,ch_1,cart-1\n",
        ],
    )
    def test_what_is_usual_elsewhere_is_read_too(self, report: bytes) -> None:
        """A byte order mark, Windows line ends, capitals, the key's long name, spaces, quotes, columns."""
        assert read(report) == [READ]

    @pytest.mark.parametrize("text", TYPED.values(), ids=TYPED)
    def test_a_key_and_a_charge_id_hold_what_a_person_may_type(self, text: str) -> None:
        row = {"key": text, "charge_id": text, "amount": 1, "currency": "KRW", "status": "succeeded"}
        quoted = ",".join('"{}"'.format(str(value).replace('"', '""')) for value in row.values())
        lines = read(HEADER + quoted.encode()), read(json.dumps(row).encode())
        assert [(line.key, line.charge_id) for (line,) in lines] == [(text, text)] * 2

    def test_a_character_that_no_text_may_hold_is_named(self) -> None:
        assert "U+202E RIGHT-TO-LEFT OVERRIDE" in str(refused(HEADER + "a\u202eb,ch,1,KRW,failed".encode()))

    def test_empty_lines_are_passed_over_and_counted(self) -> None:
        assert [line.number for line in read(b"\n" + HEADER + b"\n" + GOOD)] == [4]

    def test_a_quoted_line_end_is_counted(self) -> None:
        report = b"note," + HEADER + b'"two\nlines",' + GOOD + b"x," + GOOD
        assert [line.number for line in read(report)] == [3, 4]

    def test_a_header_alone_is_a_report_without_charges(self) -> None:
        assert read(HEADER) == []

    def test_a_charge_id_is_needed_only_where_it_was_charged(self) -> None:
        (line,) = read(HEADER + b"cart-1,,10000,KRW,declined\n")
        assert (line.charge_id, line.charged) == (None, False)

    @pytest.mark.parametrize(
        ("row", "field"),
        [
            (b",ch_1,10000,KRW,succeeded", "key"),
            (b"cart-1,,10000,KRW,succeeded", "charge_id"),
            (b"cart-1,ch_1,100.00,KRW,succeeded", "amount"),
            (b"cart-1,ch_1,,KRW,succeeded", "amount"),
            (b"cart-1,ch_1,1e4,KRW,succeeded", "amount"),
            (b"cart-1,ch_1," + b"9" * 5000 + b",KRW,succeeded", "amount"),
            (b"cart-1,ch_1,10000,WON,succeeded", "currency"),
            (b"cart-1,ch_1,10000,KRW,perhaps", "status"),
            (b"cart-1,ch_1,10000,KRW", "status"),
            (b"cart-1,ch_1,10000,KRW,succeeded,more", None),
            (b"cart\x001,ch_1,10000,KRW,succeeded", "key"),
            (b"cart-1,ch_1,10000,KRW,succ\xffeeded", None),
            (b'cart-1,"ch_1,10000,KRW,succeeded', None),
            (b"x" * (MAX_LINE + 1), None),
        ],
    )
    def test_a_bad_line_is_named_with_its_field(self, row: bytes, field: str | None) -> None:
        error = refused(HEADER + GOOD + row)
        assert (error.line, error.field) == (3, field)
        assert str(error).startswith(f"line 3: {field or ''}")
        assert "should" in error.problem or "is missing" in error.problem or "has 6 fields" in error.problem

    @pytest.mark.parametrize("missing", ["key", "charge_id", "amount", "currency", "status"])
    def test_a_missing_column_is_named(self, missing: str) -> None:
        error = refused(HEADER.replace(missing.encode(), b"other") + GOOD)
        assert (error.line, error.field, error.problem) == (1, missing, "is missing from the header")

    def test_a_column_that_is_there_twice_is_named(self) -> None:
        assert refused(b"amount," + HEADER).field == "amount"

    @pytest.mark.parametrize("report", [b"", b"\n\n", b"\xef\xbb\xbf"])
    def test_an_empty_report_is_none(self, report: bytes) -> None:
        assert "empty" in refused(report).problem


class TestReadingJsonLines:
    LINE = (
        b'{"key": "cart-1", "charge_id": "ch_1", "amount": 10000, "currency": "KRW", "status": "succeeded"}'
    )

    def test_a_line_becomes_a_charge(self) -> None:
        assert read(b"\n" + self.LINE + b"\n\n") == [READ]

    def test_fields_that_are_not_compared_are_passed_over(self) -> None:
        assert len(read(self.LINE.replace(b"{", b'{"user": {"id": [1]}, ', 1))) == 1

    @pytest.mark.parametrize(
        ("old", "new", "field"),
        [
            (b"10000", b"100.5", "amount"),
            (b"10000", b"true", "amount"),
            (b"10000", b'"10000"', "amount"),
            (b"10000", b"9" * 30, "amount"),
            (b"10000", b"9" * 5000, None),
            (b'"ch_1"', b"17", "charge_id"),
            (b'"ch_1"', b"null", "charge_id"),
            (b'"cart-1"', b'{"id": 1}', "key"),
            (b'"cart-1"', b'"\\ud800"', "key"),
            (b'"key"', b'"kee"', "key"),
            (b'"key"', b'"idempotency_key": "cart-2", "key"', "key"),
            (b'"amount"', b'"amount": 1, "amount"', "amount"),
            (b"}", b"", None),
            (b'{"key"', b'["key"', None),
        ],
    )
    def test_a_bad_line_is_named_with_its_field(self, old: bytes, new: bytes, field: str | None) -> None:
        error = refused(self.LINE + b"\n" + self.LINE.replace(old, new, 1))
        assert (error.line, error.field) == (2, field)


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

    def test_every_kind_has_a_sentence(self) -> None:
        (found,) = compare(account(), [])
        for kind in Kind:
            assert "None" not in found.__class__(kind, "o1", "cart-1", "here", "there", 1).sentence


class TestTheSpool:
    def lines(self, number: int) -> Iterator[tuple[ReportLine, str | None]]:
        for n in range(number):
            yield charge(f"ch_{n}", number=n + 1, key=f"cart-{n}"), f"order-{n % 1000:04}"

    def test_gives_the_lines_back_by_order(self) -> None:
        with Spool() as spool:
            spool.add(self.lines(3000))
            spool.complete()
            found = list(spool.by_order())
        assert len(found) == 1000
        assert [line.number for line in found[7][1]] == [8, 1008, 2008]

    def test_gives_lines_that_say_the_same_back_once(self) -> None:
        with Spool() as spool:
            spool.add([(charge(), "o1"), (charge(number=9), "o1"), (charge(number=8, amount=5), "o1")])
            assert [line.number for _, lines in spool.by_order() for line in lines] == [7, 8]

    def test_knows_the_lines_without_an_order_and_the_orders_without_a_line(self) -> None:
        with Spool() as spool:
            spool.add([(charge(), "o1"), (charge(number=8), None)])
            assert [line.number for line in spool.without_order()] == [8]
            assert spool.missing(["o1", "o2", "o3"]) == {"o2", "o3"}

    def told(self, *lines: tuple[ReportLine, str | None]) -> list[tuple[str, int, str]]:
        with Spool() as spool:
            spool.add(lines)
            spool.complete()
            left = [(order_id, line) for order_id, lines in spool.by_order() for line in lines]
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

    def test_knows_no_shared_charge_where_it_was_taken_back(self) -> None:
        with Spool() as spool:
            spool.add([(charge(number=2), "o1"), (charge(number=3), "o2")])
            spool.add([(charge(number=4, status="refunded"), "o2")])
            spool.complete()
            assert list(spool.shared_charges()) == []

    def test_knows_charges_that_several_orders_share(self) -> None:
        with Spool() as spool:
            spool.add([(charge(number=n), f"o{n}") for n in (3, 1, 2)])
            spool.add([(charge("ch_2", number=4), "o1"), (charge("ch_2", number=5), "o1")])
            assert list(spool.shared_charges()) == [("ch_1", ("o1", "o3"), 1)]

    def test_holds_next_to_nothing_in_the_memory(self) -> None:
        """50,000 lines are some 15 MB as objects."""
        tracemalloc.start()
        with Spool() as spool:
            spool.add(self.lines(50_000))
            spool.complete()
            assert sum(len(lines) for _, lines in spool.by_order()) == 50_000
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert most < 1_000_000
