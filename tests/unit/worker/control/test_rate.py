"""A worker's share of the highest rate: orders are spaced, on a clock that a test moves."""

from __future__ import annotations

import pytest

from breakwall.worker.control.rate import LONGEST_WAIT, RateShare
from tests.manual_clock import MonotonicClock


class Spaced:
    """One worker's share; sleeping moves its clock."""

    def __init__(self, rate: float | None, workers: int = 1) -> None:
        self.rate = rate
        self.workers = workers
        self.clock = MonotonicClock()
        self.share = RateShare(
            lambda: self.rate, lambda: self.workers, monotonic=self.clock, sleep=self.clock.advance
        )

    def begin(self, orders: int) -> float:
        """Begin so many orders; returns the seconds that this took."""
        began = self.clock.now
        begun = 0
        while begun < orders:
            wait = self.share.wait_for_turn()
            begun += wait == 0.0
            self.clock.advance(wait)
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


def test_an_order_waits_a_few_seconds_in_its_slot_then_it_is_told_when_to_come_again() -> None:
    spaced = Spaced(0.01)
    spaced.begin(1)
    began = spaced.clock.now
    assert spaced.share.wait_for_turn() == pytest.approx(100.0 - LONGEST_WAIT)
    assert spaced.clock.now - began == pytest.approx(LONGEST_WAIT)


def test_a_higher_rate_holds_at_once() -> None:
    spaced = Spaced(0.001)
    spaced.begin(1)
    spaced.rate = 10.0
    assert spaced.begin(1) <= 0.1


def test_an_ending_worker_waits_no_longer() -> None:
    spaced = Spaced(0.01)
    spaced.begin(1)
    spaced.share.end()
    began = spaced.clock.now
    assert spaced.share.wait_for_turn() > 0
    assert spaced.clock.now == began
