"""An order as a later version may have it: with a field that may be missing."""

from __future__ import annotations

from dataclasses import dataclass

from breakwall.payments.orders import Order


@dataclass(frozen=True, slots=True)
class RemarkedOrder(Order):
    remark: str | None = None
