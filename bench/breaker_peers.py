"""The breaker beside its peers from PyPI: a closed call in one thread, and ten threads with slow calls.

    pip install -e '.[bench]' && python bench/breaker_peers.py

Every breaker keeps its state in this process's memory, has its own default configuration and stays
closed. All contestants take turns in each round of one run. Prints the best round of each, and its ratio
to ``circuitbreaker``'s.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable

import circuitbreaker
import interlock
import purgatory
import pybreaker
from breaker_call import measure, work

from breakwall.breaker import CircuitBreaker

YARDSTICK = "circuitbreaker"
THREADS = 10
SLOW_CALL = 0.1
SLOW_ROUNDS = 10

Through = Callable[[Callable[[], object]], object]


def contestants() -> dict[str, Through]:
    """What calls a function through each breaker: its ``call``, or its ``with`` where it has no ``call``."""
    through_purgatory = purgatory.SyncCircuitBreakerFactory().get_breaker("bench")

    def purgatory_call(func: Callable[[], object]) -> object:
        with through_purgatory:
            return func()

    return {
        "no breaker": lambda func: func(),
        "breakwall": CircuitBreaker("bench").call,
        YARDSTICK: circuitbreaker.CircuitBreaker(name="bench").call,
        "purgatory": purgatory_call,
        "pybreaker": pybreaker.CircuitBreaker(name="bench").call,
        "interlock-cb": interlock.CircuitBreaker(name="bench").call,
    }


def closed_calls(breakers: dict[str, Through]) -> dict[str, float]:
    """Seconds for one call of a function that does nothing, one thread."""
    return measure({name: lambda through=through: through(work) for name, through in breakers.items()})


def slow_calls(breakers: dict[str, Through]) -> dict[str, float]:
    """Seconds until `THREADS` threads that begin together have each made one call of `SLOW_CALL` seconds."""
    best = dict.fromkeys(breakers, float("inf"))
    for _ in range(SLOW_ROUNDS):
        for name, through in breakers.items():
            best[name] = min(best[name], together(lambda through=through: through(_wait)))
    return best


def _wait() -> None:
    time.sleep(SLOW_CALL)


def together(call: Callable[[], object]) -> float:
    """Seconds until `THREADS` threads that begin together have each made one ``call``."""
    begin = threading.Barrier(THREADS + 1)

    def one() -> None:
        begin.wait()
        call()

    threads = [threading.Thread(target=one) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    begin.wait()
    began = time.perf_counter()
    for thread in threads:
        thread.join()
    return time.perf_counter() - began


def show(title: str, best: dict[str, float], unit: str, scale: float) -> None:
    print(f"{title}\n")
    for name, seconds in best.items():
        print(f"  {name:16}{seconds * scale:9.3f} {unit}{seconds / best[YARDSTICK]:9.2f} ×")
    print()


def main() -> int:
    breakers = contestants()
    show("One closed call, one thread", closed_calls(breakers), "µs", 1e6)
    show(f"{THREADS} threads, a call of {SLOW_CALL} s each", slow_calls(breakers), "s ", 1)
    return 0


if __name__ == "__main__":
    sys.exit(main())
