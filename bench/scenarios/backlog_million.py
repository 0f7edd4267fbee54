"""Commands of an operator beside a million waiting orders, and beside none: the seconds that the backlog adds."""

from __future__ import annotations

import time
from dataclasses import dataclass

from sqlalchemy import create_engine

from bench.harness.rows import Reach, Row
from bench.harness.site import Machine, Site
from tests.backlog import Backlog, fill, tidy

COMMANDS = {
    "backlog": ("backlog", "-o", "json"),
    "orders list": ("orders", "list", "--limit", "20", "-o", "json"),
}


@dataclass(frozen=True)
class Size:
    waiting: int
    rounds: int = 5


FULL = Size(1_000_000)
QUICK = Size(200_000, rounds=3)
SMALL = Size(200_000, rounds=3)


def run(machine: Machine, size: Size) -> list[Row]:
    with machine.site() as empty, machine.site() as full:
        assert full.database_url is not None
        engine = create_engine(full.database_url)
        due = size.waiting // 2
        fill(engine, Backlog(finished=size.waiting // 10, waiting=size.waiting - due, due=due))
        tidy(engine)
        engine.dispose()
        return [
            Row(
                "backlog_million",
                f"{name}: s more with {size.waiting:,}",
                _more(full, empty, words, size),
                {},
                reach,
            )
            for (name, words), reach in zip(
                COMMANDS.items(), (Reach(at_most=0.1), Reach(at_most=0.1)), strict=True
            )
        ]


def _more(full: Site, empty: Site, words: tuple[str, ...], size: Size) -> float:
    """The best round of each, in turns: the rest of a round is the start of the program."""
    rounds = [(_seconds(full, words), _seconds(empty, words)) for _ in range(size.rounds)]
    with_backlog, without = (min(seconds) for seconds in zip(*rounds, strict=True))
    return with_backlog - without


def _seconds(site: Site, words: tuple[str, ...]) -> float:
    began = time.monotonic()
    site.breakwall(*words)
    return time.monotonic() - began
