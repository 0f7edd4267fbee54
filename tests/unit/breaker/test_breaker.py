"""`CircuitBreaker.call` and `acquire`, on one clock and a store in memory."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import gc
import time
import types
import weakref
from collections.abc import AsyncIterator, Iterator

import pytest

from breakwall.breaker import CircuitBreaker, CircuitBreakerConfig, CircuitBreakerError, CircuitState
from tests.manual_clock import MonotonicClock
from tests.unit.breaker.doubles import Fleet, ServiceError, answer, fail, fail_times, succeed_times


class TestCall:
    def test_it_returns_what_the_function_returns_and_passes_its_arguments(self, fleet: Fleet) -> None:
        assert fleet.breaker().call(lambda a, *, b: (a, b), 1, b=2) == (1, 2)

    def test_it_raises_what_the_function_raises(self, fleet: Fleet) -> None:
        with pytest.raises(ServiceError):
            fleet.breaker().call(fail)

    def test_it_refuses_without_calling_once_the_circuit_is_open(self, fleet: Fleet) -> None:
        breaker = fleet.breaker()
        fail_times(breaker, 3)
        with pytest.raises(CircuitBreakerError) as refused:
            breaker.call(lambda: pytest.fail("it was called"))
        assert (refused.value.name, refused.value.state) == ("payment", CircuitState.OPEN)
        assert refused.value.retry_after == 30.0

    def test_a_fallback_replaces_a_refused_call_and_gets_its_arguments(self, fleet: Fleet) -> None:
        breaker = fleet.breaker()
        fail_times(breaker, 3)
        assert breaker.call(answer, 1, fallback=lambda n, *, m: n + m, m=2) == 3

    def test_a_fallback_replaces_a_failed_call(self, fleet: Fleet) -> None:
        assert fleet.breaker().call(fail, fallback="instead") == "instead"

    def test_a_fallback_hides_no_exception_that_is_not_expected(self, fleet: Fleet) -> None:
        with pytest.raises(ServiceError):
            fleet.breaker(expected_exception=OSError).call(fail, fallback="instead")

    def test_a_successful_probe_closes_the_circuit(self, fleet: Fleet) -> None:
        breaker = fleet.half_open()
        assert breaker.call(answer) == "answer"
        assert breaker.status().state is CircuitState.CLOSED

    def test_a_failed_probe_opens_it_again(self, fleet: Fleet) -> None:
        breaker = fleet.half_open()
        assert breaker.call(fail, fallback="failed") == "failed"
        assert breaker.status().retry_after == 60.0


class TestClassification:
    def test_a_neutral_exception_counts_neither_way(self, fleet: Fleet) -> None:
        breaker = fleet.breaker(neutral_exception=ServiceError)
        with pytest.raises(ServiceError):
            breaker.call(fail)
        metrics = breaker.metrics()
        assert (metrics.total_calls, metrics.successful_calls, metrics.failed_calls) == (1, 0, 0)

    def test_another_circuits_refusal_says_nothing_of_this_service(self, fleet: Fleet) -> None:
        """Nothing was sent to either, whatever exceptions this one expects."""
        outer, inner = fleet.breaker("checkout"), fleet.breaker("payment")
        fail_times(inner, 3)
        for _ in range(10):
            with pytest.raises(CircuitBreakerError):
                outer.call(inner.call, answer)
        assert outer.status().state is CircuitState.CLOSED
        assert (outer.metrics().failed_calls, outer.metrics().successful_calls) == (0, 0)

    def test_a_slow_call_counts_as_a_failure(self, fleet: Fleet, clock: MonotonicClock) -> None:
        breaker = fleet.breaker(slow_call_duration=2.0)
        for _ in range(3):
            breaker.call(clock.sleep, 2.5)
        assert breaker.status().state is CircuitState.OPEN

    def test_a_call_that_takes_just_the_limit_is_not_slow(self, fleet: Fleet, clock: MonotonicClock) -> None:
        breaker = fleet.breaker(slow_call_duration=2.0)
        breaker.call(clock.sleep, 2.0)
        assert breaker.metrics().failed_calls == 0

    def test_a_slow_probe_opens_the_circuit_again(self, fleet: Fleet, clock: MonotonicClock) -> None:
        breaker = fleet.half_open(slow_call_duration=2.0)
        breaker.call(clock.sleep, 2.5)
        assert breaker.status().state is CircuitState.OPEN


class TestHalfOpenCap:
    """Calls that are made one after the other and then run together are not more than the slots."""

    @pytest.fixture
    def breaker(self, fleet: Fleet) -> CircuitBreaker:
        return fleet.half_open()

    def test_with_plain_functions_that_return_coroutines(self, breaker: CircuitBreaker) -> None:
        sent = 0

        async def fetch() -> None:
            nonlocal sent
            sent += 1
            await asyncio.sleep(0)

        async def dispatch() -> None:
            tasks = []
            for _ in range(20):
                with contextlib.suppress(CircuitBreakerError):
                    # Not known to be a coroutine function before the call.
                    tasks.append(asyncio.create_task(breaker.call(lambda: fetch())))
            await asyncio.gather(*tasks)

        asyncio.run(dispatch())
        assert sent == 1

    def test_with_a_coroutine_that_is_closed_from_elsewhere(
        self, breaker: CircuitBreaker, clock: MonotonicClock
    ) -> None:
        """By a loop that ends, say, in another context than the one that it ran in."""

        @types.coroutine
        def hang() -> Iterator[None]:
            yield

        async def fetch() -> None:
            await hang()

        call = breaker.call(fetch)
        contextvars.copy_context().run(call.send, None)
        call.close()
        clock.sleep(1)
        assert breaker.status().slots == 1

    def test_with_generators_around_their_blocks(self, breaker: CircuitBreaker) -> None:
        def stream() -> Iterator[int]:
            with breaker.acquire():
                yield 1

        streams = []
        for _ in range(20):
            with contextlib.suppress(CircuitBreakerError):
                began = stream()
                next(began)
                streams.append(began)
        assert len(streams) == 1

    def test_with_asynchronous_generators_around_their_blocks(self, breaker: CircuitBreaker) -> None:
        async def stream() -> AsyncIterator[int]:
            async with breaker.permit():
                yield 1

        async def read() -> int:
            streams = []
            for _ in range(20):
                with contextlib.suppress(CircuitBreakerError):
                    began = stream()
                    await anext(began)
                    streams.append(began)
            return len(streams)

        assert asyncio.run(read()) == 1


def test_a_probe_that_has_ended_keeps_nothing_of_its_breaker_alive() -> None:
    breaker = CircuitBreaker(
        "payment", CircuitBreakerConfig(failure_threshold=1, recovery_timeout=0.001, jitter=0)
    )
    fail_times(breaker, 1)
    while breaker.call(answer, fallback="refused") == "refused":
        time.sleep(0.001)
    replica = weakref.ref(breaker._replica)
    breaker.close()
    del breaker
    gc.collect()
    assert replica() is None


class TestPermit:
    def test_a_result_that_is_recorded_twice_counts_once(self, fleet: Fleet) -> None:
        breaker = fleet.breaker()
        permit = breaker.acquire()
        permit.record_failure()
        permit.record_failure()
        permit.record_success()
        assert (breaker.metrics().failed_calls, breaker.metrics().total_calls) == (1, 1)

    def test_a_block_that_ends_is_a_success(self, fleet: Fleet) -> None:
        breaker = fleet.breaker()
        with breaker.acquire():
            pass
        assert breaker.metrics().successful_calls == 1

    def test_a_block_that_raises_the_expected_is_a_failure(self, fleet: Fleet) -> None:
        breaker = fleet.breaker()
        with pytest.raises(ServiceError), breaker.acquire():
            fail()
        assert breaker.metrics().failed_calls == 1

    def test_a_block_that_has_recorded_its_result_is_not_counted_again(self, fleet: Fleet) -> None:
        breaker = fleet.breaker()
        with breaker.acquire() as permit:
            permit.record_failure()
        assert (breaker.metrics().failed_calls, breaker.metrics().successful_calls) == (1, 0)

    def test_a_released_probe_frees_its_slot_for_the_next(self, fleet: Fleet) -> None:
        breaker = fleet.half_open()
        first = breaker.acquire()
        with pytest.raises(CircuitBreakerError):
            breaker.acquire()
        first.release()
        assert breaker.acquire().is_probe


@pytest.mark.parametrize("name", ["", "x" * 201, "a\0b"])
def test_a_name_has_1_to_200_characters_and_no_nul(fleet: Fleet, name: str) -> None:
    with pytest.raises(ValueError, match="name should be"):
        fleet.breaker(name)


def test_a_closed_breaker_has_stored_what_it_counted(fleet: Fleet) -> None:
    leaving, watcher = fleet.breakers(2)
    succeed_times(leaving, 5)
    leaving.close()
    leaving.close()
    assert watcher.status().success_count == 5
