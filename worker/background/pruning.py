"""Prunes a little at a time, between two looks of the dispatcher."""

import time
from collections.abc import Callable

from breakwall.payments.ledger.batches import Position
from breakwall.payments.ledger.pruning import BATCH, Pruning

BATCHES = 2  # Transactions in one call. At one call a second that is twice what 100 orders a second need.

# Seconds until the next pass, once one is complete. Each pass reads past all old orders that are kept.
PAUSE = 60.0


class PruningStep:
    """A few transactions a call, `run_once`; none for a minute after a complete pass or a failure.

    Args:
        pruning: deletes orders and forgets keys.
        age: seconds after which a finished order is deleted.
        clock: monotonic seconds.
    """

    def __init__(self, pruning: Pruning, age: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._pruning = pruning
        self._age = age
        self._clock = clock
        self._after: Position | None = None
        self._paused_until = float("-inf")

    def run_once(self) -> int:
        """Prune up to `BATCHES` batches; returns how many orders were deleted.

        Raises:
            DatabaseUnavailableError: earlier batches are pruned. Also if its tables do not exist yet.
        """
        if self._clock() < self._paused_until:
            return 0
        try:
            pruned, forgotten = self._prune(), self._forget()
        except Exception:
            # So that the failure is reported once a minute, not at each look.
            self._pause()
            raise
        if self._after is None and forgotten < BATCHES * BATCH:
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
