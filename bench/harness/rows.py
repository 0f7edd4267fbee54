"""A row of the result: what was measured of the peers and of us, and what is to be reached."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

NOT_THERE = "not there yet"
"""The note of a value that this version does not have."""

NEVER = "never"


@dataclass(frozen=True)
class Reach:
    """A bound: ``at_most`` or ``at_least``, of the ratio to the first peer, or of our own value."""

    at_most: float | None = None
    at_least: float | None = None
    ratio: bool = False

    def holds(self, value: float) -> bool:
        above = self.at_least is None or value >= self.at_least
        return above and (self.at_most is None or value <= self.at_most)

    def __str__(self) -> str:
        bounds = (("≤", self.at_most), ("≥", self.at_least))
        words = " ".join(f"{sign} {number(bound)}" for sign, bound in bounds if bound is not None)
        return f"{words} × the peer" if self.ratio else words


@dataclass(frozen=True)
class Row:
    """One line.

    Attributes:
        scenario, what: which benchmark, and which of its values, with the unit.
        ours: None if it never came to an end, or if this version does not have it.
        peers: the same of each peer; None if it never came to an end. The ratio is to the first.
        reach: None if the value is only shown.
        note: what the reader should know, such as a limit that the run has met.
    """

    scenario: str
    what: str
    ours: float | None
    peers: Mapping[str, float | None]
    reach: Reach | None = None
    note: str = ""

    @property
    def ratio(self) -> float | None:
        peer = next(iter(self.peers.values()), None)
        return self.ours / peer if peer and self.ours is not None else None

    @property
    def held(self) -> bool | None:
        """Whether it is reached; None if nothing is to be reached."""
        if self.reach is None:
            return None
        value = self.ratio if self.reach.ratio else self.ours
        return value is not None and self.reach.holds(value)

    @property
    def cells(self) -> list[str]:
        peers = ", ".join(f"{name} {number(value, NEVER)}" for name, value in self.peers.items()) or "–"
        held = {None: "–", True: "yes", False: "**no**"}[self.held]
        reach = "–" if self.reach is None else str(self.reach)
        note = f" ({self.note})" if self.note else ""
        ours = (self.note or NEVER) if self.ours is None else number(self.ours) + note
        return [self.scenario, self.what, peers, ours, number(self.ratio, "–"), reach, held]

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Self:
        reach = None if fields["reach"] is None else Reach(**fields["reach"])
        names = ("scenario", "what", "ours", "peers", "note")
        return cls(**{name: fields[name] for name in names}, reach=reach)

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "peers": dict(self.peers), "ratio": self.ratio, "held": self.held}


HEAD = ["scenario", "what", "peers", "ours", "ratio", "reach", "held"]


def table(rows: list[Row]) -> str:
    """The rows as a table in Markdown."""
    lines = [HEAD, ["---"] * 2 + ["---:"] * 3 + ["---"] * 2, *(row.cells for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def number(value: float | None, missing: str = "–") -> str:
    """A number with three digits that count."""
    if value is None:
        return missing
    if value == 0 or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"
