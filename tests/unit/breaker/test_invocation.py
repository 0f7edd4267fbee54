"""The breaker in an event loop."""

from __future__ import annotations

import asyncio
import functools
import threading
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Iterator
from typing import Any

import pytest

from breakwall.breaker import (
    CircuitBreaker,
    CircuitBreakerConfig,
    CircuitBreakerError,
    CircuitState,
    StoreLost,
)
from breakwall.breaker.stores import StoredCircuit
from tests.dict_store import DictStore
from tests.manual_clock import MonotonicClock
from tests.stopwatch import Stopwatch
from tests.unit.breaker.doubles import EPOCH, Fleet, ServiceError, answer, events_of, fail_times


async def answer_async(*args: Any) -> tuple[Any, ...]:
    await asyncio.sleep(0)
    return args


async def fail_async() -> None:
    await asyncio.sleep(0)
    raise ServiceError


def in_a_loop(test: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    @functools.wraps(test)
    def run(*args: Any, **kwargs: Any) -> None:
        asyncio.run(test(*args, **kwargs))  # type: ignore[arg-type]

    return run


class TestCall:
    @in_a_loop
    async def test_a_coroutine_functions_call_is_awaited(self, fleet: Fleet) -> None:
        breaker = fleet.breaker()
        for _ in range(3):
            assert await breaker.call(answer_async, 1, 2) == (1, 2)
        assert breaker.metrics().successful_calls == 3

    @in_a_loop
    async def test_it_counts_when_it_ends_and_not_when_it_begins(self, fleet: Fleet) -> None:
        breaker = fleet.breaker()
        await breaker.call(answer_async)
        call = breaker.call(answer_async)
        assert breaker.metrics().total_calls == 1
        await call
        assert breaker.metrics().total_calls == 2

    @in_a_loop
    async def test_failures_open_the_circuit(self, fleet: Fleet) -> None:
        breaker = fleet.breaker()
        for _ in range(3):
            with pytest.raises(ServiceError):
                await breaker.call(fail_async)
        with pytest.raises(CircuitBreakerError):
            await breaker.call(answer_async)

    @in_a_loop
    async def test_a_fallback_may_be_a_coroutine_function_or_not(self, fleet: Fleet) -> None:
        breaker = fleet.breaker()
        fail_times(breaker, 3)
        assert await breaker.call(answer_async, 7, fallback=answer_async) == (7,)
        assert await breaker.call(fail_async, fallback=lambda: "instead") == "instead"

    @in_a_loop
    async def test_a_callable_that_returns_a_coroutine_is_awaited_too(self, fleet: Fleet) -> None:
        breaker = fleet.breaker()
        for _ in range(3):
            assert await breaker.call(lambda: answer_async(1)) == (1,)
        assert breaker.metrics().successful_calls == 3


class TestPermit:
    @in_a_loop
    async def test_a_block_records_its_result(self, fleet: Fleet) -> None:
        breaker = fleet.breaker()
        async with breaker.permit():
            pass
        with pytest.raises(ServiceError):
            async with breaker.permit():
                raise ServiceError
        assert (breaker.metrics().successful_calls, breaker.metrics().failed_calls) == (1, 1)

    @in_a_loop
    async def test_a_block_may_record_it_itself(self, fleet: Fleet) -> None:
        breaker = fleet.breaker()
        async with breaker.permit() as permit:
            permit.record_failure()
            permit.record_failure()
        assert (breaker.metrics().successful_calls, breaker.metrics().failed_calls) == (0, 1)

    @in_a_loop
    async def test_an_open_circuit_refuses_at_the_door(self, fleet: Fleet) -> None:
        breaker = fleet.breaker()
        fail_times(breaker, 3)
        with pytest.raises(CircuitBreakerError):
            async with breaker.permit():
                pytest.fail("it was let in")

    @in_a_loop
    async def test_a_cancelled_probe_frees_its_slot(self, fleet: Fleet) -> None:
        breaker = fleet.half_open()
        inside = asyncio.Event()

        async def probe() -> None:
            async with breaker.permit():
                inside.set()
                await asyncio.Event().wait()

        task = asyncio.create_task(probe())
        await inside.wait()
        assert breaker.status().slots == 0
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert breaker.status().slots == 1
        assert breaker.metrics().failed_calls == 3


LONG = 20.0
"""Seconds that a call may wait for the store: so long the loop would stand still."""


class HangingStore(DictStore):
    """A remote store that does not answer until ``answers`` is set."""

    remote = True

    def __init__(self, clock: Callable[[], float] | None = None) -> None:
        super().__init__(clock)
        self.answers = threading.Event()

    def load(self, name: str) -> StoredCircuit:
        self.answers.wait(60)
        return super().load(name)

    def swap(self, name: str, seen: str, version: str, text: str) -> tuple[bool, StoredCircuit]:
        self.answers.wait(60)
        return super().swap(name, seen, version, text)


class AnswerObject:
    async def __call__(self, *args: Any) -> tuple[Any, ...]:
        return await answer_async(*args)


@pytest.fixture
def hanging() -> HangingStore:
    return HangingStore()


class TestHangingStore:
    @in_a_loop
    async def test_the_loop_runs_on_while_a_task_waits_for_the_store(self, hanging: HangingStore) -> None:
        config = CircuitBreakerConfig(store_timeout=LONG)
        breaker = CircuitBreaker("payment", config, hanging)
        watch = Stopwatch()
        waiting = asyncio.create_task(breaker.call(answer_async, 1))
        await asyncio.sleep(0.01)
        assert watch.seconds < LONG / 2
        assert not waiting.done()
        hanging.answers.set()
        assert await waiting == (1,)
        breaker.close()

    @pytest.mark.parametrize(
        "make",
        [AnswerObject, lambda: functools.partial(AnswerObject(), 2), lambda: functools.partial(answer_async)],
    )
    def test_so_it_does_whatever_kind_of_callable_is_to_be_awaited(
        self, hanging: HangingStore, make: Callable[[], Callable[..., Awaitable[object]]]
    ) -> None:
        breaker = CircuitBreaker("payment", CircuitBreakerConfig(store_timeout=LONG), hanging)

        async def run() -> float:
            watch = Stopwatch()
            waiting = asyncio.create_task(breaker.call(make()))
            protected = asyncio.create_task(breaker.protect(make())())
            await asyncio.sleep(0.01)
            took = watch.seconds
            hanging.answers.set()
            await asyncio.gather(waiting, protected)
            return took

        assert asyncio.run(run()) < LONG / 2
        breaker.close()

    @in_a_loop
    async def test_a_call_continues_without_it_in_time(self, hanging: HangingStore) -> None:
        breaker = CircuitBreaker("payment", CircuitBreakerConfig(first_contact=0.1), hanging)
        watch, began = Stopwatch(), time.monotonic()
        assert await breaker.call(answer_async, 1) == (1,)
        assert watch.seconds < LONG / 2
        assert time.monotonic() - began > 0.05
        hanging.answers.set()
        breaker.close()

    @in_a_loop
    async def test_the_loop_runs_on_while_a_failure_is_stored(self, hanging: HangingStore) -> None:
        config = CircuitBreakerConfig(store_timeout=LONG, refresh_interval=60)
        breaker = CircuitBreaker("payment", config, hanging)
        hanging.answers.set()
        for _ in range(3):
            await breaker.call(answer_async)
        hanging.answers.clear()
        watch = Stopwatch()
        failing = asyncio.create_task(breaker.call(fail_async, fallback="failed"))
        await asyncio.sleep(0.01)
        assert watch.seconds < LONG / 2
        assert not failing.done()
        hanging.answers.set()
        assert await failing == "failed"
        breaker.close()

    def test_a_moment_of_slowness_is_not_announced_and_a_second_of_it_is(self, hanging: HangingStore) -> None:
        clock = MonotonicClock()
        breaker = CircuitBreaker("payment", CircuitBreakerConfig(), hanging, clock=clock)
        heard = events_of(breaker)
        breaker.call(answer)
        clock.sleep(0.5)
        breaker.call(answer)
        assert not breaker.status().store_ok
        assert heard == []
        clock.sleep(0.5)
        breaker.call(answer)
        assert heard == [StoreLost("payment", "TimeoutError")]
        hanging.answers.set()
        breaker.close()

    @in_a_loop
    async def test_a_task_that_is_cancelled_while_it_waits_leaves_the_breaker_whole(
        self, hanging: HangingStore
    ) -> None:
        breaker = CircuitBreaker("payment", CircuitBreakerConfig(store_timeout=5.0), hanging)
        waiting = asyncio.create_task(breaker.call(answer_async, 1))
        await asyncio.sleep(0.01)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        hanging.answers.set()
        assert await breaker.call(answer_async, 2) == (2,)
        assert breaker.status().store_ok
        breaker.close()


class TestInterruptedProbes:
    """A probe that ends before it has begun, or in the middle, frees its slot."""

    @pytest.fixture
    def clock(self) -> MonotonicClock:
        return MonotonicClock()

    @pytest.fixture
    def store(self, clock: MonotonicClock) -> HangingStore:
        return HangingStore(lambda: EPOCH + clock.now)

    @pytest.fixture
    def breaker(self, clock: MonotonicClock, store: HangingStore) -> Iterator[CircuitBreaker]:
        """Half-open, with a fresh copy, so that the next request to the store is for a lease."""
        config = CircuitBreakerConfig(failure_threshold=1, jitter=0, store_timeout=5.0)
        breaker = CircuitBreaker("payment", config, store, clock=clock)
        store.answers.set()
        fail_times(breaker, 1)
        clock.sleep(30)
        assert breaker.status().slots == 1
        yield breaker
        store.answers.set()
        breaker.close()

    @in_a_loop
    async def test_cancelled_while_it_asks_for_its_lease(
        self, breaker: CircuitBreaker, store: HangingStore, clock: MonotonicClock
    ) -> None:
        store.answers.clear()
        asking = asyncio.create_task(breaker.call(answer_async, 1))
        await asyncio.sleep(0.01)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        store.answers.set()
        # It is sent with the synchronization after the one that brings the lease, which would last for 11 s.
        for _ in range(40):
            clock.sleep(0.2)
            if breaker.status().slots == 1:
                break
            await asyncio.sleep(0.02)
        assert await breaker.call(answer_async, 2) == (2,)

    def test_interrupted_while_it_asks_for_its_lease(
        self, breaker: CircuitBreaker, monkeypatch: pytest.MonkeyPatch, clock: MonotonicClock
    ) -> None:
        """Ctrl-C, or a worker's soft time limit, in the thread that waits."""

        def interrupted(*_: object, **__: object) -> None:
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(breaker._replica, "_wait", interrupted)
            with pytest.raises(KeyboardInterrupt):
                breaker.call(answer)
        clock.sleep(1)
        assert breaker.call(answer) == "answer"

    @in_a_loop
    async def test_called_with_arguments_that_the_function_does_not_take(
        self, breaker: CircuitBreaker
    ) -> None:
        with pytest.raises(TypeError):
            await breaker.call(fail_async, "an argument too many")
        assert breaker._replica._state.circuit.leases == ()

    @in_a_loop
    async def test_closed_as_a_coroutine(self, breaker: CircuitBreaker, clock: MonotonicClock) -> None:
        async def hang() -> None:
            await Hanging()

        call = breaker.call(hang)
        # By hand, as a loop would: until it hangs in the protected function.
        while (waits_for := call.send(None)) != "hanging":
            while not waits_for.done():
                await asyncio.sleep(0)
            waits_for._asyncio_future_blocking = False
        call.close()
        clock.sleep(1)
        assert breaker.status().slots == 1

    @in_a_loop
    async def test_closed_as_a_generator_around_its_block(
        self, breaker: CircuitBreaker, clock: MonotonicClock
    ) -> None:
        async def probing() -> AsyncGenerator[int, None]:
            async with breaker.permit():
                yield 1

        generator = probing()
        await anext(generator)
        await generator.aclose()
        clock.sleep(1)
        assert breaker.status().slots == 1


class Hanging:
    """What a protected coroutine waits for without end."""

    def __await__(self) -> Generator[str, None, None]:
        yield "hanging"


def test_a_thread_that_has_no_loop_may_use_the_same_breaker(fleet: Fleet) -> None:
    breaker = fleet.breaker()
    asyncio.run(breaker.call(answer_async, 1))
    assert breaker.call(answer) == "answer"
    assert breaker.status().state is CircuitState.CLOSED
