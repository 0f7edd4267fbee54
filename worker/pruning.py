"""Prunes a little at a time, between two looks of the dispatcher."""

from __future__ import annotations

import time
from collections.abc import Callable

from breakwall.payments.ledger.pruning import BATCH, Place, Pruning

BATCHES = 2
"""Transactions in one look. At one look a second that is twice what 100 orders a second bring."""

REST = 60.0
"""Seconds until the next walk, once all is done. Each walks past what is kept, however old."""


class PruningStep:
    """A few transactions a call, `run_once`, and none at all for a while once all is done.

    Args:
        pruning: does it.
        age: seconds after which an order that has ended goes.
        clock: monotonic seconds.
    """

    def __init__(self, pruning: Pruning, age: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._pruning = pruning
        self._age = age
        self._clock = clock
        self._after: Place | None = None
        self._rests_until = float("-inf")

    def run_once(self) -> int:
        """Prune up to `BATCHES` batches; returns how many orders went.

        Raises:
            DatabaseUnavailableError: what was pruned is, the rest waits; so it does without the tables for it.
        """
        if self._clock() < self._rests_until:
            return 0
        try:
            pruned, forgotten = self._prune(), self._forget()
        except Exception:
            # Told once a minute, and not at each look: the tables for it may not be there yet.
            self._rest()
            raise
        if self._after is None and forgotten < BATCHES * BATCH:
            self._rest()
        return pruned

    def _prune(self) -> int:
        pruned = 0
        for _ in range(BATCHES):
            gone, self._after = self._pruning.prune(self._age, self._after)
            pruned += gone
            if self._after is None:
                break
        return pruned

    def _forget(self) -> int:
        forgotten = 0
        for _ in range(BATCHES):
            gone = self._pruning.forget()
            forgotten += gone
            if gone < BATCH:
                break
        return forgotten

    def _rest(self) -> None:
        self._after = None
        self._rests_until = self._clock() + REST
