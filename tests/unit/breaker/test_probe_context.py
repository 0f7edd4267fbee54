"""A call inside a call on the same circuit: if it is half-open, the inner call belongs to the outer one's probe."""

from __future__ import annotations

import asyncio

import pytest

from breakwall.breaker import CircuitBreaker, CircuitBreakerError, CircuitState
from tests.manual_clock import MonotonicClock
from tests.unit.breaker.doubles import Fleet, ServiceError, answer, fail, fail_times


class TestNesting:
    def outer(self, breaker: CircuitBreaker) -> str:
        return str(breaker.call(answer))

    def test_it_recovers(self, fleet: Fleet) -> None:
        breaker = fleet.half_open()
        assert breaker.call(self.outer, breaker) == "answer"
        assert breaker.status().state is CircuitState.CLOSED

    def test_in_an_event_loop_too(self, fleet: Fleet) -> None:
        breaker = fleet.half_open()

        async def inner() -> str:
            return "answer"

        async def outer() -> str:
            return str(await breaker.call(inner))

        assert asyncio.run(breaker.call(outer)) == "answer"
        assert breaker.status().state is CircuitState.CLOSED

    def test_in_a_block_it_needs_a_slot_of_its_own(self, fleet: Fleet, clock: MonotonicClock) -> None:
        breaker = fleet.half_open()
        with pytest.raises(CircuitBreakerError), breaker.acquire():
            breaker.call(answer)
        clock.sleep(1)
        assert breaker.status().slots == 1

    def test_an_inner_call_that_fails_is_judged_by_what_the_outer_makes_of_it(self, fleet: Fleet) -> None:
        breaker = fleet.half_open()
        assert breaker.call(breaker.call, fail, fallback="failed") == "failed"
        assert breaker.status().state is CircuitState.OPEN

    def test_what_a_probe_leaves_running_is_no_part_of_it_any_more(
        self, fleet: Fleet, clock: MonotonicClock
    ) -> None:
        breaker = fleet.half_open(timeout=1000.0)

        async def later() -> None:
            await asyncio.sleep(0)
            breaker.call(answer)

        async def leaves_something_running() -> None:
            tasks: list[asyncio.Task[None]] = []

            async def fails() -> None:
                tasks.append(asyncio.create_task(later()))
                raise ServiceError

            await breaker.call(fails, fallback="failed")
            clock.sleep(60)
            other = breaker.acquire()
            with pytest.raises(CircuitBreakerError):
                await tasks[0]
            other.release()

        asyncio.run(leaves_something_running())

    def test_a_probe_whose_lease_has_expired_covers_nothing(
        self, fleet: Fleet, clock: MonotonicClock
    ) -> None:
        breaker, other = fleet.half_open(), fleet.breaker()

        def outer() -> None:
            clock.sleep(breaker.config.lease_seconds)
            other.acquire()
            clock.sleep(breaker.config.refresh_interval)
            with pytest.raises(CircuitBreakerError):
                breaker.call(answer)

        breaker.call(outer)

    def test_a_probe_does_not_cover_it_any_more_when_another_has_opened_the_circuit(
        self, fleet: Fleet, clock: MonotonicClock
    ) -> None:
        breaker, other = fleet.half_open_breakers(2, half_open_max_calls=2)

        def outer() -> None:
            fail_times(other, 1)
            clock.sleep(breaker.config.refresh_interval)
            with pytest.raises(CircuitBreakerError):
                breaker.call(answer)

        breaker.call(outer)

    def test_nor_when_the_circuit_is_half_open_once_more(self, fleet: Fleet, clock: MonotonicClock) -> None:
        """Its own lease still runs; but it was a probe of a recovery that has failed."""
        breaker, other = fleet.breakers(2, half_open_max_calls=2, recovery_timeout=1.0)
        fail_times(breaker, 3)
        clock.sleep(1)

        def outer() -> None:
            fail_times(other, 1)
            clock.sleep(2.5)
            probes = [breaker.acquire() for _ in range(2)]
            assert all(probe.is_probe for probe in probes)
            with pytest.raises(CircuitBreakerError):
                breaker.acquire()

        breaker.call(outer)

    def test_another_circuits_probe_does_not_cover_it(self, fleet: Fleet) -> None:
        other, breaker = fleet.half_open("shipping"), fleet.half_open()
        other.acquire()
        with pytest.raises(CircuitBreakerError, match="shipping"):
            breaker.call(other.call, answer)
