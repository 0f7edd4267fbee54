"""The columns of an order that no process holds a claim on, without a database."""

from __future__ import annotations

import pytest

from breakwall.payments.ledger.order_state import state_columns
from breakwall.payments.orders import OrderStatus
from tests.manual_clock import ManualClock


@pytest.mark.parametrize("status", [status for status in OrderStatus if status.is_final])
def test_a_finished_order_is_not_due(status: OrderStatus) -> None:
    columns = state_columns(ManualClock(), status)
    assert columns.pop("settled_at") is not None
    assert columns.pop("status") is status
    assert set(columns.values()) == {None}


def test_a_queued_order_is_due_and_published_at_one_moment_and_has_not_finished() -> None:
    columns = state_columns(ManualClock(), OrderStatus.QUEUED, 30.0)
    assert columns["next_attempt_at"] is columns["dispatch_at"]
    assert columns["next_attempt_at"] is not None
    assert (columns["lease_until"], columns["settled_at"]) == (None, None)
