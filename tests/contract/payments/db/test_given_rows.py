"""Rows that are one parameter of a statement."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from sqlalchemy import bindparam, select

from breakwall.payments.db.given_rows import given_rows, row_parameter
from breakwall.payments.db.schema import orders
from tests.contract.site import Site


def read_back(site: Site, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    dialect = site.database.engine.name
    wanted = select(given_rows(dialect, orders, tuple(rows[0])))
    found = site.database.read(
        lambda connection: connection.execute(wanted, row_parameter(rows, dialect)).all()
    )
    return [dict(row._mapping) for row in found]


@pytest.mark.parametrize("text", ['"', "'", "\\", "\\u0041", "%(x)s :y ?", "카트-1", "🛒", "{}", " 1 "])
def test_texts_are_read_as_they_were_given(site: Site, text: str) -> None:
    rows = [{"idempotency_key": text, "amount": 1, "charge_id": text}]
    assert read_back(site, rows) == rows


def test_the_largest_number_and_nothing_are_read_as_they_were_given(site: Site) -> None:
    rows = [{"idempotency_key": "1", "amount": 2**63 - 1, "charge_id": None}]
    assert read_back(site, rows) == rows


def test_rows_keep_their_order(site: Site) -> None:
    rows = [{"idempotency_key": str(n), "amount": n, "charge_id": None} for n in range(1000)]
    assert read_back(site, rows) == rows


@pytest.mark.parametrize(
    "moment",
    [
        datetime(2026, 11, 29, 12, 30, tzinfo=UTC),
        datetime(999, 1, 2, 3, 4, 5, 678, tzinfo=UTC),
        datetime(2026, 11, 29, 12, 30, 0, 999_999, tzinfo=timezone(timedelta(hours=9))),
    ],
)
def test_a_moment_is_read_and_compared_as_any_other_one(site: Site, moment: datetime) -> None:
    assert read_back(site, [{"charge_before": moment}]) == [{"charge_before": moment}]
    given = given_rows(site.database.engine.name, orders, ("charge_before",))
    for other, equal in ((moment, True), (moment + timedelta(microseconds=1), False)):
        same = select(given.c.charge_before == bindparam("other", other, type_=orders.c.charge_before.type))
        row = row_parameter([{"charge_before": moment}], site.database.engine.name)
        assert bool(site.database.read(lambda connection: connection.scalar(same, row))) is equal  # noqa: B023
