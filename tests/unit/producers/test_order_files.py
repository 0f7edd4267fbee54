"""A field of an order that is optional may be missing in a file; the formats have their tests in tests/integration."""

from __future__ import annotations

import io

import pytest

from breakwall.payments import orders
from breakwall.payments.orders import FIELDS
from breakwall.producers import order_files
from breakwall.producers.order_files import OrderFile
from tests.unit.payments.remarked_order import RemarkedOrder

WITH, WITHOUT = '"k1", "remark": "tea"', '"k2"'
JSON_LINE = '{"user_id": "u1", "amount": 5, "currency": "USD", "idempotency_key": %s}\n'
CSV = "user_id,amount,currency,idempotency_key"


@pytest.fixture(autouse=True)
def remarked(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (orders, order_files):
        monkeypatch.setattr(module, "FIELDS", (*FIELDS, "remark"))
    monkeypatch.setattr(order_files, "Order", RemarkedOrder)


@pytest.mark.parametrize(
    ("text", "remarks"),
    [
        (JSON_LINE % WITH + JSON_LINE % WITHOUT, ["tea", None]),
        (f"{CSV},remark\nu1,5,USD,k1,tea\nu1,5,USD,k2,\n", ["tea", None]),
        (f"{CSV}\nu1,5,USD,k1\n", [None]),
    ],
    ids=["JSON Lines", "CSV", "CSV without the column"],
)
def test_an_optional_field_that_a_file_leaves_out_is_its_default(
    text: str, remarks: list[str | None]
) -> None:
    found = [line.order for line in OrderFile(io.BytesIO(text.encode()))]
    assert [order and order.remark for order in found] == remarks  # type: ignore[attr-defined]
