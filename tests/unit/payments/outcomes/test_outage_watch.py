"""A destination that takes nothing is noticed once, and again after it has taken something."""

from __future__ import annotations

from breakwall.breaker import CircuitBreaker, MemoryStore
from breakwall.payments.outcomes.channel import CIRCUIT, Channel
from breakwall.payments.outcomes.outage_watch import LOOK, OutageWatch
from tests.contract.payments.outcomes.outbox_site import PoolInThisThread, Shop
from tests.manual_clock import MonotonicClock


def test_a_destination_is_a_suspect_until_it_is_reported_and_again_after_its_circuit_closed() -> None:
    clock = MonotonicClock()
    breaker = CircuitBreaker("c", CIRCUIT, store=MemoryStore(clock), clock=clock, jitter=lambda: 0.0)
    watch = OutageWatch([Channel(Shop(), breaker, pool=PoolInThisThread(clock), clock=clock)], clock=clock)

    def look() -> list[str]:
        clock.advance(LOOK)
        return watch.suspects()

    assert look() == []
    open_by_failures(breaker)
    assert look() == ["webhook"]
    assert watch.suspects() == []  # Not twice a minute.
    watch.reported("webhook")
    assert look() == []
    breaker.reset()
    assert look() == []
    open_by_failures(breaker)
    assert look() == ["webhook"]


def open_by_failures(breaker: CircuitBreaker) -> None:
    for _ in range(CIRCUIT.failure_threshold):
        breaker.acquire().record_failure()
