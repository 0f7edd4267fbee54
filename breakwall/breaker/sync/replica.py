"""What each replica, which is one breaker's copy of a circuit, is made with, and how a caller waits for it."""

from collections.abc import Callable, Generator
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TypeVar

from breakwall.breaker.circuit.fleet_limit import LoadReport
from breakwall.breaker.circuit.state import Circuit
from breakwall.breaker.config import CircuitBreakerConfig
from breakwall.breaker.sync.fast_path import FastPath

T = TypeVar("T")

# Done when the store has answered or has failed. The work has begun, so a caller may wait for it but need not. None:
# there is nothing to wait for.
SyncFuture = Future[None] | None
# Code that waits for several futures, one after the other. It only yields them, because a thread and an event loop wait
# in different ways: a replica's `run` and `run_async` do the waiting.
Steps = Generator[Future[None], None, T]


def no_report(circuit: Circuit) -> LoadReport | None:
    """For a breaker that counts no calls in hand."""
    return None


@dataclass(frozen=True, slots=True)
class Setup:
    """What a replica gets from its breaker. ``on_change`` and ``on_store`` are called outside of every lock."""

    name: str
    config: CircuitBreakerConfig
    clock: Callable[[], float]  # Monotonic seconds.
    jitter: Callable[[], float]  # 0 up to 1, at random.
    # Gets the fast path for the next calls, or None if each call must ask. The replica's lock is held.
    on_fast_path: Callable[[FastPath | None], None]
    # Gets the circuit before and after a transition, or a change of its override or of `is_limited`; and the store's
    # time.
    on_change: Callable[[Circuit, Circuit, float], None]
    # Gets None if the store answers again, else the name of the error with which it was lost.
    on_store: Callable[[str | None], None]
    # Returns what the other processes should know of the calls in hand. The replica's lock is held.
    report: Callable[[Circuit], LoadReport | None] = no_report
