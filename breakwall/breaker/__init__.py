"""The circuit breaker, a library of its own: knows no payment, no Celery, and imports nothing of the rest but
`breakwall.urls`, by which a store's URL is checked.

Anything here may be imported from `breakwall.breaker`; the modules below it are its own business. To read
them, follow three things through.

A closed call: `breaker` finds the `lane` fresh, calls the function and counts the success in the lane; no
lock, no store. A failure settles a `permit`: it goes into the books, which have the `replica` count it and
tell the store.

A refused call: without a fresh lane, `caller` asks the `gate`. That has the `replica` refresh its copy, the
`belief`, if it is due; looks for an operator's override in it, and for the decision of `transitions`; and
raises one of the `errors`. For a probe it would have asked the replica for a lease, and made it a `permit`.

An exchange: the replica notes one of the `changes` in the belief, whose `outbox` holds it, and yields a
ticket of the `courier`, for which the `waiter` waits a little. On the `link` to the store, whose thread has
an `agenda`, the courier has an `exchange`: it loads a `circuit` from one of the `stores` as `wire` has
written it, lets `rejoin` say whose to go on from, makes the changes through `transitions`, and swaps. The
belief adopts what is stored then and opens or shuts the lane; `news` tells of it, and `events` passes it on.
If no answer comes in time the belief goes on alone, until one does; `timetable` says when to ask.
"""

from breakwall.breaker.breaker import CircuitBreaker
from breakwall.breaker.circuit import CallOutcome, CircuitState, Override, OverrideMode
from breakwall.breaker.config import CircuitBreakerConfig
from breakwall.breaker.errors import CircuitBreakerError, StoreLostError
from breakwall.breaker.events import Event, Overridden, Refusal, StoreBack, StoreLost, Transition
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
    "Overridden",
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
