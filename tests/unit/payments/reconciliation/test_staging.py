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


def remaining(*lines: tuple[ReportLine, str | None]) -> list[tuple[str, int, str]]:
    with StagingTable() as staging:
        staging.add(matches(*lines))
        staging.complete()
        left = [(order_id, line) for order_id, lines, _ in staging.by_order() for line in lines]
    return [(order_id, line.number, line.status) for order_id, line in left]


def test_a_charge_that_a_later_line_reverses_is_dropped() -> None:
    lines = [(charge(number=2), "o1"), (charge(number=3, status="refunded"), "o1")]
    assert remaining(*lines) == [("o1", 3, "refunded")]


def test_a_charge_that_a_later_line_makes_stands() -> None:
    lines = [(charge(number=2, status="processing"), "o1"), (charge(number=3), "o1")]
    assert ("o1", 3, "succeeded") in remaining(*lines)


def test_the_last_of_three_lines_decides() -> None:
    first, reversed_, again = charge(number=2), charge(number=3, status="failed"), charge(number=4)
    assert ("o1", 2, "succeeded") in remaining((first, "o1"), (reversed_, "o1"), (again, "o1"))
    twice = [(first, "o1"), (replace(again, number=3), "o1"), (replace(reversed_, number=4), "o1")]
    assert remaining(*twice) == [("o1", 4, "failed")]


def test_a_charge_that_is_reversed_under_another_key_is_dropped() -> None:
    lines = [(charge(number=2), "o1"), (charge(number=3, key="refund-9", status="refunded"), None)]
    assert remaining(*lines) == []


def test_another_charges_refund_drops_nothing() -> None:
    lines = [(charge(number=2), "o1"), (charge("ch_2", number=3, status="refunded"), "o1")]
    assert remaining(*lines) == [("o1", 2, "succeeded"), ("o1", 3, "refunded")]


def test_a_line_without_a_charge_drops_nothing() -> None:
    declined = replace(charge(number=3, status="declined"), charge_id=None)
    assert remaining((charge(number=2), "o1"), (declined, "o1"))[0] == ("o1", 2, "succeeded")


@pytest.mark.parametrize(("parts", "stands"), [([4_000], True), ([4_000, 6_000], False), ([10_000], False)])
def test_a_charge_that_is_refunded_in_part_stands(parts: list[int], stands: bool) -> None:
    back = [(charge(number=3 + n, status="refunded", amount=part), "o1") for n, part in enumerate(parts)]
    charged = ("o1", 2, "succeeded") in remaining((charge(number=2), "o1"), *back)
    assert charged is stands


def test_a_refund_without_an_amount_is_of_the_whole_charge() -> None:
    back = charge(number=3, status="refunded", amount=None)
    assert remaining((charge(number=2), "o1"), (back, "o1")) == [("o1", 3, "refunded")]


def test_a_line_that_is_no_charge_drops_no_charge() -> None:
    disputed = charge(number=3, status="chargeback")
    assert remaining((charge(number=2), "o1"), (disputed, "o1"))[0] == ("o1", 2, "succeeded")


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
