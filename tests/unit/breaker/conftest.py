from __future__ import annotations

import pytest
from breaker_doubles import Clock, FaultyStore, Fleet


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(clock: Clock) -> FaultyStore:
    return FaultyStore(clock)


@pytest.fixture
def fleet(clock: Clock, store: FaultyStore) -> Fleet:
    return Fleet(clock, store)
