"""The staging table: lines come back by order, and a charge stands as its last line says."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from breakwall.payments.reconciliation.matching import Match
from breakwall.payments.reconciliation.report import ReportLine
from breakwall.payments.reconciliation.staging import StagingTable


def charge(charge_id: str = "ch_1", **other: Any) -> ReportLine:
    fields = {"number": 7, "key": "cart-1", "amount": 10_000, "currency": "KRW", "status": "succeeded"}
    return ReportLine(charge_id=charge_id, **(fields | other))


def matches(*lines: tuple[ReportLine, str | None]) -> list[Match]:
    return [Match(line, order_id) for line, order_id in lines]


def lines(number: int) -> Iterator[Match]:
    for n in range(number):
        yield Match(charge(f"ch_{n}", number=n + 1, key=f"cart-{n}"), f"order-{n % 1000:04}")


def test_lines_come_back_by_order() -> None:
    with StagingTable() as staging:
        staging.add(lines(3000))
        staging.complete()
        found = list(staging.by_order())
    assert len(found) == 1000
    assert [line.number for line in found[7][1]] == [8, 1008, 2008]


def test_equal_lines_come_back_once() -> None:
    with StagingTable() as staging:
        staging.add(matches((charge(), "o1"), (charge(number=9), "o1"), (charge(number=8, amount=5), "o1")))
        assert [line.number for _, lines, _ in staging.by_order() for line in lines] == [7, 8]


def test_lines_without_an_order_and_orders_without_a_line_are_found() -> None:
    with StagingTable() as staging:
        staging.add(matches((charge(), "o1"), (charge(number=8), None)))
        assert [line.number for line, _ in staging.without_order()] == [8]
        assert staging.missing(["o1", "o2", "o3"]) == {"o2", "o3"}


CHARGE = (charge(number=2), "o1")
STANDS = ("o1", 2, "succeeded")


def refund(**other: Any) -> ReportLine:
    return charge(**({"number": 3, "status": "refunded"} | other))


@pytest.mark.parametrize(
    ("later", "remaining"),
    [
        ([(refund(), "o1")], [("o1", 3, "refunded")]),
        ([(refund(key="refund-9"), None)], []),
        ([(refund(charge_id="ch_2"), "o1")], [STANDS, ("o1", 3, "refunded")]),
        (
            [(replace(charge(number=3, status="declined"), charge_id=None), "o1")],
            [STANDS, ("o1", 3, "declined")],
        ),
        ([(charge(number=3, status="chargeback"), "o1")], [STANDS, ("o1", 3, "chargeback")]),
        (
            [(charge(number=3, status="failed"), "o1"), (charge(number=4), "o1")],
            [STANDS, ("o1", 3, "failed")],
        ),
        ([(charge(number=3), "o1"), (charge(number=4, status="failed"), "o1")], [("o1", 4, "failed")]),
        ([(refund(amount=4_000), "o1")], [STANDS]),
        (
            [(refund(amount=4_000), "o1"), (refund(amount=6_000, number=4), "o1")],
            [("o1", 3, "refunded"), ("o1", 4, "refunded")],
        ),
        ([(refund(amount=None), "o1")], [("o1", 3, "refunded")]),
    ],
    ids=[
        "refunded",
        "refunded under another key",
        "another charge refunded",
        "declined without a charge",
        "not a charge's status",
        "failed, then charged again",
        "charged again, then failed",
        "refunded in part",
        "refunded in two parts",
        "refunded without an amount",
    ],
)
def test_a_charge_stands_as_its_last_line_says(
    later: list[tuple[ReportLine, str | None]], remaining: list[tuple[str, int, str]]
) -> None:
    with StagingTable() as staging:
        staging.add(matches(CHARGE, *later))
        staging.complete()
        found = [(order_id, line) for order_id, lines, _ in staging.by_order() for line in lines]
    assert [(order_id, line.number, line.status) for order_id, line in found] == remaining


def test_a_charge_that_a_later_line_makes_stands() -> None:
    with StagingTable() as staging:
        staging.add(matches((charge(number=2, status="processing"), "o1"), (charge(number=3), "o1")))
        staging.complete()
        assert [line.charged for _, lines, _ in staging.by_order() for line in lines] == [False, True]


def test_a_line_without_an_order_that_is_no_charge_is_not_listed() -> None:
    with StagingTable() as staging:
        staging.add(matches(*((charge(status=status), None) for status in ("pending", "refunded", ""))))
        staging.add(matches((replace(charge(status="failed"), key=None), None)))
        assert list(staging.without_order()) == []


def test_an_order_whose_charge_stands_under_another_key_is_not_missing() -> None:
    with StagingTable() as staging:
        staging.add([Match(charge(), "o1", "o2"), Match(charge("ch_2", status="failed"), "o1", "o3")])
        assert staging.missing(["o1", "o2", "o3"]) == {"o3"}


def test_a_reversed_charge_is_not_shared() -> None:
    with StagingTable() as staging:
        staging.add(matches((charge(number=2), "o1"), (charge(number=3), "o2")))
        staging.add(matches((charge(number=4, status="refunded"), "o2")))
        staging.complete()
        assert list(staging.shared_charges()) == []


def test_charges_that_several_orders_share_are_found() -> None:
    with StagingTable() as staging:
        staging.add(Match(charge(number=n), f"o{n}") for n in (3, 1, 2))
        staging.add(matches((charge("ch_2", number=4), "o1"), (charge("ch_2", number=5), "o1")))
        assert list(staging.shared_charges()) == [("ch_1", ("o1", "o3"), 1)]


def test_the_table_needs_next_to_no_memory() -> None:
    """50,000 lines are some 15 MB as objects."""
    tracemalloc.start()
    with StagingTable() as staging:
        staging.add(lines(50_000))
        staging.complete()
        assert sum(len(lines) for _, lines, _ in staging.by_order()) == 50_000
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 1_000_000
