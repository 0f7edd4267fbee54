"""The stored form of a circuit. That everything survives it, `test_breaker_model` shows too."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from breakwall.breaker import CircuitState, Override, OverrideMode
from breakwall.breaker.circuit import Circuit, Lease
from breakwall.breaker.evidence import Bucket, Evidence, Witness
from breakwall.breaker.wire import NewerFormatError, decode, encode

times = st.integers(0, 4_000_000_000_000).map(lambda milliseconds: milliseconds / 1000)
counts = st.integers(0, 10**9)
texts = st.text(max_size=20)
witnesses = st.lists(st.builds(Witness, texts, times), max_size=2).map(tuple)
circuits = st.builds(
    Circuit,
    state=st.sampled_from(CircuitState),
    generation=counts,
    evidence=st.builds(
        Evidence,
        buckets=st.lists(st.builds(Bucket, counts, counts, counts, counts), max_size=20).map(tuple),
        succeeding=witnesses,
        failing=witnesses,
        suspected_at=st.none() | times,
    ),
    opened_at=st.none() | times,
    open_until=st.none() | times,
    reopenings=counts,
    leases=st.lists(st.builds(Lease, texts, times), max_size=5).map(tuple),
    probes_succeeded=counts,
    opened_by=counts,
    open_count=counts,
    last_failure_at=st.none() | times,
    override=st.none()
    | st.builds(Override, st.sampled_from(OverrideMode), texts, texts, times, st.none() | times),
)


@given(circuits)
def test_every_circuit_survives_being_stored(circuit: Circuit) -> None:
    assert decode(encode(circuit)) == circuit


def test_a_circuit_that_never_failed_takes_a_few_bytes() -> None:
    assert encode(Circuit()) == '{"v":1,"s":"closed"}'


@pytest.mark.parametrize(
    "text", ["", "null", "[]", "{", '{"s":"closed"}', '{"v":1,"s":"ajar"}', '{"v":1,"s":"open","l":7}', "3"]
)
def test_what_is_no_circuit_reads_as_nothing(text: str) -> None:
    assert decode(text) is None


def test_what_a_later_release_wrote_is_not_taken_for_garbage() -> None:
    with pytest.raises(NewerFormatError):
        decode('{"v":2,"s":"closed"}')
