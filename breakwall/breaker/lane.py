"""What a call reads and counts while its circuit is closed: no lock, no store."""

from __future__ import annotations

import itertools
import threading


class Lane:
    """One closed generation, as one process knows it.

    Calls in it add up here, so that a call that ends after the circuit has moved on counts for the
    generation it began in, and for no other.

    Attributes:
        generation: of the circuit.
        fresh_until: until when, on the breaker's clock, calls may go without a look at the store.
        succeed: counts one success. A bound ``__next__`` is the cheapest step of a counter that loses none
            between threads.
    """

    __slots__ = ("_lock", "_looks", "_reported", "fresh_until", "generation", "succeed")

    def __init__(self, generation: int) -> None:
        self.generation = generation
        self.fresh_until = 0.0
        self.succeed = itertools.count().__next__
        self._lock = threading.Lock()
        self._looks = 0
        self._reported = 0

    def successes(self) -> int:
        """All of them, so far."""
        # Reading the counter moves it on, so the readings are counted too.
        with self._lock:
            total = self.succeed() - self._looks
            self._looks += 1
            return total

    def unreported(self) -> int:
        """Successes since the last time this was asked. For one thread at a time."""
        total = self.successes()
        new = total - self._reported
        self._reported = total
        return new
