"""Rows that are one parameter of a statement."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from breakwall.payments.db.given_rows import given_rows, row_parameter
from breakwall.payments.db.schema import orders
from tests.contract.site import Site

NAMES = ("idempotency_key", "amount", "charge_id")


def read_back(site: Site, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    wanted = select(given_rows(site.database.engine.name, orders, NAMES))
    found = site.database.read(lambda connection: connection.execute(wanted, row_parameter(rows)).all())
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
