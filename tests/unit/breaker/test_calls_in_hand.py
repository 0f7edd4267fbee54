from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from breakwall.breaker import (
    CallLimitError,
    CircuitBreaker,
    CircuitBreakerError,
    CircuitState,
    Hang,
    Permit,
    Refusal,
)
from breakwall.breaker.background_ramp import FIRST_WINDOW, QUIET_SECONDS
from breakwall.breaker.calls_in_hand import HANG_RETRY_AFTER
from tests.manual_clock import MonotonicClock
from tests.unit.breaker.doubles import Fleet, events_of

Start = Callable[..., CircuitBreaker]

NO_LIMIT = 100  # Calls. More than any test here expects.


@pytest.fixture
def start(fleet: Fleet) -> Start:
    """A breaker whose service has answered two hundred calls in 20 ms each."""

    def start(**config: Any) -> CircuitBreaker:
        breaker = fleet.breaker(**{"adaptive_limit": True} | config)
        for _ in range(200):
            permit = breaker.acquire()
            fleet.clock.sleep(0.02)
            permit.record_success()
        return breaker

    return start


def hung(breaker: CircuitBreaker, clock: MonotonicClock, calls: int = 5) -> list[Permit]:
    """Calls in hand that are overdue."""
    permits = [breaker.acquire() for _ in range(calls)]
    clock.sleep(0.1)
    return permits


def test_no_call_is_started_while_the_service_hangs(start: Start, clock: MonotonicClock) -> None:
    breaker = start()
    hung(breaker, clock)
    for background in (False, True):
        with pytest.raises(CallLimitError) as refused:
            breaker.acquire(background=background)
        assert refused.value.state is CircuitState.CLOSED
        assert refused.value.retry_after == HANG_RETRY_AFTER
        assert "hangs" in str(refused.value)


def test_a_refusal_is_counted_and_reported(start: Start, clock: MonotonicClock) -> None:
    breaker = start()
    hung(breaker, clock)
    events = events_of(breaker)
    with pytest.raises(CallLimitError):
        breaker.acquire()
    assert events == [
        Hang("payment", over=False, in_hand=5),
        Refusal("payment", CircuitState.CLOSED, HANG_RETRY_AFTER),
    ]
    assert breaker.metrics().rejected_calls == 1


def test_calls_start_again_when_the_overdue_ones_have_ended(start: Start, clock: MonotonicClock) -> None:
    breaker = start()
    permits = hung(breaker, clock)
    assert breaker.status().hanging
    events = events_of(breaker)
    for permit in permits:
        permit.record_success()
    assert not breaker.status().hanging
    assert events == [Hang("payment", over=True, in_hand=0)]


def test_without_the_adaptive_limit_nothing_is_counted_or_refused(
    start: Start, clock: MonotonicClock
) -> None:
    breaker = start(adaptive_limit=False)
    hung(breaker, clock, calls=50)
    breaker.acquire()
    assert (breaker.status().in_hand, breaker.status().hanging) == (0, False)


def test_what_comes_before_a_request_is_sent_is_no_part_of_its_age(
    start: Start, clock: MonotonicClock
) -> None:
    """A slow transaction between the permit and the request says nothing about the service."""
    breaker = start()
    permits = [breaker.acquire() for _ in range(20)]
    for permit in permits:
        permit.prepare()
    clock.sleep(0.1)
    permits.append(breaker.acquire())
    for permit in permits:
        permit.sent()
    assert not breaker.status().hanging
    assert breaker.status().in_hand == 21
    clock.sleep(0.1)
    assert breaker.status().hanging


def test_an_operators_override_opens_the_way_for_the_background_too(
    start: Start, clock: MonotonicClock
) -> None:
    breaker = start()
    hung(breaker, clock)
    assert breaker.status().background_slots == 0
    breaker.force_close("known", actor="alice")
    assert breaker.status().background_slots is None
    breaker.force_open("no", actor="alice")
    assert breaker.status().background_slots == 0


def test_a_result_ends_a_call_that_was_sent_later(start: Start) -> None:
    breaker = start()
    permit = breaker.acquire()
    permit.sent()
    permit.record_success()
    permit.sent()
    assert breaker.status().in_hand == 0


def test_a_call_is_in_hand_from_its_permit_to_its_result(start: Start) -> None:
    breaker = start()
    permits = [breaker.acquire(), breaker.acquire(background=True), breaker.acquire(), breaker.acquire()]
    assert breaker.status().in_hand == 4
    permits[0].record_success()
    permits[1].record_failure()
    permits[2].release()
    permits[2].release()
    assert breaker.status().in_hand == 1


def test_a_permit_whose_result_is_never_recorded_is_given_up_after_a_while(
    start: Start, clock: MonotonicClock
) -> None:
    breaker = start(timeout=10.0)
    lost = hung(breaker, clock)
    assert breaker.status().hanging
    clock.sleep(breaker.config.lease_seconds)
    assert (breaker.status().in_hand, breaker.status().hanging) == (0, False)
    lost[0].record_success()
    assert breaker.status().in_hand == 0


def test_the_status_says_that_no_background_call_may_be_started(start: Start, clock: MonotonicClock) -> None:
    breaker = start()
    assert breaker.status().background_slots == FIRST_WINDOW
    permits = hung(breaker, clock)
    status = breaker.status()
    assert (status.slots, status.background_slots, status.limit, status.rate) == (None, 0, None, None)
    permits[0].record_failure(retry_after=30)
    assert breaker.status().state is CircuitState.OPEN
    assert breaker.status().background_slots == 0
    clock.sleep(31)
    assert breaker.status().background_slots == 1


def test_a_probe_is_in_hand_and_no_hang_refuses_it(start: Start, clock: MonotonicClock) -> None:
    breaker = start(timeout=60.0)
    calls = hung(breaker, clock)
    assert breaker.status().hanging
    calls[0].record_failure(retry_after=30)
    clock.sleep(30)
    assert breaker.status().hanging
    assert breaker.acquire().is_probe
    assert breaker.status().in_hand == 5


def test_an_open_circuit_refuses_as_ever(start: Start, clock: MonotonicClock) -> None:
    breaker = start()
    hung(breaker, clock)[0].record_failure(retry_after=30)
    with pytest.raises(CircuitBreakerError) as refused:
        breaker.acquire()
    assert not isinstance(refused.value, CallLimitError)


@pytest.mark.parametrize("override", [CircuitBreaker.force_close, CircuitBreaker.observe])
def test_an_operators_override_lets_calls_through(
    start: Start, clock: MonotonicClock, override: Callable[..., None]
) -> None:
    breaker = start()
    hung(breaker, clock)
    override(breaker, "we know", "kim")
    events = events_of(breaker)
    breaker.acquire()
    assert Refusal("payment", CircuitState.CLOSED, HANG_RETRY_AFTER, observed=True) in events
    assert breaker.status().in_hand == 6


def test_a_call_of_a_function_is_refused_too(start: Start, clock: MonotonicClock) -> None:
    breaker = start()
    hung(breaker, clock)
    with pytest.raises(CallLimitError):
        breaker.call(int)
    assert breaker.call(int, fallback="queued") == "queued"


def test_a_forked_child_has_none_of_its_parents_calls(start: Start, clock: MonotonicClock) -> None:
    breaker = start()
    permits = hung(breaker, clock)
    breaker.after_fork()
    assert (breaker.status().in_hand, breaker.status().hanging) == (0, False)
    permits[0].record_success()
    assert breaker.status().in_hand == 0


def test_many_threads_leave_nothing_in_hand(fleet: Fleet) -> None:
    breaker = fleet.breaker(adaptive_limit=True)
    started: list[int] = []

    def work() -> None:
        for number in range(300):
            # The first background calls are refused where more than a few are in hand at once.
            with suppress(CallLimitError), breaker.acquire(background=number % 2 == 0):
                started.append(number)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert breaker.status().in_hand == 0
    assert breaker.metrics().successful_calls == len(started) >= 1200


def full(breaker: CircuitBreaker) -> list[Permit]:
    """As many background calls as may be started; `NO_LIMIT` if nothing ends them."""
    permits: list[Permit] = []
    with suppress(CallLimitError):
        while len(permits) < NO_LIMIT:
            permits.append(breaker.acquire(background=True))
    return permits


def a_round(breaker: CircuitBreaker, clock: MonotonicClock, seconds: float = 0.02) -> int:
    """Start as many background calls as may be started, and answer them. Returns how many these were."""
    permits = full(breaker)
    clock.sleep(seconds)
    for permit in permits:
        permit.record_success()
    return len(permits)


def test_the_background_begins_with_two_calls_and_more_follow_as_they_are_answered(
    start: Start, clock: MonotonicClock
) -> None:
    breaker = start()
    assert [a_round(breaker, clock) for _ in range(17)] == [*range(2, 17), 18, 20]
    assert breaker.status().background_slots == 22


def test_a_service_that_hangs_lets_no_more_background_calls_begin(
    start: Start, clock: MonotonicClock
) -> None:
    breaker = start()
    for _ in range(4):
        a_round(breaker, clock)
    assert len(full(breaker)) == 6
    for _ in range(20):
        clock.sleep(0.005)
        assert not full(breaker)


def test_live_calls_are_not_held_by_the_backgrounds_window(start: Start) -> None:
    breaker = start()
    full(breaker)
    assert [breaker.acquire() for _ in range(50)]


def test_a_window_that_is_not_used_does_not_grow(start: Start, clock: MonotonicClock) -> None:
    breaker = start()
    for _ in range(50):
        with breaker.acquire(background=True):
            clock.sleep(0.02)
    assert breaker.status().background_slots == FIRST_WINDOW


def test_after_a_pause_the_background_begins_small_again(start: Start, clock: MonotonicClock) -> None:
    breaker = start()
    for _ in range(5):
        a_round(breaker, clock)
    clock.sleep(QUIET_SECONDS - 1)
    assert breaker.status().background_slots == 7
    clock.sleep(1)
    assert breaker.status().background_slots == FIRST_WINDOW


def test_one_stuck_call_holds_the_window_only_until_it_is_overdue(
    start: Start, clock: MonotonicClock
) -> None:
    breaker = start()
    stuck = breaker.acquire(background=True)
    for _ in range(10):
        a_round(breaker, clock)
    assert len(full(breaker)) > 3
    stuck.record_success()


def test_a_worker_that_asks_for_a_permit_only_when_it_has_a_turn_keeps_its_share(
    fleet: Fleet, clock: MonotonicClock
) -> None:
    breakers = fleet.breakers(8, adaptive_limit=True)
    for permit in [breaker.acquire(background=True) for breaker in breakers]:
        permit.record_throttled(1.0)
    for _ in range(12):
        clock.sleep(0.5)
        for breaker in breakers:
            if breaker.status().background_slots:
                breaker.acquire(background=True).record_success()
    limit = breakers[0]._replica.circuit.limit
    assert limit is not None
    assert sum([process.takes for process in limit.processes]) == 8
