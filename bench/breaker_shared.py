"""What a shared store adds to a closed call, and how many of its operations a second of calls takes.

    python bench/breaker_shared.py redis://127.0.0.1:6379/0 postgresql+psycopg://user@host/db

A fresh SQLite file is always among them. Prints microseconds a call (the median of rounds, refreshes
included), the ratio to the memory store, and the store's operations in each second of steady calls.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from breakwall.breaker import CircuitBreaker, CircuitBreakerConfig, Store, store_from_url

ROUND_SECONDS = 1.0
ROUNDS = 5
BATCH = 1000


class Counting:
    """A store that counts what it is asked."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.remote = store.remote
        self.operations = 0

    def load(self, name: str) -> Any:
        self.operations += 1
        return self._store.load(name)

    def swap(self, *args: str) -> Any:
        self.operations += 1
        return self._store.swap(*args)

    def close(self) -> None:
        self._store.close()

    def forget_connections(self) -> None:
        self._store.forget_connections()


def work() -> int:
    return 1


def second_of_calls(breaker: CircuitBreaker) -> float:
    """Seconds a call over one second of nothing but calls."""
    calls, began = 0, time.perf_counter()
    while time.perf_counter() - began < ROUND_SECONDS:
        for _ in range(BATCH):
            breaker.call(work)
        calls += BATCH
    return (time.perf_counter() - began) / calls


def ten_threads(breaker: CircuitBreaker) -> float:
    """Seconds for ten calls of 0.1 s in ten threads."""
    threads = [threading.Thread(target=breaker.call, args=(time.sleep, 0.1)) for _ in range(10)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return time.perf_counter() - began


def main(urls: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        everything = ["memory://", f"sqlite:///{Path(folder) / 'circuits.db'}", *urls]
        stores = {url.partition(":")[0]: Counting(store_from_url(url)) for url in everything}
        breakers = {kind: CircuitBreaker("bench", CircuitBreakerConfig(), s) for kind, s in stores.items()}
        times: dict[str, list[float]] = {kind: [] for kind in stores}
        for breaker in breakers.values():
            breaker.call(work)
        for store in stores.values():
            store.operations = 0
        for _ in range(ROUNDS):
            for kind, breaker in breakers.items():
                times[kind].append(second_of_calls(breaker))
        memory = statistics.median(times["memory"])
        for kind, breaker in breakers.items():
            call, operations = (
                statistics.median(times[kind]),
                stores[kind].operations / ROUNDS / ROUND_SECONDS,
            )
            print(
                f"{kind:20} {call * 1e6:7.3f} µs a call  {call / memory:5.2f} × memory  "
                f"{operations:5.1f} operations/s  10 threads × 0.1 s: {ten_threads(breaker):.3f} s"
            )
            breaker.close()


if __name__ == "__main__":
    main(sys.argv[1:])
