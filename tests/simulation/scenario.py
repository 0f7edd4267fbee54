"""What a seed stands for: which payment service, how many processes and orders, and what will strike."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from breakwall.crashpoints import POINTS
from breakwall.payments.gateways import GatewayProfile
from tests.simulation.faults import SPELLS
from tests.simulation.service import Habits, Reply

TIMEOUT = 10.0
LEASE = 15.0

WEB_PAGE = Reply(404, b"<html>", {"content-type": "text/html"})
NO_ROUTE = Reply(404, b'{"detail": "Not Found"}', {"content-type": "application/json"})


@dataclass(frozen=True)
class Spell:
    """Something that strikes from outside at a moment, and lasts for some seconds if it is of that kind."""

    name: str
    at: float
    seconds: float


@dataclass(frozen=True)
class Scenario:
    """The measure of one run. ``deadly_point`` is where the first process that comes there dies."""

    habits: Habits
    producers: int
    workers: int
    consumers: int
    orders: int
    storm: float
    max_attempts: int
    half_open_max_calls: int
    republish_after: float
    operators: bool
    deadly_point: str | None
    spells: tuple[Spell, ...]

    @classmethod
    def draw(cls, rng: Random) -> Scenario:
        """A scenario by chance."""
        storm = rng.uniform(60.0, 240.0)
        return cls(
            habits=_habits(rng),
            producers=rng.randint(1, 2),
            workers=rng.randint(1, 3),
            consumers=rng.randint(1, 2),
            orders=rng.randint(2, 6),
            storm=storm,
            max_attempts=rng.choice((2, 4, 8)),
            half_open_max_calls=rng.randint(1, 3),
            republish_after=rng.choice((15.0, 60.0)),
            operators=rng.random() < 0.4,
            deadly_point=rng.choice(POINTS) if rng.random() < 0.7 else None,
            spells=tuple(_spells(rng, storm)),
        )


def _habits(rng: Random) -> Habits:
    """Every kind of payment service that a profile can describe, and one that has less than it was said to."""
    settle = rng.choice((0.0, 5.0, 30.0))
    name, deduplicates, key_life, looks_up = rng.choice(
        (
            ("keys and look-up", True, 86_400.0, True),
            ("keys for a while and look-up", True, rng.uniform(40.0, 150.0), True),
            ("keys only", True, 86_400.0, False),
            ("keys for a while only", True, rng.uniform(40.0, 150.0), False),
            ("look-up only", False, 0.0, True),
            ("look-up only", False, 0.0, True),
            ("neither", False, 0.0, False),
        )
    )
    return Habits(
        name=name,
        profile=GatewayProfile(deduplicates, key_life, looks_up, settle),
        stores_errors=deduplicates and rng.random() < 0.5,
        shows_processing=rng.random() < 0.5,
        shows_declines=rng.random() < 0.5,
        look_up_works=looks_up and rng.random() < 0.9,
        no_look_up=rng.choice((WEB_PAGE, NO_ROUTE)),
    )


def _spells(rng: Random, storm: float) -> list[Spell]:
    chosen = [name for name in SPELLS if rng.random() < 0.35 for _ in range(rng.randint(1, 2))]
    return [Spell(name, rng.uniform(0.0, storm * 0.9), rng.expovariate(1 / 20.0)) for name in chosen]
