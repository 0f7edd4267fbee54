"""When a failed delivery is tried again."""

from __future__ import annotations

import pytest

from breakwall.payments.outcomes.schedule import DAY, MAX_TRIES, delay_after


def test_the_first_tries_come_soon_and_the_others_as_standard_webhooks_says() -> None:
    hours = [0, 0, 0, 5 / 60, 0.5, 2, 5, 10, 14, 20, 24]
    expected = [1, 5, 30, *(3600 * number for number in hours[3:])]
    assert [delay_after(tries, 0.0) for tries in range(1, MAX_TRIES)] == expected


def test_after_the_last_try_it_is_given_up() -> None:
    assert delay_after(MAX_TRIES, 0.0) is None


def test_luck_makes_a_delay_longer_by_a_fifth_at_most() -> None:
    assert delay_after(2, 1.0) == pytest.approx(6.0)


def test_it_waits_as_long_as_it_was_asked_to_but_a_day_at_most() -> None:
    assert delay_after(1, 0.0, 60.0) == 60.0
    assert delay_after(3, 0.0, 2.0) == 30.0
    assert delay_after(1, 0.0, 10 * DAY) == DAY
