"""The same thing is logged once a minute, however often it occurs."""

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


def test_what_came_once_is_forgotten_after_a_minute(clock: MonotonicClock) -> None:
    throttle = LogThrottle(clock)
    for number in range(100):
        throttle.admit(f"order {number}")
    clock.now += INTERVAL
    throttle.admit("another")
    assert list(throttle._seen) == ["another"]


def test_a_kind_can_be_silenced_and_asked_for_without_a_line(clock: MonotonicClock) -> None:
    throttle = LogThrottle(clock)
    assert not throttle.is_silent()
    throttle.silence()
    assert throttle.is_silent()
    assert not throttle.admit()
    clock.now += INTERVAL
    assert not throttle.is_silent()
