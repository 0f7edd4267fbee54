"""The columns of an order that no process holds a claim on."""

from typing import Any

from breakwall.payments.db.clock import Clock
from breakwall.payments.orders import OrderStatus


def state_columns(clock: Clock, status: OrderStatus, delay: float = 0.0) -> dict[str, Any]:
    """The columns of an order in a state: queued, due in ``delay`` seconds, or finished."""
    queued = status is OrderStatus.QUEUED
    due = clock.after(delay) if queued else None
    return {
        "status": status,
        "lease_until": None,
        "next_attempt_at": due,
        "dispatch_at": due,
        "settled_at": None if queued else clock.after(0),
    }
