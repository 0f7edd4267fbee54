"""A worker's share of the highest rate: orders are spaced, on a clock that a test moves."""

from __future__ import annotations

import pytest

from breakwall.worker.control.rate import RateShare
from tests.manual_clock import MonotonicClock


class Spaced:
    """One worker's share, and its clock."""

    def __init__(self, rate: float | None, workers: int = 1) -> None:
        self.rate = rate
        self.workers = workers
        self.clock = MonotonicClock()
        self.share = RateShare(lambda: self.rate, lambda: self.workers, monotonic=self.clock)

    def begin(self, orders: int) -> float:
        """Begin so many orders; returns the seconds that this took."""
        began = self.clock.now
        while left := orders - self.share.take_turns(orders):
            orders = left
            self.clock.advance(0.05)
        return self.clock.now - began


def test_without_a_rate_nothing_waits() -> None:
    assert Spaced(None).begin(1000) == 0.0


def test_the_first_order_begins_at_once() -> None:
    assert Spaced(0.01).begin(1) == 0.0


@pytest.mark.parametrize(
    ("rate", "workers", "seconds"), [(10.0, 1, 10.0), (10.0, 4, 40.0), (400.0, 2, 0.5), (0.5, 1, 200.0)]
)
def test_so_many_orders_a_second_begin_in_all_workers_together(
    rate: float, workers: int, seconds: float
) -> None:
    spaced = Spaced(rate, workers)
    spaced.begin(1)
    assert spaced.begin(100) == pytest.approx(seconds, rel=0.02)


def test_time_in_which_nothing_was_sent_is_not_caught_up() -> None:
    spaced = Spaced(10.0)
    spaced.begin(1)
    spaced.clock.advance(3600.0)
    assert spaced.begin(11) == pytest.approx(1.0, abs=0.2)


def test_a_higher_rate_holds_at_once() -> None:
    spaced = Spaced(0.001)
    spaced.begin(1)
    spaced.rate = 10.0
    assert spaced.begin(1) <= 0.1


def test_no_more_turns_are_taken_than_orders_wait() -> None:
    spaced = Spaced(1000.0)
    assert spaced.share.take_turns(0) == 0
    assert spaced.share.take_turns(1) == 1
