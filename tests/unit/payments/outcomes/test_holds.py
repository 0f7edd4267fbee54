"""What keeps a destination from getting any outcome."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime

from breakwall.breaker import BreakerStatus, CircuitBreaker, MemoryStore
from breakwall.payments.outcomes.channel import CIRCUIT
from breakwall.payments.outcomes.holds import DestinationHold, HeldBy, holds
from breakwall.payments.outcomes.operator import Waiting
from tests.manual_clock import MonotonicClock


def opened(*, later: float = 0.0) -> BreakerStatus:
    """The status of a circuit that has opened, ``later`` seconds after that."""
    clock = MonotonicClock()
    with closing(
        CircuitBreaker("outcomes-webhook", CIRCUIT, store=MemoryStore(clock), clock=clock)
    ) as breaker:
        for _ in range(CIRCUIT.failure_threshold):
            breaker.acquire().record_failure()
        clock.advance(later)
        return breaker.status()


def waiting(count: int = 1, *, gone: bool = False) -> list[Waiting]:
    return [Waiting("webhook", count, late=False, gone=gone)]


def test_an_open_circuit_holds_until_its_next_try() -> None:
    status = opened()
    hold = holds(waiting(0), {"webhook": status})["webhook"]
    assert status.open_until is not None
    assert hold == DestinationHold("webhook", HeldBy.CIRCUIT, datetime.fromtimestamp(status.open_until, UTC))
    assert f"one outcome is tried at {hold.until:%Y-%m-%d %H:%M:%S} UTC" in str(hold)


def test_a_half_open_circuit_holds_only_what_waits() -> None:
    status = opened(later=1000)
    assert holds(waiting(), {"webhook": status}) == {"webhook": DestinationHold("webhook", HeldBy.CIRCUIT)}
    assert holds(waiting(0), {"webhook": status}) == {}


def test_an_endpoint_that_is_gone_is_held_until_a_person_enables_it() -> None:
    hold = holds(waiting(gone=True), {"webhook": opened()})["webhook"]
    assert (hold.by, hold.until) == (HeldBy.GONE, None)
    assert "`breakwall outcomes enable webhook`" in str(hold)


def test_a_closed_or_unknown_circuit_holds_nothing() -> None:
    with closing(CircuitBreaker("outcomes-webhook", CIRCUIT)) as breaker:
        assert holds(waiting(), {"webhook": breaker.status()}) == {}
    assert holds(waiting(), {}) == {}
