"""The invariant of an operators' rate: all workers together start no more calls than it allows, whatever fails."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from breakwall.breaker.token_bucket import BURST_SECONDS
from tests.simulation.circuit import SharedCircuit
from tests.simulation.trace import Violation
from tests.simulation.world import Part, World

if TYPE_CHECKING:
    from tests.simulation.engine import Process


@dataclass(frozen=True)
class Cap:
    """What a worker has read."""

    rate: float | None
    processes: int  # How many share it, where the circuit cannot tell.


class RateObserver(Part):
    """Knows by how many calls the workers are above the rate that all of them know.

    It counts from the last moment at which they were not above it: of all windows of time, that one has the most calls
    above the rate.
    """

    def __init__(self, world: World, circuit: SharedCircuit) -> None:
        super().__init__(world)
        self._circuit = circuit
        self._caps: dict[Process, Cap] = {}
        self._rate: float | None = None  # None while there is none, or not all workers know the same.
        self._above = 0.0
        self._at = 0.0
        self._sharing: set[Process] = set()  # The workers since that moment: each may have saved up a call.

    def capped(self, worker: Process, rate: float | None, processes: int) -> None:
        """A worker has read the rate, and how many workers there are."""
        self._advance()
        self._caps[worker] = Cap(rate, processes)
        self._agree()

    def permit_given(self, worker: Process, known: float | None) -> None:
        """A worker, which knows this rate, starts a call of the background."""
        self._advance()
        # The circuit may let a released order through before the first reading.
        cap = self._caps.setdefault(worker, Cap(None, 1))
        self._agree()
        if cap.rate != known:
            raise Violation(f"{worker.name} knows the rate {known}, and its breaker {cap.rate}")
        if self._rate is not None:
            self._faults.seen["call under a rate"] += 1
            self._above += 1
            self._check(self._rate)

    def _advance(self) -> None:
        self._caps = {worker: cap for worker, cap in self._caps.items() if worker.alive}
        if self._rate is not None:
            passed = self._engine.now - self._at
            self._above = max(0.0, self._above - passed * self._allowed(self._rate))
            if not self._above:
                self._sharing.clear()
            self._sharing.update(self._caps)
        self._at = self._engine.now

    def _agree(self) -> None:
        rates = {cap.rate for cap in self._caps.values()}
        rate = rates.pop() if len(rates) == 1 else None
        if rate != self._rate:
            self._rate, self._above, self._sharing = rate, 0.0, set(self._caps)

    def _allowed(self, rate: float) -> float:
        """Calls a second. Where the circuit cannot tell who shares it, each worker has the share of one of those that
        it knows of."""
        if self._circuit.told_who_shares(since=self._at):
            return rate
        return max(rate, sum(rate / cap.processes for cap in self._caps.values()))

    def _check(self, rate: float) -> None:
        # Each worker may have saved up one call, and all together those of a moment. When another one comes or goes its
        # next turn may come soon after that call. A third call is the simulation's own: a worker reads each second who
        # shares the rate (`worker/intake.py`), but here one without orders reads it at its next order, and saves up by
        # the share that it had. Of 10,000 runs one has needed a little more than two calls for each worker.
        at_once = rate * BURST_SECONDS
        burst = 3 * len(self._sharing) + at_once + max(1.0, at_once)
        if self._above > burst + 1e-6:
            raise Violation(
                f"{self._above:.1f} calls above a rate of {rate} a second, {burst:.1f} are allowed"
            )
