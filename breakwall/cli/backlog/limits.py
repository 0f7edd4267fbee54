"""The limits of `backlog --fail-over`."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from breakwall.monitor.backlog import Backlog

MOST_ORDERS = 2_000_000_000  # More than a database of orders has.


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of --fail-over; None: no limit."""

    depth: float | None = None  # Waiting orders.
    age: float | None = None  # Seconds since the oldest due order was due.

    @property
    def exact(self) -> int:
        """Up to how many orders the count has to be exact."""
        return min(int(self.depth or 0), MOST_ORDERS)

    @classmethod
    def parse(cls, text: str) -> Limits:
        """Read ``depth=N,age=S``, or one of the two. Raises BadParameter."""
        limits: dict[str, float] = {}
        for part in text.split(","):
            name, _, value = (piece.strip() for piece in part.partition("="))
            if name not in {"depth", "age"} or name in limits:
                raise _bad("should be depth=N (orders), age=S (seconds) or depth=N,age=S")
            limits[name] = _number(name, value)
        return cls(**limits)

    def exceeded_by(self, backlog: Backlog) -> list[str]:
        """A sentence for each limit that the backlog exceeds."""
        over = []
        if self.depth is not None and backlog.queued > self.depth:
            waiting = "1 order waits" if backlog.queued == 1 else f"{backlog.queued_text} orders wait"
            over.append(f"{waiting}; the limit is {self.depth:,.12g}")
        if self.age is not None and backlog.oldest_due_age_seconds > self.age:
            waited = backlog.oldest_due_age_seconds
            over.append(
                f"the oldest due order has been due for {waited:,.0f} s; the limit is {self.age:,.12g} s"
            )
        return over


def _number(name: str, value: str) -> float:
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not (math.isfinite(number) and number >= 0):
        raise _bad(f"{name} should be a number of at least 0")
    return number


def _bad(expected: str) -> typer.BadParameter:
    return typer.BadParameter(expected, param_hint="--fail-over")
