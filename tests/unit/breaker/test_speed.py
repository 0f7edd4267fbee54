from __future__ import annotations

import timeit

import circuitbreaker

from breakwall.breaker import CircuitBreaker


def test_a_closed_call_costs_at_most_twice_circuitbreakers() -> None:
    ours, theirs = CircuitBreaker("speed"), circuitbreaker.CircuitBreaker(name="speed")
    best = {"ours": float("inf"), "theirs": float("inf")}
    for _ in range(15):
        best["ours"] = min(best["ours"], timeit.timeit(lambda: ours.call(int), number=5000))
        best["theirs"] = min(best["theirs"], timeit.timeit(lambda: theirs.call(int), number=5000))
    assert best["ours"] <= 2 * best["theirs"]
