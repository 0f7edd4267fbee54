"""A token bucket: at most so many starts a second, evenly spread."""

import math
from collections.abc import Collection
from dataclasses import dataclass

BURST_SECONDS = 0.2  # The starts of so many seconds may come at once.


@dataclass(frozen=True, slots=True)
class Turn:
    """One of ``number`` processes that start calls one after another: each has every ``number``-th turn."""

    rank: int = 0
    number: int = 1

    def saved(self, turns: float, since: float) -> float:
        """The part of its next turn that it has waited for, when so many ``turns`` of all processes are over.

        Another process begins after each pause, which ended at ``since``: if pauses come often, nobody else has a turn.
        """
        rank = self.rank + round(since * 1000)  # All processes know that moment to the millisecond.
        return (turns - rank - 1) % self.number / self.number


def turn_of(id_: str, ids: Collection[str]) -> Turn:
    """The turn of the process ``id_`` among all ``ids``."""
    return Turn(sorted(ids).index(id_), len(ids))


class TokenBucket:
    """Empty at first, and each time that a rate begins. ``now`` is monotonic seconds. Its owner's lock guards it."""

    def __init__(self) -> None:
        self._rate: float | None = None
        self._tokens = 0.0
        self._at = 0.0
        self._order: tuple[Turn, float] | None = None

    def set_rate(self, rate: float | None, now: float) -> None:
        """Starts a second from now on, 0 for none; None: any number."""
        if rate == self._rate:
            return
        self._fill(now)
        if self._rate is None:
            self._tokens = 0.0
        self._rate = rate

    def wait(self, now: float) -> float:
        """Seconds until the next start; 0.0 if it may be now."""
        self._fill(now)
        if self._rate is None or self._tokens >= 1:
            return 0.0
        missing = (1 - self._tokens) / self._rate if self._rate else math.inf
        return max(0.0, self._at - now) + missing

    def take(self, now: float) -> None:
        """A start happens now."""
        self._fill(now)
        if self._rate is not None:
            self._tokens -= 1

    def empty_until(self, at: float) -> None:
        """It is empty, and begins to fill at that moment."""
        self._tokens, self._at = min(self._tokens, 0.0), max(self._at, at)

    def take_turns(self, turn: Turn, since: float, now: float, store_now: float) -> None:
        """Its starts are those of ``turn`` from the moment ``since`` on, which is of the store's clock, also later.

        So those of all processes are one after another. What was saved up before is lost, but not a turn that has come
        when only the other processes have changed.
        """
        if not self._rate:
            self._order = None
        elif self._order != (turn, since):
            self._fill(now)
            has_come = self._order is not None and self._order[1] == since and self._tokens >= 1
            self._order = (turn, since)
            turns = max(0.0, store_now - since) * self._rate * turn.number
            self._tokens = 1.0 if has_come else turn.saved(turns, since)
            self._at = now + max(0.0, since - store_now)

    def put_back(self) -> None:
        """A start did not happen after all."""
        if self._rate is not None:
            self._tokens += 1

    def tokens(self, now: float) -> int | None:
        """How many starts may happen now."""
        self._fill(now)
        return None if self._rate is None else max(0, int(self._tokens))

    def is_full(self, now: float) -> bool:
        """Whether nothing was started for so long that no more is saved up."""
        self._fill(now)
        return self._rate is None or self._tokens >= self._most

    @property
    def _most(self) -> float:
        return max(1.0, (self._rate or 0.0) * BURST_SECONDS)

    def _fill(self, now: float) -> None:
        passed, self._at = max(0.0, now - self._at), max(now, self._at)
        if self._rate is not None:
            self._tokens = min(self._most, self._tokens + passed * self._rate)
