"""Accepts orders: charges through the breaker, queues what cannot be charged now.

May import `breakwall`, never `breakwall.worker`. Import `Order`, `OrderProducer` and the errors from
`breakwall.producers`, or from `producers`, where nobody else has one.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from breakwall.aliases import also_known_as

if TYPE_CHECKING:
    from breakwall.host.concurrency import HostError
    from breakwall.payments.db.database import DatabaseUnavailableError, SchemaError
    from breakwall.payments.ledger.queries import (
        AmbiguousNameError,
        Naming,
        OrderNotFoundError,
        OrderPrunedError,
    )
    from breakwall.payments.orders import (
        IdempotencyConflictError,
        InvalidOrderError,
        Order,
        OrderStatus,
        StoredOrder,
    )
    from breakwall.producers.producer import OrderProducer, PlaceResult
    from breakwall.settings import SettingsError

__all__ = [
    "AmbiguousNameError",
    "DatabaseUnavailableError",
    "HostError",
    "IdempotencyConflictError",
    "InvalidOrderError",
    "Naming",
    "Order",
    "OrderNotFoundError",
    "OrderProducer",
    "OrderPrunedError",
    "OrderStatus",
    "PlaceResult",
    "SchemaError",
    "SettingsError",
    "StoredOrder",
]

_HOMES = {
    "AmbiguousNameError": "breakwall.payments.ledger.queries",
    "DatabaseUnavailableError": "breakwall.payments.db.database",
    "HostError": "breakwall.host.concurrency",
    "IdempotencyConflictError": "breakwall.payments.orders",
    "InvalidOrderError": "breakwall.payments.orders",
    "Order": "breakwall.payments.orders",
    "Naming": "breakwall.payments.ledger.queries",
    "OrderNotFoundError": "breakwall.payments.ledger.queries",
    "OrderPrunedError": "breakwall.payments.ledger.queries",
    "OrderProducer": "breakwall.producers.producer",
    "OrderStatus": "breakwall.payments.orders",
    "PlaceResult": "breakwall.producers.producer",
    "SchemaError": "breakwall.payments.db.database",
    "SettingsError": "breakwall.settings",
    "StoredOrder": "breakwall.payments.orders",
}


def __getattr__(name: str) -> Any:
    # Lazily: the command line mounts this package's commands without paying for SQLAlchemy.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


if __name__ == "producers":
    also_known_as("producers")
