"""A circuit as numbers: under resilience4j's names the effective state, under ours the computed one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace

import pytest

from breakwall.breaker import CircuitBreaker, CircuitBreakerConfig, MemoryStore
from breakwall.monitor.metrics.breaker_gauges import breaker_families, failure_rate
from breakwall.monitor.metrics.family import Values
from tests.manual_clock import MonotonicClock


@pytest.fixture
def clock() -> MonotonicClock:
    return MonotonicClock()


@pytest.fixture
def breaker(clock: MonotonicClock) -> Iterator[CircuitBreaker]:
    config = CircuitBreakerConfig(failure_threshold=3, recovery_timeout=30.0, jitter=0.0)
    with closing(CircuitBreaker("payment", config, MemoryStore(clock), clock=clock)) as breaker:
        yield breaker


def values(breaker: CircuitBreaker, name: str) -> Values:
    return next(family.values for family in breaker_families(breaker.status()) if family.name == name)


def states(breaker: CircuitBreaker, name: str) -> list[str]:
    """Those with a 1."""
    return [labels[1] for labels, value in values(breaker, name).items() if value]


def fail(breaker: CircuitBreaker, times: int = 3) -> None:
    for _ in range(times):
        breaker.acquire().record_failure()


@pytest.mark.parametrize(
    ("override", "state"),
    [
        (CircuitBreaker.force_open, "forced_open"),
        (CircuitBreaker.force_close, "disabled"),
        (CircuitBreaker.observe, "metrics_only"),
    ],
)
def test_an_override_is_shown_apart_from_the_computed_state(
    breaker: CircuitBreaker, override: Callable[[CircuitBreaker, str, str], None], state: str
) -> None:
    override(breaker, "a trial", "kim")
    assert states(breaker, "resilience4j_circuitbreaker_state") == [state]
    assert states(breaker, "breakwall_breaker_state") == ["closed"]
    assert len(states(breaker, "breakwall_breaker_override")) == 1


def test_without_an_override_both_are_the_computed_state(breaker: CircuitBreaker) -> None:
    fail(breaker)
    assert states(breaker, "resilience4j_circuitbreaker_state") == ["open"]
    assert states(breaker, "breakwall_breaker_state") == ["open"]
    assert states(breaker, "breakwall_breaker_override") == []


def test_an_opening_between_two_looks_is_still_counted(
    breaker: CircuitBreaker, clock: MonotonicClock
) -> None:
    fail(breaker)
    clock.advance(30)
    for _ in range(breaker.config.half_open_max_calls):
        breaker.acquire().record_success()
    assert states(breaker, "breakwall_breaker_state") == ["closed"]
    assert values(breaker, "breakwall_breaker_transitions_total") == {
        ("payment", "open"): 1.0,
        ("payment", "half_open"): 1.0,
        ("payment", "closed"): 1.0,
    }


def test_the_failure_rate_is_in_percent_and_unknown_without_calls_and_while_open(
    breaker: CircuitBreaker,
) -> None:
    assert failure_rate(breaker.status()) == -1.0
    for _ in range(3):
        breaker.acquire().record_success()
    fail(breaker, 1)
    assert failure_rate(breaker.status()) == 25.0
    fail(breaker, 2)
    assert failure_rate(breaker.status()) == -1.0


def test_a_local_circuit_has_no_counters(breaker: CircuitBreaker) -> None:
    lost = replace(breaker.status(), store_ok=False)
    transitions = [family for family in breaker_families(lost) if family.name.endswith("_total")]
    assert [family.values for family in transitions] == [{}]
