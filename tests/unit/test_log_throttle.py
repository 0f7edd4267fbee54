"""The same thing is logged at most once a minute."""

from breakwall.log_throttle import INTERVAL, LogThrottle, throttled
from tests.manual_clock import MonotonicClock


def test_the_same_sentence_is_written_once_a_minute(clock: MonotonicClock) -> None:
    written: list[str] = []
    write = throttled(written.append, clock)
    for second in range(130):
        clock.now = float(second)
        write("the database does not answer")
        if second == 5:
            write("another thing")
    assert written == ["the database does not answer", "another thing", *["the database does not answer"] * 2]


def test_a_line_counts_those_that_were_held_back(clock: MonotonicClock) -> None:
    throttle = LogThrottle(clock)
    assert [throttle.admit("a") for _ in range(4)] == [1, 0, 0, 0]
    clock.now += INTERVAL
    assert throttle.admit("a") == 4


def test_a_single_line_is_forgotten_after_a_minute(clock: MonotonicClock) -> None:
    throttle = LogThrottle(clock)
    for number in range(100):
        throttle.admit(f"order {number}")
    clock.now += INTERVAL
    throttle.admit("another")
    assert list(throttle._seen) == ["another"]


def test_a_kind_can_be_silenced_for_a_minute(clock: MonotonicClock) -> None:
    throttle = LogThrottle(clock)
    throttle.silence()
    assert not throttle.admit()
    clock.now += INTERVAL
    assert throttle.admit()
