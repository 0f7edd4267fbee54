"""The loop of compare-and-swap rounds: a process that keeps losing, and one whose store is slow."""

from __future__ import annotations

import pytest

from breakwall.breaker.circuit.operations import RecordOutcomes
from breakwall.breaker.circuit.state import Circuit
from breakwall.breaker.circuit.window import CounterDelta
from breakwall.breaker.stores import StoredCircuit
from breakwall.breaker.sync.cas import ROUNDS_AT_ONCE, Received, Synchronization, Synchronized
from breakwall.breaker.sync.conflict import Snapshot
from tests.manual_clock import MonotonicClock
from tests.unit.breaker.doubles import EPOCH, FaultyStore, setup_of


class CrowdedStore(FaultyStore):
    """Another process writes before each swap; with ``fresh_loads_win``, only if no load came right before."""

    remote = True

    def __init__(self, clock: MonotonicClock, *, fresh_loads_win: bool) -> None:
        super().__init__(clock)
        self._fresh_loads_win = fresh_loads_win
        self._loaded = False

    def load(self, name: str) -> StoredCircuit:
        self._loaded = True
        return super().load(name)

    def swap(self, name: str, seen: str, version: str, text: str) -> tuple[bool, StoredCircuit]:
        if not (self._loaded and self._fresh_loads_win):
            seen = "another process's"
        self._loaded = False
        return super().swap(name, seen, version, text)


def synchronize(store: FaultyStore, clock: MonotonicClock, *, is_known: bool = True) -> Synchronized:
    """Brings one failure to the store."""
    known = Received(StoredCircuit("v0", None, store.load("payment").now), clock()) if is_known else None
    store.loads = 0
    store._loaded = False  # type: ignore[attr-defined]  # every store of this file has it
    failure = RecordOutcomes(CounterDelta(0, "a", failures=1))
    snapshot = Snapshot("a", (failure,), None, Circuit(), 0, False, 0.0, False, EPOCH)
    return Synchronization(store, setup_of(clock), longest=0.5).run(snapshot, known)


def test_after_a_pause_it_reads_anew_before_it_swaps(clock: MonotonicClock) -> None:
    store = CrowdedStore(clock, fresh_loads_win=True)
    result = synchronize(store, clock)
    assert result.arrived
    assert result.circuit.window.buckets[0].failures == 1
    assert (store.swaps, store.loads) == (ROUNDS_AT_ONCE + 2, 1)


def test_it_ends_at_last_and_returns_what_is_stored(
    clock: MonotonicClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("breakwall.breaker.sync.cas.LONGEST_PAUSE", 0.0)
    result = synchronize(CrowdedStore(clock, fresh_loads_win=False), clock)
    assert (result.arrived, result.circuit.window.buckets) == (False, ())


def test_it_sends_nothing_after_its_time(clock: MonotonicClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it would bring is old by then."""
    store = CrowdedStore(clock, fresh_loads_win=True)
    load = store.load

    def slow_load(name: str) -> StoredCircuit:
        clock.sleep(0.6)
        return load(name)

    monkeypatch.setattr(store, "load", slow_load)
    assert not synchronize(store, clock, is_known=False).arrived
    assert store.swaps == 0
