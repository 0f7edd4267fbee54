"""What the lines of a report say: which are charges, which are none, and which cannot be read."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest

from breakwall.files.amounts import Units
from breakwall.files.columns import parse_columns
from breakwall.files.errors import UnreadableFileError
from breakwall.payments.reconciliation.charge_status import Meaning
from breakwall.payments.reconciliation.report import FIELDS, MAX_PROBLEMS, MAX_STATUSES, Report, ReportLine

HEADER = "key,charge_id,amount,currency,status\n"
GOOD = "cart-1,ch_1,10000,KRW,succeeded\n"
READ = ReportLine(2, "cart-1", "ch_1", 10_000, "KRW", "succeeded")
OBJECT = {"key": "cart-1", "charge_id": "ch_1", "amount": 10_000, "currency": "KRW", "status": "succeeded"}


def report(text: str, columns: str = "", **options: Any) -> Report:
    return Report(io.BytesIO(text.encode()), columns=parse_columns(columns, FIELDS), **options)


def read(text: str, columns: str = "", **options: Any) -> list[ReportLine]:
    return list(report(text, columns, **options))


def problem(row: str) -> tuple[str | None, str]:
    """What is wrong with one row between two good ones, both of which are read."""
    found = report(HEADER + GOOD + row + "\n" + GOOD)
    first, bad, last = list(found)
    assert (first.charged, bad.meaning, last.charged) == (True, Meaning.UNREADABLE, True)
    (found_problem,) = found.problems
    assert (found.unreadable, found_problem.line) == (1, 3)
    return found_problem.field, found_problem.problem


class TestALine:
    @pytest.mark.parametrize(
        "text",
        [
            HEADER + GOOD,
            HEADER.upper() + GOOD,
            HEADER.replace("key", "idempotency_key") + GOOD,
            HEADER + GOOD.replace("KRW,succeeded", "krw,SUCCEEDED"),
            "note,status,currency,amount,charge id,key\nhello,succeeded,KRW,10000,ch_1,cart-1\n",
            "\n" + json.dumps(OBJECT),
            "\n" + json.dumps([OBJECT | {"note": {"id": [1]}}]),
            "\n" + json.dumps(OBJECT | {"amount": "10000"}),
        ],
    )
    def test_becomes_a_charge(self, text: str) -> None:
        assert read(text) == [READ]

    def test_may_come_without_a_key(self) -> None:
        (line,) = read("charge_id,amount,currency,status\nch_1,10000,KRW,succeeded\n")
        assert (line.key, line.charge_id) == (None, "ch_1")

    def test_keeps_zeros_before_a_key(self) -> None:
        assert read(HEADER + GOOD.replace("cart-1", "000123"))[0].key == "000123"

    def test_takes_ids_that_are_numbers_for_texts(self) -> None:
        (line,) = read(json.dumps(OBJECT | {"charge_id": 17, "key": 18}))
        assert (line.charge_id, line.key) == ("17", "18")

    def test_needs_a_charge_id_and_an_amount_only_where_it_was_charged(self) -> None:
        (line,) = read(HEADER + "cart-1,,,,declined\n")
        assert (line.charge_id, line.amount, line.currency, line.charged) == (None, None, None, False)

    def test_is_read_by_the_names_that_its_service_has(self) -> None:
        text = json.dumps({"id": "ch_1", "metadata": {"k": "cart-1"}, "amount": 10_000, "currency": "krw"})
        text = text[:-1] + ', "status": "succeeded"}'
        assert read("\n" + text, "charge_id=id,key=metadata.k") == [READ]


class TestALineThatCannotBeRead:
    @pytest.mark.parametrize(
        ("row", "field", "what"),
        [
            ("cart-1,,10000,KRW,succeeded", "charge_id", "is missing, and it was charged"),
            ("cart-1,ch_1,,KRW,succeeded", "amount", "is missing"),
            ("cart-1,ch_1,1e4,KRW,succeeded", "amount", "should be a whole number of minor units"),
            ("cart-1,ch_1," + "9" * 5000 + ",KRW,succeeded", "amount", "should be a whole number"),
            ("cart-1,ch_1,10000,WON,succeeded", "currency", "should be an ISO 4217 code"),
            ("cart-1,ch_1,10000,,succeeded", "currency", "should be an ISO 4217 code"),
            ("cart\x001,ch_1,10000,KRW,succeeded", "key", "U+0000"),
            ("cart-1,ch_1,10000,KRW,succeeded,more", None, "has 6 columns"),
            ('cart-1,"ch_1,10000,KRW,succeeded', None, "cannot be split"),
        ],
    )
    def test_is_named_with_its_field_and_ends_nothing(self, row: str, field: str | None, what: str) -> None:
        assert problem(row)[0] == field
        assert what in problem(row)[1]

    def test_keeps_its_order_where_that_can_be_read(self) -> None:
        (line,) = read(HEADER + "cart-1,ch_1,10000,WON,succeeded\n")
        assert (line.key, line.charge_id, line.meaning) == ("cart-1", "ch_1", Meaning.UNREADABLE)

    def test_with_two_keys_is_not_understood(self) -> None:
        (found_problem,) = problem_of({"idempotency_key": "cart-2"})
        assert found_problem == ("key", "is 'cart-1' and 'cart-2': should not differ")

    @pytest.mark.parametrize(
        ("change", "field"),
        [
            ({"amount": True}, "amount"),
            ({"amount": float("nan")}, None),
            ({"charge_id": None}, "charge_id"),
            ({"key": {"id": 1}}, "key"),
            ({"key": "\ud800"}, "key"),
            ({"status": 1.5}, "status"),
            ({"currency": ["KRW"]}, "currency"),
        ],
        ids=range(7),
    )
    def test_of_json_is_named_likewise(self, change: dict[str, Any], field: str | None) -> None:
        ((named, _),) = problem_of(change)
        assert named == field

    def test_is_reported_up_to_a_bound_and_counted_beyond(self) -> None:
        found = report(HEADER + "cart-1,ch_1,1,WON,paid\n" * (MAX_PROBLEMS + 5))
        assert len(list(found)) == MAX_PROBLEMS + 5
        assert (found.unreadable, len(found.problems)) == (MAX_PROBLEMS + 5, MAX_PROBLEMS)


def problem_of(change: dict[str, Any]) -> list[tuple[str | None, str]]:
    """What is wrong with a JSON object that follows a good one."""
    found = report("\n".join(map(json.dumps, [OBJECT, OBJECT | change])))
    assert len(list(found)) == 2
    return [(found_problem.field, found_problem.problem) for found_problem in found.problems]


class TestUnits:
    def test_a_decimal_among_minor_units_ends_the_reading_and_names_the_option(self) -> None:
        """What was read before it is as wrong: the file's 10 are ten dollars."""
        with pytest.raises(UnreadableFileError, match="--amounts major") as caught:
            read(HEADER + "a,ch_1,10,USD,paid\nb,ch_2,10.50,USD,paid\n")
        assert (caught.value.line, caught.value.field) == (3, "amount")

    def test_major_ones_are_exact_in_each_currency(self) -> None:
        rows = ["a,ch_1,10.50,USD,paid", "b,ch_2,10000,KRW,paid", "c,ch_3,1.234,KWD,paid"]
        lines = read(HEADER + "\n".join(rows), units=Units.MAJOR)
        assert [line.amount for line in lines] == [1_050, 10_000, 1_234]

    def test_decimals_that_a_currency_does_not_have_are_refused_line_by_line(self) -> None:
        found = report(HEADER + "a,ch_1,10.5,KRW,paid\nb,ch_2,10,KRW,paid\n", units=Units.MAJOR)
        assert [line.amount for line in found] == [None, 10]
        assert "more decimals than KRW" in found.problems[0].problem

    def test_the_amount_of_what_is_no_charge_does_not_matter(self) -> None:
        found = report(HEADER + GOOD + "Total,,10.50,,\n,,,,\nx,ch_2,10.5,USD,pending\n")
        assert [line.charged for line in found] == [True, False, False, False]
        assert (found.unreadable, found.skipped) == (0, {"(no status)": 2, "pending": 1})

    def test_a_negative_charge_is_a_refund(self) -> None:
        (line,) = read(HEADER + "a,ch_1,-10.50,USD,Completed\n", units=Units.MAJOR)
        assert (line.meaning, line.amount, line.status) == (Meaning.REFUNDED, 1_050, "refunded")

    def test_a_refund_belongs_to_the_charge_that_it_names(self) -> None:
        text = "id,of,amount,currency,status\nre_1,ch_1,1,USD,refunded\nch_2,auth_9,1,USD,paid\n"
        lines = read(text, "charge_id=id,refund_of=of")
        assert [line.charge_id for line in lines] == ["ch_1", "ch_2"]


class TestStatuses:
    def test_that_mean_a_charge_can_be_named(self) -> None:
        text = HEADER + "a,ch_1,1,EUR,Abgeschlossen\nb,ch_2,1,EUR,In Bearbeitung\n"
        assert [line.charged for line in read(text)] == [False, False]
        assert [line.charged for line in read(text, charged=["abgeschlossen "])] == [True, False]

    def test_cannot_say_that_a_line_is_unreadable(self) -> None:
        found = report(HEADER + "a,ch_1,1,EUR,unreadable\n")
        assert [line.meaning for line in found] == [Meaning.NO_CHARGE]

    def test_of_no_charge_are_counted_by_word_up_to_a_bound(self) -> None:
        found = report(HEADER + "".join(f"a,ch,1,USD,word {n}\n" for n in range(MAX_STATUSES + 7)))
        assert len(list(found)) == MAX_STATUSES + 7
        assert (len(found.skipped), found.skipped["(other words)"]) == (MAX_STATUSES + 1, 7)


class TestChargesOfOthers:
    def test_are_those_without_the_prefix_by_key_or_else_by_charge(self) -> None:
        rows = ["shop-1,ch_1", "blog-1,ch_2", "shop-2,ch_3", ",shop-ch", ",ch_4"]
        found = report(HEADER + "".join(f"{row},1,USD,paid\n" for row in rows), prefix="shop-")
        assert [line.number for line in found] == [2, 4, 5]
        assert found.of_others == 2

    def test_cannot_be_unreadable(self) -> None:
        found = report(HEADER + "blog-1,ch_2,10.5,WON,paid\n", prefix="shop-")
        assert (list(found), found.unreadable) == ([], 0)


@pytest.mark.parametrize("missing", ["charge_id", "amount", "currency", "status"])
def test_a_missing_column_is_named_with_those_that_there_are(missing: str) -> None:
    with pytest.raises(UnreadableFileError) as caught:
        read(HEADER.replace(missing, "other") + GOOD)
    assert (caught.value.line, caught.value.field) == (1, missing)
    assert f"Missing: {missing}" in caught.value.problem
    assert "other" in caught.value.problem
    assert f"--columns {missing}=…" in caught.value.problem


def test_a_header_alone_is_a_report_without_charges() -> None:
    assert read(HEADER) == []
