"""The circuit breaker, a library of its own: knows no payment, no Celery, and imports nothing of the rest.

Anything here may be imported from `breakwall.breaker`; the modules below it are its own business.
"""

from breakwall.breaker.breaker import CircuitBreaker
from breakwall.breaker.circuit import CallOutcome, CircuitState, Override, OverrideMode
from breakwall.breaker.config import CircuitBreakerConfig
from breakwall.breaker.errors import CircuitBreakerError, StoreLostError
from breakwall.breaker.events import Event, Refusal, StoreBack, StoreLost, Transition
from breakwall.breaker.measures import BreakerMetrics, BreakerStatus
from breakwall.breaker.permit import Permit
from breakwall.breaker.registry import CircuitBreakerRegistry
from breakwall.breaker.stores import Store, store_from_url

__all__ = [
    "BreakerMetrics",
    "BreakerStatus",
    "CallOutcome",
    "CircuitBreaker",
    "CircuitBreakerConfig",
    "CircuitBreakerError",
    "CircuitBreakerRegistry",
    "CircuitState",
    "Event",
    "Override",
    "OverrideMode",
    "Permit",
    "Refusal",
    "Store",
    "StoreBack",
    "StoreLost",
    "StoreLostError",
    "Transition",
    "store_from_url",
]
