"""Orders as plain values, the same for the command line and for HTTP."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    from breakwall.payments.actions import StoredIncident, StoredIntervention
    from breakwall.payments.orders import Order, StoredAttempt, StoredOrder
    from breakwall.producers.producer import PlaceResult


def order_document(order: StoredOrder) -> dict[str, Any]:
    """An order's fields; times are ISO 8601 texts in UTC."""
    return _fields(order)


def incident_document(incident: StoredIncident) -> dict[str, Any]:
    """An incident's fields; times are ISO 8601 texts in UTC, and what is about its closing is null before."""
    return _fields(incident)


def order_with_history(
    order: StoredOrder,
    attempts: Sequence[StoredAttempt],
    interventions: Sequence[StoredIntervention],
    incidents: Sequence[StoredIncident],
) -> dict[str, Any]:
    """An order's fields, with what was tried, what people did, and the incidents, each first to last."""
    history: dict[str, Sequence[DataclassInstance]] = {
        "attempts": attempts,
        "interventions": interventions,
        "incidents": incidents,
    }
    return order_document(order) | {name: [_fields(row) for row in rows] for name, rows in history.items()}


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


def _fields(row: DataclassInstance) -> dict[str, Any]:
    return {name: _plain(value) for name, value in asdict(row).items()}


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value
