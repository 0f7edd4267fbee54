"""A member that keeps losing races for the store."""

from __future__ import annotations

import pytest
from breaker_doubles import Clock, FaultyStore

from breakwall.breaker import CircuitBreakerConfig
from breakwall.breaker.changes import Outcomes
from breakwall.breaker.circuit import Circuit
from breakwall.breaker.evidence import Report
from breakwall.breaker.exchange import RACES_AT_ONCE, Answer, ContentionError, Exchange, Exchanged
from breakwall.breaker.stores import Record

CONFIG = CircuitBreakerConfig()


class CrowdedStore(FaultyStore):
    """Somebody else always writes between a look at it, if there was none right before, and a swap."""

    remote = True

    def __init__(self, clock: Clock, *, fresh_looks_win: bool) -> None:
        super().__init__(clock)
        self._fresh_looks_win = fresh_looks_win
        self._looked = False

    def load(self, name: str) -> Record:
        self._looked = True
        return super().load(name)

    def swap(self, name: str, seen: str, version: str, text: str) -> tuple[bool, Record]:
        if not (self._looked and self._fresh_looks_win):
            seen = "somebody else's"
        self._looked = False
        return super().swap(name, seen, version, text)


def exchange(store: FaultyStore, clock: Clock) -> Exchanged:
    known = Answer(Record("v0", None, store.load("payment").now), clock())
    store.loads = 0
    store._looked = False  # type: ignore[attr-defined]  # every store of this file has it
    means = Exchange(store, "payment", CONFIG, clock, 0.0, lambda stored, _: stored or Circuit())
    return means.run([Outcomes(Report(0, "a", failures=1))], known)


def test_after_a_pause_it_looks_anew_before_it_swaps(clock: Clock) -> None:
    store = CrowdedStore(clock, fresh_looks_win=True)
    circuit = exchange(store, clock).circuit
    assert circuit.evidence.buckets[0].failures == 1
    assert (store.swaps, store.loads) == (RACES_AT_ONCE + 2, 1)


def test_it_gives_up_in_the_end(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("breakwall.breaker.exchange.LONGEST_PAUSE", 0.0)
    with pytest.raises(ContentionError):
        exchange(CrowdedStore(clock, fresh_looks_win=False), clock)
