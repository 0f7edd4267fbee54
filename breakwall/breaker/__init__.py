"""The circuit breaker, a library of its own: import from `breakwall.breaker` only. It imports only `urls` and `sqlite`.

To read it, begin with `circuit.transitions`, the state machine. Then follow a call: `protected_calls`, `admission`,
`permit`. Then see where the circuit is kept: `sync.memory` in this process, `sync.shared` in a store.
"""

from breakwall.breaker.breaker import CircuitBreaker
from breakwall.breaker.circuit.state import CallOutcome, CircuitState, Override, OverrideMode
from breakwall.breaker.config import CircuitBreakerConfig
from breakwall.breaker.errors import CallLimitError, CircuitBreakerError, StoreLostError
from breakwall.breaker.events import (
    Event,
    Hang,
    Limited,
    Overridden,
    Refusal,
    Reset,
    StoreBack,
    StoreLost,
    Transition,
)
from breakwall.breaker.metrics import BreakerMetrics, BreakerStatus
from breakwall.breaker.permit import Permit
from breakwall.breaker.registry import CircuitBreakerRegistry
from breakwall.breaker.retry_after import parse_retry_after
from breakwall.breaker.stores import MemoryStore, Store, store_from_engine, store_from_redis, store_from_url

__all__ = [
    "BreakerMetrics",
    "BreakerStatus",
    "CallLimitError",
    "CallOutcome",
    "CircuitBreaker",
    "CircuitBreakerConfig",
    "CircuitBreakerError",
    "CircuitBreakerRegistry",
    "CircuitState",
    "Event",
    "Hang",
    "Limited",
    "MemoryStore",
    "Overridden",
    "Override",
    "OverrideMode",
    "Permit",
    "Refusal",
    "Reset",
    "Store",
    "StoreBack",
    "StoreLost",
    "StoreLostError",
    "Transition",
    "parse_retry_after",
    "store_from_engine",
    "store_from_redis",
    "store_from_url",
]
