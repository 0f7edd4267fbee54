"""The throttle lets through what it allows and no more."""

from breakwall.simulator.faults import Throttle
from breakwall.simulator.limiter import Limiter


def admitted(limiter: Limiter, throttle: Throttle, times: list[float]) -> int:
    return sum(limiter.admits(throttle, now) for now in times)


def test_a_throttle_without_a_rate_lets_nothing_in() -> None:
    assert admitted(Limiter(), Throttle(retry_after=1), [0.0, 10.0]) == 0


def test_a_burst_is_at_most_one_seconds_worth() -> None:
    assert admitted(Limiter(), Throttle(10), [0.0] * 50) == 10


def test_over_time_the_rate_is_kept() -> None:
    seconds = 20
    times = [n / 100 for n in range(seconds * 100)]
    assert 10 * seconds <= admitted(Limiter(), Throttle(10), times) <= 10 * (seconds + 1)


def test_a_rate_below_one_lets_one_in_now_and_then() -> None:
    assert admitted(Limiter(), Throttle(0.5), [0.0, 1.0, 2.0, 3.0, 4.0]) == 3


def test_a_new_rate_counts_at_once() -> None:
    limiter = Limiter()
    admitted(limiter, Throttle(1), [0.0] * 5)
    assert admitted(limiter, Throttle(100), [0.0] * 500) == 100
