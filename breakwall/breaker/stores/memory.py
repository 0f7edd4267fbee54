"""Circuits in this process's memory, shared by its threads and by all breakers of one `MemoryStore`."""

from collections.abc import Callable

from breakwall.breaker.sync.memory import MemoryCircuit, steady_time


class MemoryStore:
    """Keeps the circuits of one process. Operations are applied in place, without loading or swapping.

    Args:
        clock: the store's time, seconds; by default the time of day at the start, and from then on a steady clock.
    """

    def __init__(self, clock: Callable[[], float] | None = None) -> None:
        self._clock = clock or steady_time()
        self._circuits: dict[str, MemoryCircuit] = {}

    def circuit(self, name: str) -> MemoryCircuit:
        """The circuit called ``name``. The first call makes it."""
        # Atomic, so it needs no lock, which a forked child could inherit locked.
        return self._circuits.setdefault(name, MemoryCircuit(self._clock))

    def close(self) -> None:
        """Do nothing: the circuits stay."""
