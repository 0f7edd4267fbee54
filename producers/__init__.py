"""Accepts orders: charges them through the breaker, and queues those that cannot be charged now.

May import `breakwall`, never `breakwall.worker`. Import `Order`, `OrderProducer`, `AsyncOrderProducer` and the errors
from `breakwall.producers`; `producers` is the same, unless another program has a module of that name.
"""

from breakwall.aliases import also_known_as
from breakwall.host.concurrency import HostError
from breakwall.payments.db.database import DatabaseUnavailableError, SchemaError
from breakwall.payments.ledger.queries import AmbiguousNameError, Naming, OrderNotFoundError, OrderPrunedError
from breakwall.payments.orders import (
    IdempotencyConflictError,
    InvalidOrderError,
    Order,
    OrderStatus,
    StoredOrder,
)
from breakwall.producers.async_producer import AsyncOrderProducer
from breakwall.producers.pending import PlaceResult
from breakwall.producers.producer import OrderProducer
from breakwall.settings import SettingsError

__all__ = [
    "AmbiguousNameError",
    "AsyncOrderProducer",
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

if __name__ == "producers":
    also_known_as("producers")
