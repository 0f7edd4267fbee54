"""How long the ways through the breaker are: calls of product functions, and changes from one module to another.

A budget is what was measured when it was written, and ten calls. Python 3.11 counts each comprehension as a call; later
ones do not.
"""

from __future__ import annotations

import contextlib
import itertools
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

import breakwall
from breakwall.breaker import CircuitBreaker, CircuitBreakerConfig, CircuitBreakerError
from tests.unit.breaker.doubles import ServiceError, answer, fail

PRODUCT = str(Path(breakwall.__file__).parent)
THRESHOLD = 5
INTERVAL = 0.05
RECOVERY = 0.1


def walk(work: Callable[[], object]) -> tuple[int, int]:
    """How many product functions ``work`` calls, and how often the next one is in another module."""
    modules: list[str] = []

    def profile(frame: FrameType, event: str, _: Any) -> None:
        if event == "call" and frame.f_code.co_filename.startswith(PRODUCT):
            modules.append(frame.f_code.co_filename)

    sys.setprofile(profile)
    try:
        with contextlib.suppress(ServiceError, CircuitBreakerError):
            work()
    finally:
        sys.setprofile(None)
    changes = sum(before != after for before, after in itertools.pairwise(modules))
    return len(modules), changes


def new() -> CircuitBreaker:
    config = CircuitBreakerConfig(
        failure_threshold=THRESHOLD, recovery_timeout=RECOVERY, refresh_interval=INTERVAL, jitter=0.0
    )
    return CircuitBreaker("payment", config)


def fresh() -> CircuitBreaker:
    """Closed, with a copy that was renewed just now."""
    breaker = new()
    for _ in range(3):
        breaker.call(answer)
    return breaker


def due() -> CircuitBreaker:
    """Closed, with a copy that is to be renewed and successes that are not in the window yet."""
    breaker = fresh()
    time.sleep(INTERVAL)
    return breaker


def failed(times: int) -> CircuitBreaker:
    breaker = fresh()
    for _ in range(times):
        with contextlib.suppress(ServiceError):
            breaker.call(fail)
    return breaker


def busy() -> CircuitBreaker:
    """With a full window, and more failures than the threshold among many successes."""
    breaker = fresh()
    for _ in range(100):
        breaker.call(answer)
    time.sleep(INTERVAL)
    for _ in range(3):
        breaker.call(answer)
    for _ in range(THRESHOLD + 1):
        with contextlib.suppress(ServiceError):
            breaker.call(fail)
    return breaker


def half_open() -> CircuitBreaker:
    breaker = failed(THRESHOLD)
    time.sleep(RECOVERY)
    return breaker


WAYS: dict[str, tuple[Callable[[], CircuitBreaker], Callable[[CircuitBreaker], object], int, int]] = {
    "a success": (fresh, lambda breaker: breaker.call(answer), 1, 0),
    "a success that renews the copy": (due, lambda breaker: breaker.call(answer), 54, 22),
    "the first call": (new, lambda breaker: breaker.call(answer), 36, 16),
    "the first failure": (fresh, lambda breaker: breaker.call(fail), 47, 18),
    "a later failure": (lambda: failed(2), lambda breaker: breaker.call(fail), 45, 18),
    "a failure in a busy window": (busy, lambda breaker: breaker.call(fail), 52, 18),
    "the failure that opens": (lambda: failed(THRESHOLD - 1), lambda breaker: breaker.call(fail), 56, 20),
    "a failure as the first call": (new, lambda breaker: breaker.call(fail), 60, 30),
    "a failure that renews the copy": (due, lambda breaker: breaker.call(fail), 85, 35),
    "acquire and record_failure": (fresh, lambda breaker: breaker.acquire().record_failure(), 46, 16),
    "a refusal": (lambda: failed(THRESHOLD), lambda breaker: breaker.call(answer), 28, 18),
    "a successful probe": (half_open, lambda breaker: breaker.call(answer), 90, 46),
    "a failed probe": (half_open, lambda breaker: breaker.call(fail), 90, 46),
}


@pytest.mark.parametrize("way", WAYS)
def test_it_keeps_within_its_budget(way: str) -> None:
    begin, work, calls, changes = WAYS[way]
    breaker = begin()
    walked = walk(lambda: work(breaker))
    assert walked[0] <= calls, f"{walked[0]} calls"
    assert walked[1] <= changes, f"{walked[1]} changes of module"
