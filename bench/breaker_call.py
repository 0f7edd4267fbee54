"""A closed call on the memory store against PyPI's ``circuitbreaker``, in interleaved rounds of one run.

Prints microseconds a call and the ratio of the best rounds. ``--limit 1.2`` makes a larger ratio exit 1.
"""

from __future__ import annotations

import argparse
import sys
import timeit
from collections.abc import Callable

import circuitbreaker

from breakwall.breaker import CircuitBreaker

# Many short rounds: on a machine that is busy with something else some of them still run undisturbed.
CALLS = 5_000
ROUNDS = 150


def work() -> int:
    return 1


def contestants() -> dict[str, Callable[[], object]]:
    ours = CircuitBreaker("bench")
    theirs = circuitbreaker.CircuitBreaker(name="bench")
    decorated = circuitbreaker.CircuitBreaker(name="bench decorated").decorate(work)
    return {
        "a bare call": work,
        "breakwall call": lambda: ours.call(work),
        "circuitbreaker call": lambda: theirs.call(work),
        "circuitbreaker decorated": decorated,
    }


def measure(
    runs: dict[str, Callable[[], object]], rounds: int = ROUNDS, calls: int = CALLS
) -> dict[str, float]:
    """Seconds a call, the best of ``rounds`` for each; the rounds of all contestants alternate, so that a
    busy machine hurts them alike."""
    best = dict.fromkeys(runs, float("inf"))
    for _ in range(rounds):
        for name, run in runs.items():
            best[name] = min(best[name], timeit.timeit(run, number=calls) / calls)
    return best


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--limit", type=float, help="the largest ratio to circuitbreaker's call that passes")
    limit = parser.parse_args().limit
    best = measure(contestants())
    for name, seconds in best.items():
        print(f"{name:26}{seconds * 1e6:8.3f} µs")
    ours = best["breakwall call"]
    ratio = ours / best["circuitbreaker call"]
    print(f"ratio to circuitbreaker's call:      {ratio:.2f}")
    print(f"ratio to circuitbreaker's decorator: {ours / best['circuitbreaker decorated']:.2f}")
    return int(limit is not None and ratio > limit)


if __name__ == "__main__":
    sys.exit(main())
