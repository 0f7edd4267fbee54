"""What `orders place` says about an order."""

from __future__ import annotations

import pytest

from breakwall.cli.orders.place import meaning
from breakwall.payments.orders import EndReason, OrderStatus
from breakwall.producers import PlaceResult


@pytest.mark.parametrize(
    ("status", "reason", "text"),
    [
        (OrderStatus.DEAD, EndReason.REFUSED, "The payment service refused it"),
        (OrderStatus.DEAD, EndReason.EXHAUSTED, "Its attempts are used up"),
        (OrderStatus.DEAD, None, "It was not charged"),
        (OrderStatus.DECLINED, "insufficient_funds", "The payment service declined it: insufficient_funds."),
        (OrderStatus.DECLINED, "refused", "The payment service declined it: refused."),
        (OrderStatus.DECLINED, EndReason.DECLINED, "The payment service declined it."),
        (OrderStatus.CANCELLED, EndReason.EXPIRED, "Its last moment passed"),
        (OrderStatus.PAID, EndReason.RESOLVED, "It is paid."),
        (OrderStatus.PAID, EndReason.EXHAUSTED, "It is paid."),
        (OrderStatus.QUEUED, EndReason.EXHAUSTED, "It waits in the queue"),
    ],
)
def test_the_end_is_said_by_its_reason(status: OrderStatus, reason: str | None, text: str) -> None:
    assert meaning(PlaceResult("order-1", status, reason=reason)).startswith(text)
