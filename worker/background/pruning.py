"""Prunes a little at a time, between two runs of the dispatcher."""

import time
from collections.abc import Callable

from breakwall.payments.ledger.batches import Position
from breakwall.payments.ledger.pruning import BATCH, Pruning

BATCHES = 2  # Transactions in one call. At one call a second that is twice what 100 orders a second need.

# Seconds from the end of one scan of the old orders to the next scan. A scan also reads the old orders that are kept.
PAUSE = 60.0


class PruningStep:
    """Prunes orders that finished more than ``age`` seconds ago, a few transactions per `run_once`.

    After a complete scan or a failure it does nothing for a minute.
    """

    def __init__(self, pruning: Pruning, age: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._pruning = pruning
        self._age = age
        self._clock = clock
        self._after: Position | None = None
        self._paused_until = float("-inf")

    def run_once(self) -> int:
        """Prune up to `BATCHES` batches; returns how many orders were deleted.

        Raises `DatabaseUnavailableError`, also if its tables do not exist yet. Earlier batches stay pruned.
        """
        if self._clock() < self._paused_until:
            return 0
        try:
            pruned, forgotten = self._prune(), self._forget()
            unlisted = self._pruning.prune_bulk_list(self._age)
        except Exception:
            self._pause()  # so that the failure is reported once a minute, not in each run
            raise
        if self._after is None and forgotten < BATCHES * BATCH and not unlisted:
            self._pause()
        return pruned

    def _prune(self) -> int:
        pruned = 0
        for _ in range(BATCHES):
            deleted, self._after = self._pruning.prune(self._age, self._after)
            pruned += deleted
            if self._after is None:
                break
        return pruned

    def _forget(self) -> int:
        forgotten = 0
        for _ in range(BATCHES):
            number = self._pruning.forget()
            forgotten += number
            if number < BATCH:
                break
        return forgotten

    def _pause(self) -> None:
        self._after = None
        self._paused_until = self._clock() + PAUSE
