"""The stored form of a circuit. That everything survives it, `test_model` shows too."""

from __future__ import annotations

import contextlib
import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from breakwall.breaker import CircuitState, Override, OverrideMode
from breakwall.breaker.circuit.codec import (
    FIELDS,
    LIMIT_FIELDS,
    OVERRIDE_FIELDS,
    RESET_FIELDS,
    NewerFormatError,
    decode,
    encode,
)
from breakwall.breaker.circuit.fleet_limit import FleetLimit, ProcessLoad
from breakwall.breaker.circuit.state import Circuit, LastReset, Lease
from breakwall.breaker.circuit.window import Bucket, Reporter, Window

times = st.integers(0, 4_000_000_000_000).map(lambda milliseconds: milliseconds / 1000)
counts = st.integers(0, 10**9)
texts = st.text(max_size=20)
json_values = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["open", "closed"])
)
keys = st.sampled_from(
    ["v", "s", "g", "b", "bs", "ws", "wf", "sa", "oa", "ou", "l", "p", "o", "m", "r", "a", "t", "w"]
)
reporters = st.lists(st.builds(Reporter, texts, times), max_size=2).map(tuple)
circuits = st.builds(
    Circuit,
    state=st.sampled_from(CircuitState),
    generation=counts,
    window=st.builds(
        Window,
        buckets=st.lists(st.builds(Bucket, counts, counts, counts, counts), max_size=20).map(tuple),
        recent=st.lists(st.builds(Bucket, counts, counts, counts, counts), max_size=3).map(tuple),
        succeeding=reporters,
        failing=reporters,
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
    began_at=st.none() | times,
    last_reset=st.none() | st.builds(LastReset, counts, times, st.none() | texts, st.none() | texts),
)
# What a release after this one may have added, in a row and in an override.
later_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


FULL_LIMIT = FleetLimit(
    generation=1,
    size=12.5,
    epoch=2,
    proven=True,
    ceiling=16.0,
    base=0.02,
    score=3.2,
    tolerated=0.1,
    cut_for=0.2,
    slow_for=0.04,
    round_at=1.0,
    rest_until=2.0,
    gathers_until=2.1,
    busy_at=3.0,
    answered=4,
    failed=5,
    medians=6,
    latency=0.03,
    pace=400.0,
    rate=200.0,
    rate_ceiling=210.0,
    refused_at=7.0,
    rate_at=8.0,
    hold_until=9.0,
    processes=(
        ProcessLoad("a", 1.0, 3, 2.5, 0.75, wants=True, starts=40.0, capped=True, refuses=True, waits=True),
    ),
)


# No bound on real time.
on_a_busy_machine = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


def later_fields(known: frozenset[str]) -> st.SearchStrategy[dict[str, Any]]:
    return st.dictionaries(st.text().filter(lambda name: name not in known), later_values, max_size=4)


@on_a_busy_machine
@given(circuits)
def test_every_circuit_survives_being_stored(circuit: Circuit) -> None:
    assert decode(encode(circuit)) == circuit


@on_a_busy_machine
@given(circuits, later_fields(FIELDS), later_fields(OVERRIDE_FIELDS), later_fields(RESET_FIELDS))
def test_what_a_later_release_has_added_survives_being_read_and_written(
    circuit: Circuit,
    fields: dict[str, Any],
    override_fields: dict[str, Any],
    reset_fields: dict[str, Any],
) -> None:
    row = json.loads(encode(circuit)) | fields
    if circuit.override is not None:
        row["o"] |= override_fields
    if circuit.last_reset is not None:
        row["rs"] |= reset_fields
    read = decode(json.dumps(row))
    assert read is not None
    assert json.loads(encode(read)) == row
    assert read.generation == circuit.generation


def test_the_names_that_are_not_unknown_are_all_that_are_written() -> None:
    full = Circuit(
        state=CircuitState.OPEN,
        **dict.fromkeys(("generation", "reopenings", "probes_succeeded", "opened_by", "open_count"), 1),
        **dict.fromkeys(("began_at", "opened_at", "open_until", "last_failure_at", "written_at"), 1.0),
        window=Window((Bucket(1),), (Reporter("a", 1),), (Reporter("a", 1),), 1.0, (Bucket(1),)),
        leases=(Lease("a", 1),),
        override=Override(OverrideMode.OBSERVING, "why", "kim", 1.0, 2.0),
        override_serial=1,
        last_reset=LastReset(1, 1.0, "why", "kim"),
        limit=FULL_LIMIT,
    )
    row = json.loads(encode(full))
    assert (set(row), set(row["o"]), set(row["li"])) == (FIELDS, OVERRIDE_FIELDS, LIMIT_FIELDS)
    assert set(row["rs"]) == RESET_FIELDS


def test_a_limit_survives_being_stored_and_what_a_later_release_adds_to_it() -> None:
    circuit = Circuit(limit=FULL_LIMIT)
    assert decode(encode(circuit)) == circuit
    row = json.loads(encode(circuit))
    row["li"]["later"] = [1]
    read = decode(json.dumps(row))
    assert read is not None
    assert json.loads(encode(read)) == row


@pytest.mark.parametrize("missing", [1, 2])
def test_a_process_that_an_earlier_release_reported_is_read(missing: int) -> None:
    row = json.loads(encode(Circuit(limit=FULL_LIMIT)))
    row["li"]["ps"][0] = row["li"]["ps"][0][:-missing]
    read = decode(json.dumps(row))
    assert read is not None
    assert read.limit is not None
    process = replace(FULL_LIMIT.processes[0], waits=False, refuses=missing < 2)
    assert read.limit.processes == (process,)


@pytest.mark.parametrize(
    "limit", ["7", '{"n":-1}', '{"n":1e999}', '{"n":true}', '{"ps":[[]]}', '{"ps":[["a",1,-1,0,0,0,0,0]]}']
)
def test_a_limit_that_no_release_writes_is_no_circuit(limit: str) -> None:
    assert decode('{"v":1,"s":"closed","li":' + limit + "}") is None


def test_what_the_first_release_wrote_is_read() -> None:
    """Without recent, numbers of overrides and times of writing and of generations, which came later."""
    read = decode('{"v":1,"s":"closed","g":2,"b":[[1000,3,1,0]],"ws":[["a",1000]],"n":1}')
    assert read == Circuit(
        generation=2,
        window=Window(buckets=(Bucket(1.0, 3, 1, 0),), succeeding=(Reporter("a", 1.0),)),
        open_count=1,
    )


def test_a_circuit_that_never_failed_takes_a_few_bytes() -> None:
    assert encode(Circuit()) == '{"v":1,"s":"closed"}'


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        "{",
        "3",
        "[" * 100_000,
        '{"s":"closed"}',
        '{"v":"2","s":"closed"}',
        '{"v":null,"s":"closed"}',
        '{"v":[],"s":"closed"}',
        '{"v":true,"s":"closed"}',
        '{"v":1,"s":7}',
        '{"v":1,"s":"open","l":7}',
        '{"v":1,"s":"open","l":[["p"]]}',
        '{"v":1,"s":"open","g":Infinity}',
        '{"v":1,"s":"open","g":1e999}',
        '{"v":1,"s":"open","g":-1}',
        '{"v":1,"s":"half_open","p":-5}',
        '{"v":1,"s":"open","ou":NaN}',
        '{"v":1,"s":"open","ou":1e300}',
        '{"v":1,"s":"open","ou":1' + 300 * "0" + "}",
        '{"v":1,"s":"closed","b":[[1,2,3,4,5]]}',
        '{"v":1,"s":"closed","o":{"m":"forced_open"}}',
    ],
)
def test_what_is_no_circuit_reads_as_nothing(text: str) -> None:
    assert decode(text) is None


@given(
    st.text()
    | st.recursive(json_values, lambda inner: st.lists(inner) | st.dictionaries(keys, inner)).map(json.dumps)
)
def test_no_text_at_all_raises_anything_else_than_that_it_is_newer(text: str) -> None:
    with contextlib.suppress(NewerFormatError):
        decode(text)


@pytest.mark.parametrize(
    "text",
    [
        '{"v":2,"s":"closed"}',
        '{"v":2}',
        '{"v":1,"s":"ajar"}',
        '{"v":1,"s":"open","o":{"m":"slowed","r":"why","a":"kim","t":1}}',
    ],
)
def test_what_a_later_release_wrote_is_not_taken_for_garbage(text: str) -> None:
    with pytest.raises(NewerFormatError):
        decode(text)
