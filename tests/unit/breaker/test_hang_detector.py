"""The service models are simulated in virtual time: calls at random moments, whose durations the model decides."""

from __future__ import annotations

import heapq
import math
import random
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from breakwall.breaker.circuit.state import CallOutcome
from breakwall.breaker.hang_detector import LEAST_OVERDUE_AGE, HangDetector, RunningCall

SUCCESS, FAILURE, NEUTRAL = CallOutcome.SUCCESS, CallOutcome.FAILURE, CallOutcome.NEUTRAL
Service = Callable[[random.Random, float], tuple[float, CallOutcome]]


def quick(median: float) -> Service:
    return lambda jitter, now: (median * jitter.uniform(0.8, 1.2), SUCCESS)


def heavy_tail(median: float) -> Service:
    """Log-normal; one call in a hundred takes ten times as long as the median, or longer."""
    sigma = math.log(10) / 2.326
    return lambda jitter, now: (median * math.exp(sigma * jitter.gauss(0, 1)), SUCCESS)


def second_mode(median: float) -> Service:
    """Two calls in a hundred take three seconds."""
    return lambda jitter, now: (3.0, SUCCESS) if jitter.random() < 0.02 else quick(median)(jitter, now)


def two_speeds(quick: float, slow: float) -> Service:
    """Each for half of the calls, so that the median of the newest ones is now the one, now the other."""
    return lambda jitter, now: (jitter.choice([quick, slow]) * jitter.uniform(0.8, 1.2), SUCCESS)


def partly_stuck(median: float) -> Service:
    """One machine of twenty is never heard of until the timeout."""
    return lambda jitter, now: (30.0, FAILURE) if jitter.random() < 0.05 else quick(median)(jitter, now)


def from_then_on(service: Service, moment: float, later: Service) -> Service:
    return lambda jitter, now: (later if now >= moment else service)(jitter, now)


def hanging(jitter: random.Random, now: float) -> tuple[float, CallOutcome]:
    return 10.0, FAILURE


@dataclass(frozen=True)
class Result:
    orders: int
    refused: int
    first_alarm: float


def simulated(service: Service, *, rate: float, seconds: float, seed: int = 1) -> Result:
    jitter, detector = random.Random(seed), HangDetector()
    running: list[tuple[float, int, RunningCall, CallOutcome]] = []
    now, orders, refused, first_alarm = 0.0, 0, 0, math.inf
    while now < seconds:
        now += jitter.expovariate(rate)
        while running and running[0][0] <= now:
            ends_at, _, call, outcome = heapq.heappop(running)
            detector.ended(call, outcome, ends_at)
        orders += 1
        if detector.is_hanging(now):
            refused, first_alarm = refused + 1, min(first_alarm, now)
            continue
        call = RunningCall(now)
        detector.began(call)
        duration, outcome = service(jitter, now)
        heapq.heappush(running, (now + duration, orders, call, outcome))
    return Result(orders, refused, first_alarm)


@pytest.mark.parametrize("rate", [10, 100, 1000])
@pytest.mark.parametrize(
    "service",
    [heavy_tail(0.02), heavy_tail(0.2), second_mode(0.02), second_mode(0.2), two_speeds(0.08, 0.4)],
)
def test_a_heavy_tail_refuses_at_most_half_a_per_cent(service: Service, rate: float) -> None:
    result = simulated(service, rate=rate, seconds=30_000 / rate)
    assert result.refused <= 0.005 * result.orders


@pytest.mark.parametrize("rate", [10, 100, 1000])
@pytest.mark.parametrize("seed", range(5))
def test_a_service_of_which_a_part_hangs_for_good_is_no_hang(rate: float, seed: int) -> None:
    service = from_then_on(quick(0.02), 1000 / rate, partly_stuck(0.02))
    result = simulated(service, rate=rate, seconds=30_000 / rate, seed=seed)
    assert result.refused <= 0.005 * result.orders


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("median", [0.005, 0.02])
def test_about_ten_hung_calls_are_enough_at_a_hundred_a_second(median: float, seed: int) -> None:
    began = 200 / 100
    service = from_then_on(quick(median), began, hanging)
    result = simulated(service, rate=100, seconds=began + 1, seed=seed)
    assert 0 < result.first_alarm - began <= 0.2


@pytest.mark.parametrize("times", [5, 10, 50])
def test_a_service_that_became_slower_for_good_is_accepted_within_seconds(times: int) -> None:
    service = from_then_on(quick(0.02), 3.0, quick(0.02 * times))
    result = simulated(service, rate=100, seconds=60)
    assert result.refused <= 3 * 100


def with_history(durations: float = 0.02, calls: int = 200) -> HangDetector:
    detector = HangDetector()
    for number in range(calls):
        call = RunningCall(number * 0.1)
        detector.began(call)
        detector.ended(call, SUCCESS, number * 0.1 + durations)
        detector.is_hanging(number * 0.1 + durations)
    return detector


def begun(detector: HangDetector, now: float, calls: int) -> list[RunningCall]:
    new = [RunningCall(now) for _ in range(calls)]
    for call in new:
        detector.began(call)
    return new


def test_without_five_answers_nothing_is_overdue() -> None:
    detector = with_history(calls=4)
    begun(detector, 100.0, 50)
    assert not detector.is_hanging(200.0)


def test_a_pause_shorter_than_fifty_milliseconds_is_no_hang_of_a_quick_service() -> None:
    detector = with_history(durations=0.001)
    begun(detector, 100.0, 50)
    assert not detector.is_hanging(100.0 + LEAST_OVERDUE_AGE - 0.001)
    assert detector.is_hanging(100.0 + LEAST_OVERDUE_AGE + 0.001)


def test_two_overdue_calls_are_no_hang_and_three_are() -> None:
    detector = with_history()
    begun(detector, 100.0, 2)
    assert not detector.is_hanging(100.1)
    begun(detector, 100.1, 1)
    assert detector.is_hanging(100.2)


def test_a_hang_is_over_when_the_overdue_calls_have_ended() -> None:
    detector = with_history()
    calls = begun(detector, 100.0, 5)
    assert detector.is_hanging(100.1)
    for call in calls[:4]:
        detector.ended(call, FAILURE, 102.0)
        assert detector.is_hanging(102.0)
    detector.ended(calls[4], FAILURE, 102.0)
    assert not detector.is_hanging(102.0)


def test_a_hang_is_over_when_later_calls_are_answered_though_some_are_stuck() -> None:
    detector = with_history()
    begun(detector, 100.0, 3)
    later = begun(detector, 100.079, 10)
    assert detector.is_hanging(100.081)
    for call in later:
        detector.ended(call, SUCCESS, 100.1)
    assert not detector.is_hanging(100.1)


def test_calls_that_are_stuck_among_answered_ones_are_no_hang() -> None:
    detector = with_history()
    for _ in range(20):
        begun(detector, 100.0, 1)
        for call in begun(detector, 100.0, 5):
            detector.ended(call, SUCCESS, 100.02)
    assert not detector.is_hanging(101.0)


def test_a_call_that_was_not_sent_shows_nothing() -> None:
    detector = with_history()
    calls = begun(detector, 100.0, 5)
    for call in calls:
        detector.ended(call, NEUTRAL, 101.0)
    begun(detector, 101.0, 2)
    assert not detector.is_hanging(102.0)


def test_an_overdue_failure_does_not_show_what_is_usual() -> None:
    detector = with_history()
    usual = detector.overdue_age
    for call in begun(detector, 100.0, 300):
        detector.ended(call, FAILURE, 110.0)
    assert not detector.is_hanging(110.0)
    assert detector.overdue_age == usual


def test_after_a_stop_of_this_process_the_calls_in_hand_are_not_overdue_at_once() -> None:
    detector = with_history()
    now = last = 19.92
    calls = begun(detector, last, 8)
    assert not detector.is_hanging(last + 1.5)
    for call in calls:
        detector.ended(call, SUCCESS, last + 1.51)
    assert not detector.is_hanging(now + 3)


def test_a_call_that_ends_first_after_a_stop_says_nothing_of_the_service() -> None:
    detector = with_history()
    median = detector.median
    for call in begun(detector, 19.92, 200):
        detector.ended(call, SUCCESS, 60.0)
    assert not detector.is_hanging(60.0)
    assert detector.median == median


def test_a_service_that_hangs_while_few_calls_are_made_is_noticed_at_the_second_look() -> None:
    detector = with_history()
    begun(detector, 19.92, 5)
    assert not detector.is_hanging(22.0)
    assert detector.is_hanging(24.0)
