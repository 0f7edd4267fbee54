"""What every replica, a breaker's copy of a circuit, is made with, and how a caller waits for it."""

from collections.abc import Callable, Generator
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TypeVar

from breakwall.breaker.circuit.state import Circuit
from breakwall.breaker.config import CircuitBreakerConfig
from breakwall.breaker.sync.fast_path import FastPath

T = TypeVar("T")

# What a caller may wait for: done when the store has answered, or is known not to. None: there is nothing to wait for.
# Whoever does not wait loses nothing; the work has begun.
Pending = Future[None] | None
# Code that waits for several of these, one after the other. A thread and an event loop wait in different ways, so the
# code only yields what is to be waited for; a replica's `run` and `run_async` wait.
Steps = Generator[Future[None], None, T]


@dataclass(frozen=True, slots=True)
class Setup:
    """One breaker's own.

    Attributes:
        clock: monotonic seconds.
        jitter: 0 up to 1, at random.
        on_fast_path: called, with the replica's lock held, with the fast path for calls from now on, or with None when
            each call has to ask.
        on_change: called, outside of every lock, with the circuit before and after a transition or a change of its
            override, and the store's time.
        on_store: called, outside of every lock, with None when the store answers again, else with the name of the error
            that it is lost with.
    """

    name: str
    config: CircuitBreakerConfig
    clock: Callable[[], float]
    jitter: Callable[[], float]
    on_fast_path: Callable[[FastPath | None], None]
    on_change: Callable[[Circuit, Circuit, float], None]
    on_store: Callable[[str | None], None]
