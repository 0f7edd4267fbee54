"""Orders as plain values, the same for the command line and for HTTP."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from breakwall.payments.orders import Order, StoredAttempt, StoredOrder
    from producers.producer import PlaceResult


def order_document(order: StoredOrder) -> dict[str, Any]:
    """An order's fields; times are ISO 8601 texts in UTC."""
    return {name: _plain(value) for name, value in asdict(order).items()}


def order_with_attempts(order: StoredOrder, attempts: Sequence[StoredAttempt]) -> dict[str, Any]:
    """An order's fields and, under ``attempts``, everything that was tried, first to last."""
    tried = [{name: _plain(value) for name, value in asdict(attempt).items()} for attempt in attempts]
    return {**order_document(order), "attempts": tried}


def placed_document(order: Order, result: PlaceResult) -> dict[str, Any]:
    """An order that was handed in, and what became of it."""
    return {
        "id": result.order_id,
        "idempotency_key": order.idempotency_key,
        "user_id": order.user_id,
        "amount": order.amount,
        "currency": order.currency,
        "status": result.status.value,
        "charge_id": result.charge_id,
        "replayed": result.replayed,
    }


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value
