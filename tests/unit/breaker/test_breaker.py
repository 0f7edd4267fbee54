"""`CircuitBreaker.call`, `acquire` and what they tell, on one clock and a store in memory."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import gc
import pickle
import time
import types
import weakref
from collections.abc import AsyncIterator, Iterator

import pytest

from breakwall.breaker import CircuitBreaker, CircuitBreakerConfig, CircuitBreakerError, CircuitState
from tests.unit.breaker.doubles import (
    Clock,
    FaultyStore,
    Fleet,
    ServiceError,
    answer,
    fail,
    fail_times,
    succeed_times,
)


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

    def test_a_fallback_takes_the_place_of_a_refused_call_with_its_arguments(self, fleet: Fleet) -> None:
        breaker = fleet.breaker()
        fail_times(breaker, 3)
        assert breaker.call(answer, 1, fallback=lambda n, *, m: n + m, m=2) == 3

    def test_a_fallback_takes_the_place_of_a_failed_call(self, fleet: Fleet) -> None:
        assert fleet.breaker().call(fail, fallback="instead") == "instead"

    def test_a_fallback_hides_no_exception_that_is_not_expected(self, fleet: Fleet) -> None:
        with pytest.raises(ServiceError):
            fleet.breaker(expected_exception=OSError).call(fail, fallback="instead")

    def test_a_successful_probe_closes_the_circuit(self, fleet: Fleet, clock: Clock) -> None:
        breaker = fleet.breaker()
        fail_times(breaker, 3)
        clock.sleep(30)
        assert breaker.call(answer) == "answer"
        assert breaker.status().state is CircuitState.CLOSED

    def test_a_failed_probe_opens_it_again(self, fleet: Fleet, clock: Clock) -> None:
        breaker = fleet.breaker()
        fail_times(breaker, 3)
        clock.sleep(30)
        assert breaker.call(fail, fallback="failed") == "failed"
        assert breaker.status().retry_after == 60.0


class TestClassification:
    def test_an_exception_that_is_not_expected_is_an_answer(self, fleet: Fleet) -> None:
        breaker = fleet.breaker(expected_exception=OSError)
        with pytest.raises(ServiceError):
            breaker.call(fail)
        assert breaker.metrics().successful_calls == 1

    def test_a_neutral_exception_counts_neither_way(self, fleet: Fleet) -> None:
        breaker = fleet.breaker(neutral_exception=ServiceError)
        with pytest.raises(ServiceError):
            breaker.call(fail)
        assert (breaker.metrics().successful_calls, breaker.metrics().failed_calls) == (0, 0)
        assert breaker.metrics().total_calls == 1

    @pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, asyncio.CancelledError, GeneratorExit])
    def test_what_comes_from_this_side_is_neutral(self, fleet: Fleet, error: type[BaseException]) -> None:
        breaker = fleet.breaker()
        with pytest.raises(error), breaker.acquire():
            raise error
        assert (breaker.metrics().total_calls, breaker.metrics().failed_calls) == (1, 0)

    def test_another_circuits_refusal_says_nothing_of_this_service(self, fleet: Fleet) -> None:
        """Nothing was sent to either, whatever exceptions this one expects."""
        outer, inner = fleet.breaker("checkout"), fleet.breaker("payment")
        fail_times(inner, 3)
        for _ in range(10):
            with pytest.raises(CircuitBreakerError):
                outer.call(inner.call, answer)
        assert outer.status().state is CircuitState.CLOSED
        assert (outer.metrics().failed_calls, outer.metrics().successful_calls) == (0, 0)

    def test_a_slow_call_counts_as_a_failure(self, fleet: Fleet, clock: Clock) -> None:
        breaker = fleet.breaker(slow_call_duration=2.0)
        for _ in range(3):
            breaker.call(clock.sleep, 2.5)
        assert breaker.status().state is CircuitState.OPEN

    def test_a_call_that_takes_just_the_limit_is_not_slow(self, fleet: Fleet, clock: Clock) -> None:
        breaker = fleet.breaker(slow_call_duration=2.0)
        breaker.call(clock.sleep, 2.0)
        assert breaker.metrics().failed_calls == 0

    def test_a_slow_probe_opens_the_circuit_again(self, fleet: Fleet, clock: Clock) -> None:
        breaker = fleet.breaker(slow_call_duration=2.0)
        fail_times(breaker, 3)
        clock.sleep(30)
        breaker.call(clock.sleep, 2.5)
        assert breaker.status().state is CircuitState.OPEN


class TestNesting:
    """A call within a call on the same circuit, of which a half-open one lets only the outer go."""

    def outer(self, breaker: CircuitBreaker) -> str:
        return str(breaker.call(answer))

    def half_open(self, fleet: Fleet, name: str = "payment", timeout: float = 10.0) -> CircuitBreaker:
        breaker = fleet.breaker(name, timeout=timeout)
        fail_times(breaker, 3)
        fleet.clock.sleep(30)
        return breaker

    def test_it_recovers(self, fleet: Fleet) -> None:
        breaker = self.half_open(fleet)
        assert breaker.call(self.outer, breaker) == "answer"
        assert breaker.status().state is CircuitState.CLOSED

    def test_in_an_event_loop_too(self, fleet: Fleet) -> None:
        breaker = self.half_open(fleet)

        async def inner() -> str:
            return "answer"

        async def outer() -> str:
            return str(await breaker.call(inner))

        assert asyncio.run(breaker.call(outer)) == "answer"
        assert breaker.status().state is CircuitState.CLOSED

    def test_in_a_block_it_asks_for_a_place_of_its_own(self, fleet: Fleet, clock: Clock) -> None:
        breaker = self.half_open(fleet)
        with pytest.raises(CircuitBreakerError), breaker.acquire():
            breaker.call(answer)
        clock.sleep(1)
        assert breaker.status().slots == 1

    def test_an_inner_call_that_fails_is_judged_by_what_the_outer_makes_of_it(self, fleet: Fleet) -> None:
        breaker = self.half_open(fleet)
        assert breaker.call(breaker.call, fail, fallback="failed") == "failed"
        assert breaker.status().state is CircuitState.OPEN

    def test_what_a_probe_leaves_running_is_no_part_of_it_any_more(self, fleet: Fleet, clock: Clock) -> None:
        breaker = self.half_open(fleet, timeout=1000.0)

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

    def test_a_probe_whose_lease_has_run_out_covers_nothing(self, fleet: Fleet, clock: Clock) -> None:
        breaker, other = self.half_open(fleet), fleet.breaker()

        def outer() -> None:
            clock.sleep(breaker.config.lease_seconds)
            other.acquire()
            clock.sleep(breaker.config.refresh_interval)
            with pytest.raises(CircuitBreakerError):
                breaker.call(answer)

        breaker.call(outer)

    def test_a_probe_does_not_cover_it_any_more_when_another_has_opened_the_circuit(
        self, fleet: Fleet, clock: Clock
    ) -> None:
        breaker, other = fleet.breakers(2, half_open_max_calls=2)
        fail_times(breaker, 3)
        clock.sleep(30)

        def outer() -> None:
            fail_times(other, 1)
            clock.sleep(breaker.config.refresh_interval)
            with pytest.raises(CircuitBreakerError):
                breaker.call(answer)

        breaker.call(outer)

    def test_nor_when_the_circuit_is_half_open_once_more(self, fleet: Fleet, clock: Clock) -> None:
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
        other, breaker = self.half_open(fleet, "shipping"), self.half_open(fleet)
        other.acquire()
        with pytest.raises(CircuitBreakerError, match="shipping"):
            breaker.call(other.call, answer)


class TestHalfOpenCap:
    """Whoever makes calls one after the other, and lets them run together, gets no more of them out."""

    @pytest.fixture
    def breaker(self, fleet: Fleet, clock: Clock) -> CircuitBreaker:
        breaker = fleet.breaker()
        fail_times(breaker, 3)
        clock.sleep(30)
        return breaker

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
        self, breaker: CircuitBreaker, clock: Clock
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
    def test_settling_twice_counts_once(self, fleet: Fleet) -> None:
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

    def test_a_released_probe_gives_its_place_to_the_next(self, fleet: Fleet, clock: Clock) -> None:
        breaker = fleet.breaker()
        fail_times(breaker, 3)
        clock.sleep(30)
        first = breaker.acquire()
        with pytest.raises(CircuitBreakerError):
            breaker.acquire()
        first.release()
        assert breaker.acquire().is_probe


class TestStatus:
    def test_a_closed_circuit_lets_any_number_of_calls_through(self, fleet: Fleet) -> None:
        status = fleet.breaker().status()
        assert (status.state, status.slots, status.retry_after) == (CircuitState.CLOSED, None, 0.0)
        assert status.store_ok

    def test_an_open_one_says_for_how_long(self, fleet: Fleet, clock: Clock) -> None:
        breaker = fleet.breaker()
        fail_times(breaker, 3)
        clock.sleep(10)
        status = breaker.status()
        assert (status.state, status.slots, status.retry_after) == (CircuitState.OPEN, 0, 20.0)
        assert (status.failure_count, status.generation, status.open_count) == (3, 1, 1)

    def test_when_the_interval_is_over_it_shows_the_free_probes(self, fleet: Fleet, clock: Clock) -> None:
        breaker = fleet.breaker(half_open_max_calls=2)
        fail_times(breaker, 3)
        clock.sleep(30)
        assert (breaker.status().state, breaker.status().slots) == (CircuitState.HALF_OPEN, 2)
        breaker.acquire()
        assert breaker.status().slots == 1

    def test_it_sees_what_others_did_after_a_refresh_interval(self, fleet: Fleet, clock: Clock) -> None:
        watcher, worker = fleet.breakers(2)
        assert watcher.status().state is CircuitState.CLOSED
        fail_times(worker, 3)
        clock.sleep(0.2)
        assert watcher.status().state is CircuitState.OPEN

    def test_it_asks_the_store_once_in_a_refresh_interval(self, fleet: Fleet, store: FaultyStore) -> None:
        breaker = fleet.breaker()
        fail_times(breaker, 3)
        before = store.operations
        for _ in range(10):
            breaker.status()
        assert store.operations == before


class TestMetrics:
    def test_they_count_this_process(self, fleet: Fleet) -> None:
        breaker = fleet.breaker()
        succeed_times(breaker, 1)
        fail_times(breaker, 3)
        breaker.call(answer, fallback="refused")
        metrics = breaker.metrics()
        assert (metrics.total_calls, metrics.successful_calls, metrics.failed_calls) == (4, 1, 3)
        assert (metrics.rejected_calls, metrics.success_rate) == (1, 0.25)
        assert (metrics.state, metrics.failure_count) == (CircuitState.OPEN, 3)
        assert metrics.circuit_open_count == 1
        assert metrics.last_failure_time == pytest.approx(1_700_000_100.0)

    def test_before_the_first_call_nothing_has_failed(self, fleet: Fleet) -> None:
        metrics = fleet.breaker().metrics()
        assert (metrics.total_calls, metrics.success_rate, metrics.last_failure_time) == (0, 1.0, None)

    def test_a_call_that_ends_some_generations_later_is_counted_too(self, fleet: Fleet, clock: Clock) -> None:
        breaker = fleet.breaker()
        late = breaker.acquire()
        for _ in range(5):
            fail_times(breaker, 3)
            clock.sleep(30)
            breaker.call(answer)
        late.record_success()
        assert breaker.metrics().successful_calls == 6

    def test_reading_them_changes_no_count(self, fleet: Fleet) -> None:
        breaker = fleet.breaker()
        succeed_times(breaker, 5)
        assert [breaker.metrics().successful_calls for _ in range(3)] == [5, 5, 5]


class TestError:
    def test_it_says_in_words_when_to_come_back(self) -> None:
        error = CircuitBreakerError("payment", CircuitState.OPEN, 12.34)
        assert str(error) == "circuit 'payment' is open; retry in 12.3 s"

    def test_it_survives_the_way_to_another_process(self) -> None:
        error = pickle.loads(pickle.dumps(CircuitBreakerError("payment", CircuitState.OPEN, 12.5, "why")))
        assert (error.name, error.state, error.retry_after) == ("payment", CircuitState.OPEN, 12.5)


@pytest.mark.parametrize("name", ["", "x" * 201, "a\0b"])
def test_a_name_has_1_to_200_characters_and_no_nul(fleet: Fleet, name: str) -> None:
    with pytest.raises(ValueError, match="name should be"):
        fleet.breaker(name)


def test_a_closed_breaker_has_told_its_store_everything(fleet: Fleet, clock: Clock) -> None:
    leaving, watcher = fleet.breakers(2)
    succeed_times(leaving, 5)
    leaving.close()
    leaving.close()
    assert watcher.status().success_count == 5
