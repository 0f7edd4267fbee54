"""How much backlog is too much: the limits of `breakwall backlog --fail-over`."""

from __future__ import annotations

import math
from dataclasses import dataclass

from breakwall.monitor.backlog import Backlog
from breakwall.terminal.words import count


class InvalidLimitsError(ValueError):
    """The text does not say which limits are meant."""


@dataclass(frozen=True, slots=True)
class Limits:
    """``depth``: waiting orders. ``age``: seconds that the oldest has waited. None: no limit."""

    depth: float | None = None
    age: float | None = None

    @classmethod
    def parse(cls, text: str) -> Limits:
        """Read ``depth=N,age=S``, one of them or both.

        Raises:
            InvalidLimitsError: saying what would be right.
        """
        limits: dict[str, float] = {}
        for part in text.split(","):
            name, _, value = (piece.strip() for piece in part.partition("="))
            if name not in {"depth", "age"} or name in limits:
                raise InvalidLimitsError("should be depth=N (orders), age=S (seconds) or depth=N,age=S")
            limits[name] = _number(name, value)
        return cls(**limits)

    def exceeded_by(self, backlog: Backlog) -> list[str]:
        """A sentence for each limit that the backlog is over."""
        over = []
        if self.depth is not None and backlog.queued > self.depth:
            verb = "waits" if backlog.queued == 1 else "wait"
            over.append(f"{count(backlog.queued, 'order')} {verb}; the limit is {self.depth:,.12g}")
        if self.age is not None and backlog.oldest_age_seconds > self.age:
            waited = backlog.oldest_age_seconds
            over.append(f"the oldest order has waited {waited:,.0f} s; the limit is {self.age:,.12g} s")
        return over


def _number(name: str, value: str) -> float:
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not (math.isfinite(number) and number >= 0):
        raise InvalidLimitsError(f"{name} should be a number of at least 0")
    return number
