"""The invariant of the highest rate: all workers together begin with no more orders than it allows, and a burst."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from breakwall.worker.control.rate import SLACK
from tests.simulation.trace import Violation
from tests.simulation.world import Part, World

if TYPE_CHECKING:
    from tests.simulation.engine import Process
    from tests.simulation.pauses import WatchedReader

# Whose word it is, the rate, and the workers that are alive.
Agreement = tuple[float, tuple[str, ...]]


class RateObserver(Part):
    """Counts the turns that workers take while all of them know the same rate, and know of each other."""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._readers: dict[Process, WatchedReader] = {}
        self._agreed: Agreement | None = None
        self._turns: deque[float] = deque()

    def began(self, worker: Process, reader: WatchedReader) -> None:
        """A worker has started."""
        self._readers[worker] = reader

    def taken(self, reader: WatchedReader, number: int) -> int:
        """A worker takes so many turns now, under the rate that it knows."""
        agreed = self._agreement()
        if agreed is None or agreed != self._agreed:
            self._agreed = agreed
            self._turns.clear()
        if agreed is not None and number:
            self._faults.seen["order begun under a rate"] += number
            self._turns.extend([self._engine.now] * number)
            self._check(*agreed)
        return number

    def _agreement(self) -> Agreement | None:
        """What all live workers agree on. None while one of them has not read it yet."""
        alive = {worker: reader for worker, reader in self._readers.items() if worker.alive}
        self._readers = alive
        rates = {reader.rate for reader in alive.values()}
        rate = rates.pop() if len(rates) == 1 else None
        if rate is None or any(reader.workers < len(alive) for reader in alive.values()):
            return None
        return rate, tuple(sorted(worker.name for worker in alive))

    def _check(self, rate: float, workers: tuple[str, ...]) -> None:
        now = self._engine.now
        # Each worker may take the turn that it has waited for, and those of a moment in which it was late.
        burst = len(workers) + rate * SLACK + 1e-6
        for number, began in enumerate(reversed(self._turns), start=1):
            if number > rate * (now - began) + burst + 1:
                raise Violation(f"{number} orders in {now - began:.3f} s, at a rate of {rate} a second")
