from __future__ import annotations

from dataclasses import replace

import pytest

from breakwall.breaker.circuit.fleet_limit import FleetLimit, LoadReport, ProcessLoad
from breakwall.breaker.circuit.fleet_rate import (
    LEAST_RATE,
    RATE_ON_REFUSAL,
    RATE_QUIET_SECONDS,
    RATE_REST,
    rate_grown,
    throttled,
)

BUSY = FleetLimit(processes=(ProcessLoad("a", 0.0, starts=300.0), ProcessLoad("b", 0.0, starts=100.0)))
REFUSED = LoadReport("a", throttled=3, hold=1.0)


def test_a_refusal_sets_half_of_the_rate_at_which_it_came_and_a_pause() -> None:
    fleet = throttled(BUSY, REFUSED, 1000.0)
    assert (fleet.rate, fleet.hold_until) == (400 * RATE_ON_REFUSAL, 1001.0)


def test_refusals_of_the_same_moment_cut_it_once() -> None:
    fleet = throttled(throttled(BUSY, REFUSED, 1000.0), REFUSED, 1000.5)
    assert (fleet.rate, fleet.hold_until) == (200.0, 1001.5)
    assert throttled(fleet, REFUSED, 1000.0 + RATE_REST).rate == 100.0


def test_it_grows_by_five_per_cent_a_second_while_it_is_used() -> None:
    fleet = throttled(BUSY, REFUSED, 1000.0)
    for tenth in range(11, 111):
        fleet = rate_grown(fleet, 1000.0 + tenth / 10)
    assert fleet.rate == pytest.approx(200 * 1.05**10, rel=0.1)


def test_unused_it_does_not_grow_and_goes_after_a_minute() -> None:
    idle = replace(throttled(BUSY, REFUSED, 1000.0), processes=())
    assert rate_grown(idle, 1030.0).rate == 200.0
    assert rate_grown(idle, 1000.0 + RATE_QUIET_SECONDS).rate is None


def test_it_never_becomes_nothing() -> None:
    assert throttled(FleetLimit(), REFUSED, 1000.0).rate == LEAST_RATE
