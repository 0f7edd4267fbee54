"""24 processes that start together while the circuit is open: how many of their calls reach the dead service.

    python bench/breaker_cold_start.py [--first-contact 1.0] [sqlite postgresql redis]

Real processes; each makes its first five calls at one instant, with the default configuration otherwise.
PostgreSQL and Valkey are private servers that are started for the run. ``--first-contact 0.001`` shows what it is
for: the first call then waits for the store timeout only, as any other.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import time
from contextlib import closing
from typing import Any

from breaker_stores import KINDS, shared_store

from breakwall.breaker import CircuitBreaker, CircuitBreakerConfig, store_from_url

PROCESSES = 24
CALLS = 5
TIMEOUT = 60.0

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["breaker_cold_start", "sqlalchemy.dialects.postgresql", "psycopg", "redis"])


def open_breaker(url: str, first_contact: float) -> CircuitBreaker:
    config = CircuitBreakerConfig(recovery_timeout=60.0, first_contact=first_contact)
    return CircuitBreaker("payment", config, store_from_url(url))


def start_and_call(url: str, first_contact: float, ready: Any, go: Any, answered: Any) -> None:
    """One process: how many of its calls were sent, and how long its first one took."""
    breaker = open_breaker(url, first_contact)
    sent: list[None] = []
    ready.release()
    go.wait()
    began = time.monotonic()
    breaker.call(sent.append, None, fallback="refused")
    first = time.monotonic() - began
    for _ in range(CALLS - 1):
        breaker.call(sent.append, None, fallback="refused")
    answered.put((len(sent), first))
    breaker.close()


def cold_start(url: str, first_contact: float) -> list[tuple[int, float]]:
    with closing(open_breaker(url, first_contact=TIMEOUT)) as breaker:
        breaker.acquire().record_failure(retry_after=60.0)
    ready, go, answered = FORKS.Semaphore(0), FORKS.Event(), FORKS.Queue()
    arguments = (url, first_contact, ready, go, answered)
    started = [FORKS.Process(target=start_and_call, args=arguments, daemon=True) for _ in range(PROCESSES)]
    for process in started:
        process.start()
    for _ in started:
        ready.acquire(timeout=TIMEOUT)
    go.set()
    answers = [answered.get(timeout=TIMEOUT) for _ in started]
    for process in started:
        process.join(TIMEOUT)
    return answers


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("kinds", nargs="*", default=list(KINDS), metavar="KIND")
    parser.add_argument("--first-contact", type=float, default=CircuitBreakerConfig().first_contact)
    options = parser.parse_args()
    print(f"{PROCESSES} processes on {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f} before")
    for kind in options.kinds:
        with shared_store(kind) as url:
            answers = cold_start(url, options.first_contact)
        sent = sum(count for count, _ in answers)
        slowest = max(first for _, first in answers)
        print(f"{kind:12}{sent:4} of {PROCESSES * CALLS} calls sent, the slowest first call {slowest:.2f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
