from __future__ import annotations

from dataclasses import replace

import pytest

from breakwall.breaker.circuit.fleet_limit import FleetLimit, LoadReport, ProcessLoad
from breakwall.breaker.circuit.fleet_rate import (
    CALL_GROWTH,
    DEEPEST_CUT,
    FAR,
    FIRST_RATE,
    GROWTH_REST,
    LEAST_CUT,
    LEAST_RATE,
    LOWER_CEILING,
    NEAR,
    OF_ACCEPTED,
    RATE_QUIET_SECONDS,
    RATE_REST,
    rate_grown,
    throttled,
    turn_among_takers,
)
from breakwall.breaker.token_bucket import Turn

REFUSED = LoadReport("a", throttled=3, hold=1.0, started_for=1.0, background_refused=True)


def fleet(accepted: float, **fields: float) -> FleetLimit:
    """Two processes, which together started so many calls in the last second that were not refused."""
    processes = (ProcessLoad("a", 0.0, starts=accepted * 3 / 4), ProcessLoad("b", 0.0, starts=accepted / 4))
    return replace(FleetLimit(processes=processes), **fields)


def grown(limit: FleetLimit, since: float, until: float, step: float = 0.2) -> FleetLimit:
    while since < until:
        since += step
        limit = rate_grown(limit, since)
    return limit


def test_the_first_rate_is_what_was_accepted_and_a_pause_comes_before_it() -> None:
    limit = throttled(fleet(400), REFUSED, 1000.0)
    assert (limit.rate, limit.hold_until) == (400 * OF_ACCEPTED, 1001.0)


def test_what_was_accepted_in_less_than_a_second_is_no_ceiling() -> None:
    assert throttled(fleet(400, size=12.0), replace(REFUSED, started_for=0.1), 1000.0).rate_ceiling is None
    assert throttled(fleet(400), REFUSED, 1000.0).rate_ceiling is None
    assert throttled(fleet(400, size=12.0), REFUSED, 1000.0).rate_ceiling == 400.0


def test_a_rate_that_was_just_too_high_is_cut_a_little_and_becomes_the_ceiling() -> None:
    limit = throttled(fleet(410, rate=420.0), REFUSED, 1000.0)
    assert (limit.rate, limit.rate_ceiling) == (420 * LEAST_CUT, 420.0)


def test_a_rate_far_above_what_is_accepted_is_cut_deep_but_never_below_half() -> None:
    limit = throttled(fleet(10, rate=400.0), REFUSED, 1000.0)
    assert (limit.rate, limit.rate_ceiling) == (400 * DEEPEST_CUT, 400 * LOWER_CEILING)


def test_few_calls_say_little_so_a_low_rate_is_not_cut_deep_for_them() -> None:
    assert throttled(fleet(3, rate=5.0), REFUSED, 1000.0).rate == 5 * LEAST_CUT


def test_refusals_of_the_same_moment_cut_it_once() -> None:
    limit = throttled(throttled(fleet(400), REFUSED, 1000.0), REFUSED, 1000.5)
    assert (limit.rate, limit.hold_until) == (360.0, 1001.5)
    assert throttled(limit, REFUSED, 1000.0 + RATE_REST).rate == 360 * LEAST_CUT


def test_without_a_ceiling_it_triples_in_a_second_however_often_it_is_computed() -> None:
    limit = fleet(400, rate=100.0, refused_at=900.0, rate_at=1000.0)
    assert grown(limit, 1000.0, 1001.0).rate == pytest.approx(300.0, rel=0.01)
    assert grown(limit, 1000.0, 1001.0, step=0.25).rate == pytest.approx(300.0, rel=0.01)


def test_it_comes_back_near_the_ceiling_quickly_and_grows_slowly_from_there() -> None:
    limit = fleet(400, rate=200.0, rate_ceiling=400.0, refused_at=900.0, rate_at=1000.0)
    limit = grown(limit, 1000.0, 1001.0)
    assert limit.rate == pytest.approx(400 * NEAR, abs=4)
    assert grown(limit, 1001.0, 1011.0).rate == pytest.approx(400 * (NEAR + 0.1), rel=0.02)


def test_well_above_the_ceiling_it_grows_quickly_again() -> None:
    limit = fleet(430, rate=400 * FAR, rate_ceiling=400.0, refused_at=900.0, rate_at=1000.0)
    limit = rate_grown(limit, 1000.2)
    assert limit.rate_ceiling is None


def test_during_a_pause_and_just_after_it_it_does_not_grow() -> None:
    limit = throttled(fleet(400), REFUSED, 1000.0)
    assert rate_grown(limit, 1001.0 + GROWTH_REST - 0.01).rate == limit.rate
    assert rate_grown(limit, 1001.0 + GROWTH_REST + 0.01).rate > limit.rate  # type: ignore[operator]


def test_unused_it_does_not_grow_and_goes_after_a_minute() -> None:
    idle = replace(throttled(fleet(400), REFUSED, 1000.0), processes=())
    assert rate_grown(idle, 1030.0).rate == 360.0
    forgotten = rate_grown(idle, 1000.0 + RATE_QUIET_SECONDS)
    assert (forgotten.rate, forgotten.rate_ceiling) == (None, None)


def test_it_never_becomes_nothing() -> None:
    assert throttled(FleetLimit(), REFUSED, 1000.0).rate == FIRST_RATE
    assert throttled(fleet(0, rate=LEAST_RATE), REFUSED, 1000.0).rate == LEAST_RATE


def test_a_second_without_an_accepted_call_says_little_of_a_low_rate() -> None:
    assert throttled(fleet(0, rate=1.0), REFUSED, 1000.0).rate == LEAST_CUT


def test_a_pause_that_just_ended_is_no_time_in_which_calls_could_be_accepted() -> None:
    resumed = fleet(100, rate=400.0, hold_until=999.5)
    assert throttled(resumed, REFUSED, 1000.0).rate == OF_ACCEPTED * 2 * (100 + 2 * 10)
    assert throttled(replace(resumed, hold_until=999.0), REFUSED, 1000.0).rate == 400 * DEEPEST_CUT


def test_a_low_rate_grows_no_quicker_than_its_calls_show_that_it_may() -> None:
    limit = fleet(1, rate=1.0, refused_at=900.0, rate_at=1000.0)
    assert grown(limit, 1000.0, 1001.0).rate == pytest.approx(CALL_GROWTH, rel=0.05)


@pytest.mark.parametrize("ceiling", [0.7, 1.37, 2.0601, 5.31, 19.7])
def test_a_low_rate_does_not_stand_still_below_its_ceiling(ceiling: float) -> None:
    limit = fleet(20, rate=ceiling * 0.8, rate_ceiling=ceiling, refused_at=900.0, rate_at=1000.0)
    assert grown(limit, 1000.0, 1007.0, step=0.1).rate > ceiling * 0.9  # type: ignore[operator]


def test_it_is_shared_by_those_that_use_it_or_wait_for_their_turn_under_it() -> None:
    idle, waiting = ProcessLoad("c", 0.0), ProcessLoad("aa", 0.0, waits=True)
    limit = fleet(400, rate=100.0)
    limit = replace(limit, processes=(*limit.processes, idle, waiting))
    assert [turn_among_takers(limit, id_) for id_ in ("a", "aa", "b")] == [Turn(0, 3), Turn(1, 3), Turn(2, 3)]
    assert turn_among_takers(limit, "c") == Turn(3, 4)


def test_refused_live_calls_alone_pause_the_background_and_give_it_no_rate() -> None:
    of_live_calls = replace(REFUSED, background_refused=False)
    limit = throttled(fleet(400), of_live_calls, 1000.0)
    assert (limit.rate, limit.hold_until) == (None, 1001.0)
    assert throttled(fleet(400, rate=420.0), of_live_calls, 1000.0).rate == 420 * LEAST_CUT
