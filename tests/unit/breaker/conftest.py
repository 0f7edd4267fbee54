"""A test of this folder that asks for a ``fleet``, and not for its ``store``, runs on both kinds of circuits: one that
processes share through a store, and one that is local to its process. The circuits have to behave alike."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from breakwall.breaker import CircuitBreaker, CircuitBreakerConfig, MemoryStore
from tests.manual_clock import MonotonicClock
from tests.unit.breaker.doubles import EPOCH, BlockableStore, FaultyStore, Fleet, Join
from tests.waiting import wait_until

FOLDER = Path(__file__).parent


@pytest.fixture
def store(clock: MonotonicClock) -> FaultyStore:
    return FaultyStore(clock)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    names = metafunc.fixturenames
    if "kind" in names and "store" not in names and Path(metafunc.definition.fspath).parent == FOLDER:
        metafunc.parametrize("kind", ["shared", "local"], indirect=True)


@pytest.fixture
def kind(request: pytest.FixtureRequest) -> str:
    return getattr(request, "param", "shared")


@pytest.fixture
def fleet(request: pytest.FixtureRequest, clock: MonotonicClock, kind: str) -> Fleet:
    if kind == "local":
        return Fleet(clock, MemoryStore(lambda: EPOCH + clock.now))
    return Fleet(clock, request.getfixturevalue("store"))


@pytest.fixture
def blockable(clock: MonotonicClock) -> BlockableStore:
    return BlockableStore(clock)


@pytest.fixture
def join(clock: MonotonicClock, blockable: BlockableStore) -> Iterator[Join]:
    """Makes breakers in touch with the blockable store."""
    joined: list[CircuitBreaker] = []

    def join(name: str = "payment", **config: Any) -> CircuitBreaker:
        defaults: dict[str, Any] = {"failure_threshold": 3, "jitter": 0.0}
        breaker = CircuitBreaker(name, CircuitBreakerConfig(**defaults | config), blockable, clock=clock)
        joined.append(breaker)
        wait_until(lambda: breaker.status().store_ok)
        return breaker

    yield join
    blockable.unblocked.set()
    for breaker in joined:
        breaker.close()
