from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from breakwall.breaker.circuit.fleet_limit import FleetLimit, ProcessLoad
from breakwall.breaker.circuit.shares import ProcessShare, allowance, background_places, shares

demands = st.dictionaries(
    st.text("abcdefgh", min_size=1, max_size=2), st.sampled_from([1.0, 2.0, 7.0, math.inf]), min_size=1
)


@given(st.integers(0, 1000), demands)
def test_the_shares_sum_up_to_the_limit_at_most(total: int, wanted: dict[str, float]) -> None:
    given_ = shares(total, wanted)
    assert 0 <= sum(given_.values()) <= total
    assert min(given_.values()) >= 0


@given(st.integers(0, 1000), demands)
def test_a_process_that_wants_more_gets_no_less(total: int, wanted: dict[str, float]) -> None:
    given_ = shares(total, wanted)
    for one in wanted:
        for other in wanted:
            if wanted[one] > wanted[other]:
                assert given_[one] >= given_[other] - 1


def test_who_wants_little_leaves_the_rest_to_the_others() -> None:
    assert shares(12, {"a": 2.0, "b": math.inf, "c": math.inf}) == {"a": 2, "b": 5, "c": 5}


def test_sixteen_processes_do_not_get_more_than_twelve_places() -> None:
    wanted = {f"p{number:02}": math.inf for number in range(16)}
    assert sum(shares(12, wanted).values()) == 12


def fleet(size: float | None, *processes: ProcessLoad, rate: float | None = None) -> FleetLimit:
    return FleetLimit(size=size, processes=processes, rate=rate)


WORKER = ProcessLoad("w", 0.0, in_hand=6, background=6.0, wants=True)
SHOP = ProcessLoad("s", 0.0, in_hand=1, live=1.0)


def test_without_a_limit_any_number_is_allowed() -> None:
    assert allowance(fleet(None, WORKER, SHOP), "w") == ProcessShare()


def test_the_background_leaves_places_for_live_calls() -> None:
    assert background_places(fleet(12.0, WORKER)) == 12
    assert background_places(fleet(12.0, WORKER, SHOP)) == 12 - 3
    assert allowance(fleet(12.0, WORKER, SHOP), "w").background == 9


def test_the_background_keeps_one_place() -> None:
    busy = ProcessLoad("s", 0.0, live=100.0)
    assert allowance(fleet(12.0, WORKER, busy), "w").background == 1


def test_live_calls_may_use_one_place_more_than_the_limit() -> None:
    idle = ProcessLoad("w", 0.0, in_hand=2, background=2.0)
    assert allowance(fleet(12.0, idle, SHOP), "s").live == 12 + 1 - 2
    assert allowance(fleet(12.0, idle, SHOP), "another shop").live == 12 + 1 - 2 - 1
    # A worker that wants more is about to use all that the background may.
    assert allowance(fleet(12.0, WORKER, SHOP), "s").live == 12 + 1 - 9


def test_live_calls_are_never_all_refused() -> None:
    assert allowance(fleet(1.0, WORKER, SHOP), "s").live == 1


def test_a_process_that_has_not_reported_has_no_share_yet() -> None:
    assert allowance(fleet(12.0, WORKER), "new").background == 0
