"""What this member's calls have shown since it last reported, and where they count it."""

from __future__ import annotations

from breakwall.breaker.circuit import Circuit, CircuitState
from breakwall.breaker.evidence import Report
from breakwall.breaker.lane import Lane


class Reporter:
    """Its owner's lock guards it; what calls count in the lane needs none.

    Attributes:
        lane: of the closed generation that calls begin in now; None unless closed.
    """

    def __init__(self, member: str) -> None:
        self._member = member
        self._failures = self._slow = 0
        self.lane: Lane | None = None

    def follow(self, circuit: Circuit) -> None:
        """Have a lane for each closed generation of ``circuit``, and none for another."""
        if circuit.state is not CircuitState.CLOSED:
            self.lane = None
        elif not self.is_in(circuit.generation):
            self.lane = Lane(circuit.generation)

    def adopt(self, generation: int) -> None:
        """The lane turns out to be one of ``generation``: its calls began in that, and nobody knew."""
        if self.lane is not None:
            self.lane.generation = generation

    def is_in(self, generation: int) -> bool:
        """Whether calls begin in the closed ``generation`` now."""
        return self.lane is not None and self.lane.generation == generation

    def count(self, *, slow: bool) -> None:
        """One call of the lane failed, or was slow."""
        self._slow += slow
        self._failures += not slow

    def report(self) -> Report | None:
        """What was counted since the last time, if anything was."""
        failures, slow, self._failures, self._slow = self._failures, self._slow, 0, 0
        if self.lane is None:
            # Of calls that began in the parent of a forked child; else there are none without a lane.
            return Report(0, self._member, 0, failures, slow) or None
        report = Report(self.lane.generation, self._member, self.lane.unreported(), failures, slow)
        return report or None
