"""Circuits in this process's memory, shared by its threads and by all breakers of one `MemoryStore`."""

from collections.abc import Callable

from breakwall.breaker.sync.local import LocalCircuit, steady_time


class MemoryStore:
    """Keeps the circuits of one process. Nothing is loaded or swapped: operations are applied in place.

    Args:
        clock: the store's time, seconds; by default the time of day, without later corrections of it.
    """

    def __init__(self, clock: Callable[[], float] | None = None) -> None:
        self._clock = clock or steady_time()
        self._circuits: dict[str, LocalCircuit] = {}

    def circuit(self, name: str) -> LocalCircuit:
        """The circuit called ``name``, made on first request."""
        # One atomic step, so it needs no lock that a forked child could inherit locked.
        return self._circuits.setdefault(name, LocalCircuit(self._clock))

    def close(self) -> None:
        """Does nothing: what is stored stays."""
