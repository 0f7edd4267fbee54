"""`CircuitBreaker.state`, and a breaker where Python expects a context manager."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from breakwall.breaker import CircuitState
from tests.manual_clock import MonotonicClock
from tests.unit.breaker.doubles import Fleet, answer, fail_times


def test_the_state_is_that_of_the_status(fleet: Fleet, clock: MonotonicClock) -> None:
    breaker = fleet.breaker()
    assert breaker.state is CircuitState.CLOSED
    fail_times(breaker, 3)
    assert breaker.state is CircuitState.OPEN
    clock.sleep(30)
    assert breaker.state is CircuitState.HALF_OPEN
    breaker.call(answer)
    assert breaker.state is CircuitState.CLOSED


def test_a_process_without_calls_sees_the_state_too(fleet: Fleet, clock: MonotonicClock) -> None:
    idle, busy = fleet.breakers(2)
    assert idle.state is CircuitState.CLOSED
    fail_times(busy, 3)
    clock.sleep(0.2)
    assert idle.state is CircuitState.OPEN


def test_reading_it_takes_no_probes_slot(fleet: Fleet) -> None:
    breaker = fleet.half_open()
    assert {breaker.state for _ in range(5)} == {CircuitState.HALF_OPEN}
    assert breaker.call(answer) == "answer"


def test_a_block_with_a_breaker_says_what_to_write(fleet: Fleet) -> None:
    breaker: Any = fleet.breaker()
    with (
        pytest.raises(
            TypeError, match=r"write `with breaker\.acquire\(\):` for one call, and `with contextlib"
        ),
        breaker,
    ):
        pytest.fail("the block began")


def test_an_asynchronous_block_with_a_breaker_says_what_to_write(fleet: Fleet) -> None:
    breaker: Any = fleet.breaker()

    async def run() -> None:
        async with breaker:
            pytest.fail("the block began")

    with pytest.raises(TypeError, match=r"write `async with breaker\.permit\(\):` for one call"):
        asyncio.run(run())
