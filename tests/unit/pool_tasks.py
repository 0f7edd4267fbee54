"""What a process pool runs for test_pickling.py: its processes import this, and not the whole product."""

from breakwall.breaker import CircuitBreakerError, CircuitState
from breakwall.payments.ledger.queries import AmbiguousNameError, Naming
from breakwall.payments.orders import IdempotencyConflictError, InvalidOrderError, Order, OrderStatus
from breakwall.producers.pending import PlaceResult
from breakwall.settings import SettingsError

EXAMPLES: list[BaseException] = [
    InvalidOrderError({"amount": "should be 1 or more"}),
    IdempotencyConflictError("cart-17", ["amount"]),
    AmbiguousNameError("x", {Naming.KEY: "1", Naming.ID: "2"}),
    SettingsError(["BREAKWALL_SITE: no"]),
    CircuitBreakerError("payment", CircuitState.OPEN, 12.5, "maintenance"),
]


def fail(number: int) -> None:
    raise EXAMPLES[number]


def results() -> list[object]:
    order = Order(user_id="u", amount=1, currency="KRW", idempotency_key="k")
    return [PlaceResult("id", OrderStatus.QUEUED, None, replayed=True), order]
