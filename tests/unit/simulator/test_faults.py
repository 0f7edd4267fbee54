"""How faults are asked for, and what is refused."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from breakwall.simulator.faults import FaultError, Faults, Throttle


def test_a_change_leaves_the_other_faults_alone() -> None:
    assert Faults(down=True).changed({"error_rate": 0.5}) == Faults(down=True, error_rate=0.5)


def test_faults_survive_the_way_over_json() -> None:
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
def test_whatever_is_asked_for_is_understood_or_refused(change: dict[str, object]) -> None:
    try:
        faults = Faults().changed(change)
    except FaultError:
        return
    assert Faults().changed(faults.as_json()) == faults
