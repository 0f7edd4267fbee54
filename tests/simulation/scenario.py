"""What a seed stands for: which payment service, how many processes and orders, and what will strike."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from breakwall.crashpoints import POINTS
from tests.simulation.faults import SPELLS
from tests.simulation.habits import Habits, draw_habits
from tests.simulation.shapes import draw_keys

TIMEOUT = 10.0
LEASE = 15.0


@dataclass(frozen=True)
class Spell:
    """Something that strikes from outside at a moment, and lasts for some seconds if it is of that kind."""

    name: str
    at: float
    seconds: float


@dataclass(frozen=True)
class Restore:
    """The database is put back at a moment to what it was at an earlier one."""

    saved_at: float
    at: float


@dataclass(frozen=True)
class Scenario:
    """The measure of one run.

    Attributes:
        keys: the callers' own, one for each order.
        from_before: so many orders, the first ones, are of the version before.
        paid_first: so many, the next ones, are placed while all is still well: their charges are known later.
        send_caller_keys: the callers' own keys travel.
        peace: when the first fault may strike.
        storm: when the last one may.
        prunes: somebody prunes orders that ended so many seconds ago, during the storm; None: nobody does.
        deadly_point: where the first process that comes there dies.
    """

    habits: Habits
    producers: int
    workers: int
    consumers: int
    keys: tuple[str, ...]
    from_before: int
    paid_first: int
    send_caller_keys: bool
    peace: float
    storm: float
    max_attempts: int
    half_open_max_calls: int
    republish_after: float
    operators: bool
    deadly_point: str | None
    spells: tuple[Spell, ...]
    restore: Restore | None
    prunes: float | None

    @property
    def last_customer(self) -> float:
        """When the last customer comes. A service that forgets keys cannot bear an order that is placed again."""
        latest = self.storm
        if self.restore is not None and not self.habits.remembers:
            latest = self.restore.saved_at
        return self.peace + (latest - self.peace) * 0.8

    @classmethod
    def draw(cls, rng: Random) -> Scenario:
        """A scenario by chance."""
        from_before = rng.choice((0, 0, 0, 1, 2))
        paid_first = rng.choice((0, 1, 1, 2))
        keys = draw_keys(rng, from_before + paid_first + rng.randint(2, 6))
        as_they_are = rng.random() < 0.4
        habits = draw_habits(rng, keys, keys if as_they_are else keys[:from_before])
        peace = habits.profile.settle_seconds + 5.0 if paid_first else 0.0
        storm = peace + rng.uniform(60.0, 240.0)
        return cls(
            habits=habits,
            producers=rng.randint(1, 2),
            workers=rng.randint(1, 3),
            consumers=rng.randint(1, 2),
            keys=keys,
            from_before=from_before,
            paid_first=paid_first,
            send_caller_keys=as_they_are,
            peace=peace,
            storm=storm,
            max_attempts=rng.choice((2, 4, 8)),
            half_open_max_calls=rng.randint(1, 3),
            republish_after=rng.choice((15.0, 60.0)),
            operators=rng.random() < 0.4,
            deadly_point=rng.choice(POINTS) if rng.random() < 0.7 else None,
            spells=tuple(_spells(rng, peace, storm)),
            restore=_restore(rng, habits, peace, storm) if rng.random() < 0.35 else None,
            prunes=rng.choice((0.0, 1.0, 20.0)) if rng.random() < 0.4 else None,
        )


def _spells(rng: Random, peace: float, storm: float) -> list[Spell]:
    chosen = [name for name in SPELLS if rng.random() < 0.35 for _ in range(rng.randint(1, 2))]
    latest = peace + (storm - peace) * 0.9
    return [Spell(name, rng.uniform(peace, latest), rng.expovariate(1 / 20.0)) for name in chosen]


def _restore(rng: Random, habits: Habits, peace: float, storm: float) -> Restore | None:
    """Where there is no look-up, nobody could tell "done already" from "refused" for an order that is placed again."""
    if habits.says_done and not habits.profile.looks_up:
        return None
    at = rng.uniform(peace + 30.0, storm)
    return Restore(max(peace + 10.0, at - rng.expovariate(1 / 30.0)), at)
