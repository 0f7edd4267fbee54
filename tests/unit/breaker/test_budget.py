"""How long the ways through the breaker are: calls of product functions, and changes from one module to another.

A budget is what was measured when it was written, and ten calls.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from breakwall.breaker import CircuitBreaker, CircuitBreakerConfig, CircuitBreakerError, MemoryStore
from tests.manual_clock import MonotonicClock
from tests.unit.breaker.doubles import ServiceError, answer, fail, fail_times, succeed_times
from tests.walk import walk

THRESHOLD = 5


class Walker:
    """A breaker with a circuit in memory, on a clock that stands still."""

    def __init__(self) -> None:
        clock = self.clock = MonotonicClock()
        config = CircuitBreakerConfig(failure_threshold=THRESHOLD, jitter=0.0)
        self.breaker = CircuitBreaker("payment", config, MemoryStore(clock), clock=clock)

    def succeed(self) -> None:
        self.breaker.call(answer)

    def fail(self) -> None:
        self.breaker.call(fail)

    def acquire_and_fail(self) -> None:
        self.breaker.acquire().record_failure()


def new() -> Walker:
    return Walker()


def fresh() -> Walker:
    """Closed, with a copy that was renewed just now."""
    walker = Walker()
    succeed_times(walker.breaker, 3)
    return walker


def due() -> Walker:
    """Closed, with a copy that is to be renewed and successes that are not in the window yet."""
    walker = fresh()
    walker.clock.sleep(1)
    return walker


def failed(times: int) -> Walker:
    walker = fresh()
    fail_times(walker.breaker, times)
    return walker


def busy() -> Walker:
    """With a full window, and more failures than the threshold among many successes."""
    walker = fresh()
    for _ in range(60):
        succeed_times(walker.breaker, 100)
        walker.clock.sleep(1)
    succeed_times(walker.breaker, 3)
    fail_times(walker.breaker, 2 * THRESHOLD)
    return walker


def half_open() -> Walker:
    walker = failed(THRESHOLD)
    walker.clock.sleep(30)
    return walker


WAYS: dict[str, tuple[Callable[[], Walker], Callable[[Walker], object], int, int]] = {
    "a success": (fresh, Walker.succeed, 1, 0),
    "a success that renews the copy": (due, Walker.succeed, 52, 20),
    "the first call": (new, Walker.succeed, 35, 14),
    "the first failure": (fresh, Walker.fail, 46, 18),
    "a later failure": (lambda: failed(2), Walker.fail, 44, 18),
    "a failure in a busy window": (busy, Walker.fail, 50, 18),
    "the failure that opens": (lambda: failed(THRESHOLD - 1), Walker.fail, 55, 20),
    "a failure as the first call": (new, Walker.fail, 60, 29),
    "a failure that renews the copy": (due, Walker.fail, 82, 35),
    "acquire and record_failure": (fresh, Walker.acquire_and_fail, 45, 16),
    "a refusal": (lambda: failed(THRESHOLD), Walker.succeed, 28, 16),
    "a successful probe": (half_open, Walker.succeed, 85, 44),
    "a failed probe": (half_open, Walker.fail, 85, 44),
}


@pytest.mark.parametrize("way", WAYS)
def test_it_keeps_within_its_budget(way: str) -> None:
    begin, work, calls, changes = WAYS[way]
    walker = begin()
    walked = walk(lambda: work(walker), ServiceError, CircuitBreakerError)
    assert walked[0] <= calls, f"{walked[0]} calls"
    assert walked[1] <= changes, f"{walked[1]} changes of module"
