"""A process learns the shared circuit before its first call. What it counted before that is stored later."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator

import pytest

from breakwall.breaker import CircuitBreaker, CircuitBreakerConfig, CircuitBreakerError, CircuitState
from tests.manual_clock import MonotonicClock
from tests.stopwatch import Stopwatch
from tests.unit.breaker.doubles import (
    EPOCH,
    OPENED,
    BlockableStore,
    FaultyStore,
    answer,
    fail_times,
    succeed_times,
)
from tests.waiting import wait_until


class Newcomer:
    """A process that has just started, beside a store that may hang, on a clock that stands still."""

    def __init__(self, clock: MonotonicClock) -> None:
        self.clock = clock
        self.store = BlockableStore(clock)
        self.breakers: list[CircuitBreaker] = []

    def breaker(
        self, name: str = "payment", first_contact: float = 0.1, threshold: int = 3
    ) -> CircuitBreaker:
        config = CircuitBreakerConfig(failure_threshold=threshold, first_contact=first_contact, jitter=0.0)
        self.breakers.append(CircuitBreaker(name, config, self.store, clock=self.clock))
        return self.breakers[-1]

    def without_store(self) -> CircuitBreaker:
        """A breaker that never opens; the store, with a closed circuit of other processes, is down."""
        self.stored(g=4)
        self.store.down = True
        return self.breaker(threshold=50)

    def stored(self, **fields: object) -> None:
        """Store a circuit, as another process does."""
        self.store.overwrite(json.dumps({"v": 1, "s": "closed", **fields}))

    def at(self, seconds_ago: float) -> int:
        return round((EPOCH + self.clock.now - seconds_ago) * 1000)

    def failures(self) -> int:
        text = self.store._texts["payment"][1]
        return sum(bucket[2] for bucket in json.loads(text).get("b", ()))

    def meet(self, breaker: CircuitBreaker) -> None:
        self.store.unblocked.set()
        self.store.down = False

        def met() -> bool:
            self.clock.sleep(0.3)
            return breaker.status().store_ok

        wait_until(met)


@pytest.fixture
def newcomer(clock: MonotonicClock) -> Iterator[Newcomer]:
    newcomer = Newcomer(clock)
    yield newcomer
    newcomer.store.unblocked.set()
    for breaker in newcomer.breakers:
        breaker.close()


def test_a_cold_start_beside_an_open_circuit_sends_nothing_although_the_store_is_slow(
    newcomer: Newcomer,
) -> None:
    newcomer.store.overwrite(OPENED)
    newcomer.store.unblocked.clear()
    breaker = newcomer.breaker(first_contact=20.0)
    threading.Timer(0.3, newcomer.store.unblocked.set).start()
    with pytest.raises(CircuitBreakerError):
        breaker.call(answer)


def test_all_first_calls_wait_for_the_first_contact_together(newcomer: Newcomer) -> None:
    newcomer.store.overwrite(OPENED)
    newcomer.store.unblocked.clear()
    breaker = newcomer.breaker(first_contact=20.0)
    answers: list[str] = []
    callers = [
        threading.Thread(target=lambda: answers.append(breaker.call(answer, fallback="refused")))
        for _ in range(5)
    ]
    for caller in callers:
        caller.start()
    threading.Timer(0.3, newcomer.store.unblocked.set).start()
    for caller in callers:
        caller.join()
    assert answers == ["refused"] * 5


def test_a_store_that_does_not_answer_is_waited_for_once_in_a_process(newcomer: Newcomer) -> None:
    newcomer.store.unblocked.clear()
    breaker = newcomer.breaker(first_contact=0.3)
    watch, began = Stopwatch(), time.monotonic()
    assert breaker.call(answer) == "answer"
    assert time.monotonic() - began >= 0.3
    assert watch.seconds < 2
    again = Stopwatch()
    for _ in range(50):
        newcomer.clock.sleep(0.01)
        breaker.call(answer)
    assert again.seconds < 0.3


def test_a_second_circuit_does_not_wait_again_for_a_store_that_does_not_answer(newcomer: Newcomer) -> None:
    newcomer.store.unblocked.clear()
    newcomer.breaker(first_contact=0.1).call(answer)
    second = newcomer.breaker("shipping", first_contact=20.0)
    watch = Stopwatch()
    second.call(answer)
    assert watch.seconds < 5


def test_meeting_the_store_spares_the_first_call_the_wait(newcomer: Newcomer) -> None:
    newcomer.store.unblocked.clear()
    breaker = newcomer.breaker(first_contact=0.3)
    assert not breaker.meet_store()
    watch = Stopwatch()
    breaker.call(answer)
    assert watch.seconds < 0.25
    newcomer.meet(breaker)
    assert breaker.meet_store()


def test_failures_from_before_the_first_contact_open_the_fleets_circuit(newcomer: Newcomer) -> None:
    newcomer.stored(g=4, b=[[newcomer.at(1), 0, 2, 0]], wf=[["other", newcomer.at(1)]])
    newcomer.store.down = True
    breaker = newcomer.breaker()
    fail_times(breaker, 2)
    newcomer.meet(breaker)
    assert breaker.status().state is CircuitState.OPEN
    assert breaker.status().generation == 5


def test_failures_outlast_attempts_that_find_the_store_down(newcomer: Newcomer) -> None:
    breaker = newcomer.without_store()
    synchronizer = breaker._replica._synchronizer
    for _ in range(5):
        fail_times(breaker, 1)
        wait_until(lambda: not (synchronizer._next or synchronizer._in_progress))
        newcomer.clock.sleep(0.3)
    newcomer.meet(breaker)
    newcomer.meet(breaker)
    assert newcomer.failures() == 5


def test_a_store_that_hung_gets_the_failures_once(newcomer: Newcomer) -> None:
    newcomer.stored(g=4)
    newcomer.store.unblocked.clear()
    breaker = newcomer.breaker(first_contact=0.05, threshold=50)
    fail_times(breaker, 3)
    newcomer.meet(breaker)
    newcomer.meet(breaker)
    assert newcomer.failures() == 3


def test_a_swap_whose_answer_is_lost_is_not_counted_twice(newcomer: Newcomer) -> None:
    breaker = newcomer.without_store()
    fail_times(breaker, 3)
    newcomer.store.down, newcomer.store.loses_replies = False, True
    newcomer.clock.sleep(0.3)
    breaker.status()
    newcomer.store.loses_replies = False
    newcomer.meet(breaker)
    assert newcomer.failures() == 3


def test_they_are_sent_with_their_own_times(newcomer: Newcomer) -> None:
    breaker = newcomer.without_store()
    fail_times(breaker, 3)
    newcomer.clock.sleep(40)
    fail_times(breaker, 2)
    newcomer.clock.sleep(30)
    newcomer.meet(breaker)
    assert newcomer.failures() == 2, "the first three are older than the window"
    newcomer.clock.sleep(32)
    assert breaker.status().failure_count == 0, "the other two grow older there too"


def test_what_was_seen_before_the_circuit_last_closed_is_nothing_to_the_new_one(newcomer: Newcomer) -> None:
    newcomer.store.down = True
    breaker = newcomer.breaker()
    fail_times(breaker, 2)
    newcomer.clock.sleep(10)
    newcomer.stored(g=6, ga=newcomer.at(5))
    newcomer.meet(breaker)
    assert (breaker.status().state, breaker.status().failure_count) == (CircuitState.CLOSED, 0)


def test_a_pause_that_the_service_asked_for_before_the_first_contact_is_the_fleets(
    newcomer: Newcomer,
) -> None:
    breaker = newcomer.without_store()
    breaker.acquire().record_failure(retry_after=100)
    newcomer.meet(breaker)
    assert breaker.status().state is CircuitState.OPEN
    assert 98 < breaker.status().retry_after < 100


def test_a_call_in_progress_at_the_first_contact_counts(newcomer: Newcomer) -> None:
    breaker = newcomer.without_store()
    in_progress = [breaker.acquire() for _ in range(2)]
    newcomer.meet(breaker)
    for permit in in_progress:
        permit.record_failure()
    newcomer.meet(breaker)
    assert newcomer.failures() == 2


def test_successes_from_before_the_first_contact_count_too(newcomer: Newcomer) -> None:
    breaker = newcomer.without_store()
    succeed_times(breaker, 5)
    fail_times(breaker, 1)
    newcomer.meet(breaker)
    assert breaker.status().success_count == 5


def test_a_store_in_memory_is_met_at_once(store: FaultyStore, clock: MonotonicClock) -> None:
    assert CircuitBreaker("payment", store=store, clock=clock).meet_store()
