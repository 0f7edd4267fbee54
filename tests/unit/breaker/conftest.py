from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from breakwall.breaker import CircuitBreaker, CircuitBreakerConfig
from tests.unit.breaker.doubles import Clock, FaultyStore, Fleet, GatedStore, Join
from tests.waiting import wait_until


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(clock: Clock) -> FaultyStore:
    return FaultyStore(clock)


@pytest.fixture
def fleet(clock: Clock, store: FaultyStore) -> Fleet:
    return Fleet(clock, store)


@pytest.fixture
def gated(clock: Clock) -> GatedStore:
    return GatedStore(clock)


@pytest.fixture
def join(clock: Clock, gated: GatedStore) -> Iterator[Join]:
    """Makes breakers in touch with the gated store."""
    joined: list[CircuitBreaker] = []

    def join(name: str = "payment", **config: Any) -> CircuitBreaker:
        defaults: dict[str, Any] = {"failure_threshold": 3, "jitter": 0.0}
        breaker = CircuitBreaker(name, CircuitBreakerConfig(**defaults | config), gated, clock=clock)
        joined.append(breaker)
        wait_until(lambda: breaker.status().store_ok)
        return breaker

    yield join
    gated.gate.set()
    for breaker in joined:
        breaker.close()
