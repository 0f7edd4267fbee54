"""How faults are asked for, what is refused, and which requests meet them."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from breakwall.simulator.faults import FaultError, Faults, Limiter, Samples, Throttle, samples_for


def test_a_change_leaves_the_other_faults_alone() -> None:
    assert Faults(down=True).changed({"error_rate": 0.5}) == Faults(down=True, error_rate=0.5)


def test_faults_survive_json() -> None:
    faults = Faults(latency=(0.1, 0.5), throttle=Throttle(50.0, 2.0), charge_then_fail=1.0)
    assert Faults().changed(json.loads(json.dumps(faults.as_json()))) == faults


@pytest.mark.parametrize(
    ("change", "field", "right"),
    [
        ({"latncy": 1}, "latncy", "did you mean latency"),
        ({"zzz": 1}, "zzz", "there are latency"),
        ({"latency": -1}, "latency", "0 to 3600"),
        ({"latency": "1"}, "latency", "number"),
        ({"latency": [1]}, "latency", "[shortest, longest]"),
        ({"latency": [2, 1]}, "latency", "the shortest first"),
        ({"latency": [0, "x"]}, "latency", "number"),
        ({"error_rate": 1.01}, "error_rate", "0 to 1"),
        ({"error_rate": True}, "error_rate", "number"),
        ({"error_rate": float("nan")}, "error_rate", "0 to 1"),
        ({"error_rate": None}, "error_rate", "0 to 1"),
        ({"error_status": 404}, "error_status", "500 to 599"),
        ({"down": 1}, "down", "true or false"),
        ({"charge_then_fail_how": "explode"}, "charge_then_fail_how", '"reset", "error" or "hang"'),
        ({"charge_then_fail_how": []}, "charge_then_fail_how", '"reset", "error" or "hang"'),
        ({"throttle": {}}, "throttle", "rate_per_second"),
        ({"throttle": {"rate": 1}}, "throttle", "rate_per_second"),
        ({"throttle": {"rate_per_second": -1}}, "throttle.rate_per_second", "0 to"),
        ({"throttle": {"retry_after": "soon"}}, "throttle.retry_after", "number"),
        ([1], "", "JSON object"),
        (None, "", "JSON object"),
    ],
)
def test_a_bad_change_names_the_field_and_what_would_be_right(change: object, field: str, right: str) -> None:
    with pytest.raises(FaultError) as refused:
        Faults().changed(change)
    assert refused.value.field == field
    assert right in str(refused.value)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
)


@given(
    st.dictionaries(
        st.sampled_from(sorted(Faults().as_json())) | st.text(max_size=8), json_values, max_size=3
    )
)
def test_any_change_is_accepted_or_refused(change: dict[str, object]) -> None:
    try:
        faults = Faults().changed(change)
    except FaultError:
        return
    assert Faults().changed(faults.as_json()) == faults


class TestSamples:
    def test_are_the_same_for_the_same_request(self) -> None:
        assert samples_for(7, "k", 0) == samples_for(7, "k", 0)

    def test_differ_by_seed_key_and_number(self) -> None:
        assert (
            len({samples_for(*request) for request in [(7, "k", 0), (8, "k", 0), (7, "l", 0), (7, "k", 1)]})
            == 4
        )

    def test_are_spread_over_the_whole_range(self) -> None:
        declined = sum(samples_for(1, f"k{n}", 0).decline < 0.3 for n in range(2000))
        assert 500 < declined < 700

    def test_have_a_number_of_its_own_for_each_fault(self) -> None:
        one = samples_for(1, "k", 0)
        assert len({getattr(one, name) for name in Samples.__slots__}) == len(Samples.__slots__)

    def test_put_the_latency_between_shortest_and_longest(self) -> None:
        seconds = [samples_for(1, f"k{n}", 0).seconds(Faults(latency=(0.1, 0.5))) for n in range(200)]
        assert 0.1 <= min(seconds) < 0.15
        assert 0.45 < max(seconds) <= 0.5

    def test_leave_a_plain_latency_as_it_is(self) -> None:
        assert samples_for(1, "k", 0).seconds(Faults(latency=0.2)) == 0.2


@pytest.mark.parametrize(
    ("throttle", "times", "least", "most"),
    [
        (Throttle(retry_after=1), [0.0, 10.0], 0, 0),
        (Throttle(10), [0.0] * 50, 10, 10),
        (Throttle(10), [n / 100 for n in range(2000)], 200, 210),
        (Throttle(0.5), [0.0, 1.0, 2.0, 3.0, 4.0], 3, 3),
    ],
    ids=["no rate", "a burst", "twenty seconds", "a rate below one"],
)
def test_the_limiter_admits_the_rate_and_a_burst_of_one_second(
    throttle: Throttle, times: list[float], least: int, most: int
) -> None:
    limiter = Limiter()
    assert least <= sum(limiter.admits(throttle, now) for now in times) <= most


def test_a_new_rate_counts_at_once() -> None:
    limiter = Limiter()
    for _ in range(5):
        limiter.admits(Throttle(1), 0.0)
    assert sum(limiter.admits(Throttle(100), 0.0) for _ in range(500)) == 100
