"""`CircuitBreaker.refuse_at_once`: what it refuses, `acquire` refuses too; what it lets pass, `acquire` decides."""

from __future__ import annotations

import pytest

from breakwall.breaker import CircuitBreakerError, CircuitState
from tests.manual_clock import MonotonicClock
from tests.unit.breaker.doubles import BlockableStore, Fleet, Join, answer, fail_times, succeed_times


def refusal_of(breaker: object, way: str) -> tuple[float, str | None]:
    with pytest.raises(CircuitBreakerError) as refused:
        getattr(breaker, way)()
    return refused.value.retry_after, refused.value.reason


def test_an_open_circuit_refuses_as_acquire_does(fleet: Fleet) -> None:
    breaker = fleet.breaker()
    fail_times(breaker, 3)
    assert refusal_of(breaker, "refuse_at_once") == refusal_of(breaker, "acquire")


def test_a_forced_open_one_says_why(fleet: Fleet) -> None:
    breaker = fleet.breaker()
    succeed_times(breaker, 1)  # So that it has met its store.
    breaker.force_open("maintenance", "kim")
    assert refusal_of(breaker, "refuse_at_once") == refusal_of(breaker, "acquire")


@pytest.mark.parametrize("override", ["force_close", "observe"])
def test_an_override_lets_pass_what_an_open_circuit_would_refuse(fleet: Fleet, override: str) -> None:
    breaker = fleet.breaker()
    fail_times(breaker, 3)
    getattr(breaker, override)("tried", "kim")
    breaker.refuse_at_once()


def test_a_closed_circuit_passes_and_counts_nothing(fleet: Fleet) -> None:
    breaker = fleet.breaker()
    breaker.refuse_at_once()
    assert breaker.metrics().rejected_calls == 0


def test_each_refusal_is_counted_once(fleet: Fleet) -> None:
    breaker = fleet.breaker()
    fail_times(breaker, 3)
    refusal_of(breaker, "refuse_at_once")
    assert breaker.metrics().rejected_calls == 1


def test_it_takes_no_slot_of_a_probe(fleet: Fleet) -> None:
    breaker = fleet.half_open(half_open_max_calls=1)
    breaker.refuse_at_once()
    assert breaker.call(answer) == "answer"


def test_it_refuses_while_every_slot_has_its_probe(fleet: Fleet) -> None:
    breaker = fleet.half_open(half_open_max_calls=1)
    breaker.acquire()
    assert refusal_of(breaker, "refuse_at_once") == refusal_of(breaker, "acquire")


def test_within_a_probe_passes_what_acquire_lets_pass(fleet: Fleet) -> None:
    breaker = fleet.half_open(half_open_max_calls=1)

    def probe() -> None:
        breaker.refuse_at_once()
        breaker.acquire().release()

    breaker.call(probe)


def test_what_only_the_store_can_tell_passes_without_a_wait(
    join: Join, blockable: BlockableStore, clock: MonotonicClock
) -> None:
    breaker = join()
    fail_times(breaker, 3)
    blockable.unblocked.clear()
    clock.sleep(1.0)  # Longer than what is known counts.
    breaker.refuse_at_once()
    assert breaker.status().state is CircuitState.OPEN
