"""What the parts of a run share."""

from dataclasses import dataclass
from random import Random

from tests.simulation.engine import Engine
from tests.simulation.faults import FaultInjector
from tests.simulation.trace import Trace


@dataclass(frozen=True)
class World:
    """The time, the faults, the randomness and the trace of one run."""

    engine: Engine
    faults: FaultInjector
    rng: Random
    trace: Trace


class Part:
    """A part of the world, with shorthand for what it shares."""

    def __init__(self, world: World) -> None:
        self._engine = world.engine
        self._faults = world.faults
        self._rng = world.rng
        self._trace = world.trace
