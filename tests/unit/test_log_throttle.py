"""A line of each kind is written once in an interval."""

from __future__ import annotations

from breakwall.log_throttle import INTERVAL, LogThrottle


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_one_line_of_each_kind_passes_in_an_interval() -> None:
    clock = Clock()
    throttle = LogThrottle(clock)
    passed = []
    for _ in range(int(2 * INTERVAL)):
        passed += [kind for kind in ("a", "b") if throttle.passes(kind)]
        clock.now += 1
    assert passed == ["a", "b", "a", "b"]


def test_a_kind_can_be_silenced_and_asked_for_without_a_line() -> None:
    clock = Clock()
    throttle = LogThrottle(clock)
    assert not throttle.is_silent()
    throttle.silence()
    assert throttle.is_silent()
    assert not throttle.passes()
    clock.now += INTERVAL
    assert not throttle.is_silent()
