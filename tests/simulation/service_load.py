"""How a payment service bears load: what each charge costs beside those that it has in hand."""

import math
from collections import deque
from dataclasses import dataclass
from random import Random

from tests.simulation.load_kinds import Kind
from tests.simulation.wire import ServiceReply, as_json
from tests.simulation.world import Part, World


@dataclass(frozen=True)
class LoadBehavior:
    """``places``: how many charges at once it is made for, or how many a second."""

    kind: Kind
    places: int
    says_when: bool  # Whether its 429 says when to come back.


def random_load(rng: Random, *, crowded: bool) -> LoadBehavior:
    """Half of the services bear any load, unless a crowd comes."""
    kinds = [one for one in Kind if one is not Kind.EASY]
    kind = rng.choice(kinds) if crowded or rng.random() < 0.5 else Kind.EASY
    return LoadBehavior(kind, rng.choice((1, 2, 2, 3, 5)), rng.random() < 0.5)


HANG = (2.0, 14.0)  # Seconds of a charge above the places of a service that collapses.
SIGMA = math.log(10) / 2.326  # Of a log-normal duration whose 99th percentile is ten times the median.


class ServiceLoad(Part):
    """The charges that a service has in hand, and what they do to the next one, until it is `relieved`.

    ``is_relieved``: it bears any load from then on.
    """

    def __init__(self, world: World, behavior: LoadBehavior) -> None:
        super().__init__(world)
        self.behavior = behavior
        self.in_hand = 0
        self._came: deque[float] = deque()
        self._is_relieved = False

    def relieve(self) -> None:
        """From now on it bears any load."""
        self._is_relieved = True

    def is_of(self, kind: Kind) -> bool:
        """Whether it bears load so, now."""
        return self.behavior.kind is kind and not self._is_relieved

    def refusal(self) -> ServiceReply | None:
        """What it answers to one charge too many in this second."""
        if not self.is_of(Kind.THROTTLES):
            return None
        now = self._engine.now
        while self._came and self._came[0] <= now - 1.0:
            self._came.popleft()
        if len(self._came) < self.behavior.places:
            self._came.append(now)
            return None
        self._faults.seen[Kind.THROTTLES] += 1
        seconds = self._rng.uniform(1.0, 3.0) if self.behavior.says_when else None
        return as_json(429, retry_after=seconds)

    def overload(self) -> float | None:
        """For how many seconds a charge hangs that comes now, and then fails; None: it is one of those with a place."""
        if not self.is_of(Kind.COLLAPSES) or self.in_hand < self.behavior.places:
            return None
        self._faults.seen[Kind.COLLAPSES] += 1
        return self._rng.uniform(*HANG)

    def seconds(self) -> float:
        """How long a charge takes that begins now."""
        usual = self._rng.uniform(0.01, 0.3) if self.is_of(Kind.EASY) else self._rng.uniform(0.05, 0.8)
        if self.is_of(Kind.SLOWS) and self.in_hand > self.behavior.places:
            self._faults.seen[Kind.SLOWS] += 1
            return usual * (self.in_hand / self.behavior.places) ** 3
        if self.is_of(Kind.HEAVY_TAIL):
            self._faults.seen[Kind.HEAVY_TAIL] += 1
            return 0.05 * math.exp(SIGMA * self._rng.gauss(0.0, 1.0))
        if self.is_of(Kind.SECOND_MODE) and self._rng.random() < 0.1:
            self._faults.seen[Kind.SECOND_MODE] += 1
            return 3.0
        return usual
