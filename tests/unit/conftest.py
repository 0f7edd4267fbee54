import logging

import pytest

from tests.manual_clock import MonotonicClock


@pytest.fixture
def clock() -> MonotonicClock:
    return MonotonicClock()


@pytest.fixture
def last_resort(monkeypatch: pytest.MonkeyPatch) -> None:
    """`logging.lastResort` is the whole process's: restore it when the test ends."""
    monkeypatch.setattr(logging, "lastResort", logging.lastResort)
