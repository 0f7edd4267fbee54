from __future__ import annotations

import sys

from breakwall.web.access.failed_tries import MOST, MOST_FROM_ONE, WINDOW, FailedTries
from tests.manual_clock import MonotonicClock


def test_an_address_has_so_many_tries_a_minute(clock: MonotonicClock) -> None:
    tries = FailedTries(clock)
    for _ in range(MOST_FROM_ONE):
        assert tries.wait_of("10.0.0.1") == 0.0
        tries.add("10.0.0.1")
    clock.advance(20.0)
    assert tries.wait_of("10.0.0.1") == WINDOW - 20.0


def test_another_address_is_not_limited_by_it(clock: MonotonicClock) -> None:
    tries = FailedTries(clock)
    for _ in range(MOST_FROM_ONE):
        tries.add("10.0.0.1")
    assert tries.wait_of("10.0.0.2") == 0.0


def test_a_network_of_ipv6_that_is_one_customers_is_one_address(clock: MonotonicClock) -> None:
    tries = FailedTries(clock)
    for number in range(MOST_FROM_ONE):
        tries.add(f"2001:db8:0:1::{number:x}")
    assert tries.wait_of("2001:db8:0:1:ffff::1") > 0.0
    assert tries.wait_of("2001:db8:0:2::1") == 0.0


def test_an_address_of_ipv4_within_ipv6_is_itself(clock: MonotonicClock) -> None:
    tries = FailedTries(clock)
    for _ in range(MOST_FROM_ONE):
        tries.add("::ffff:10.0.0.1")
    assert tries.wait_of("10.0.0.1") > 0.0
    assert tries.wait_of("::ffff:10.0.0.2") == 0.0


def test_all_addresses_together_are_limited_too(clock: MonotonicClock) -> None:
    tries = FailedTries(clock)
    for number in range(MOST):
        tries.add(f"10.0.0.{number}")
    assert tries.wait_of("10.1.0.1") > 0.0


def test_a_minute_later_all_may_try_again(clock: MonotonicClock) -> None:
    tries = FailedTries(clock)
    for number in range(MOST):
        tries.add(f"10.0.0.{number % 3}")
    clock.advance(WINDOW)
    assert tries.wait_of("10.0.0.1") == 0.0


def test_its_memory_is_bounded(clock: MonotonicClock) -> None:
    tries = FailedTries(clock)
    for number in range(10_000):
        tries.wait_of(f"asked {number}")
        tries.add(f"added {number}")
    assert len(tries._by_group) == MOST
    assert sys.getsizeof(tries._by_group) < 20_000
