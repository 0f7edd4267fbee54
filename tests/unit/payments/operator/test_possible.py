from __future__ import annotations

import pytest

from breakwall.payments.operator.possible import possible_actions
from breakwall.payments.orders import OrderStatus


@pytest.mark.parametrize(
    ("status", "possible"),
    [
        (OrderStatus.QUEUED, ["retry", "cancel", "resolve_paid"]),
        (OrderStatus.IN_FLIGHT, ["cancel", "resolve_paid"]),
        (OrderStatus.PAID, []),
        (OrderStatus.DECLINED, ["resolve_paid"]),
        (OrderStatus.REVIEW, ["retry", "resolve_paid", "resolve_not_charged"]),
        (OrderStatus.DEAD, ["retry", "cancel", "resolve_paid"]),
        (OrderStatus.CANCELLED, ["resolve_paid"]),
    ],
)
def test_each_state_allows_some_actions(status: OrderStatus, possible: list[str]) -> None:
    assert possible_actions(status) == possible
