"""The orders that have crashed a process: each is worked on alone, and all of them take at most half of the time."""

import time
from collections import deque
from collections.abc import Callable, Sequence

# How many are kept for each slot, at most: half of what a worker holds, so that other orders come too. The messages of
# the rest are let go: the dispatcher republishes them.
KEPT_PER_SLOT = 2


class CrashedOrders:
    """For one thread.

    While one is worked on nothing else is: if it crashes the process again, no other order is suspected. Before the
    next one the others have as long as it took, with its wait until nothing else was in hand.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._waiting: deque[str] = deque()
        self._alone: str | None = None  # The one that is worked on.
        self._turn_began: float | None = None  # None: others may begin.
        self._next_turn = float("-inf")

    def __len__(self) -> int:
        """How many wait."""
        return len(self._waiting)

    def add(self, order_ids: Sequence[str], slots: int) -> Sequence[str]:
        """Let orders wait for their turns; returns those for which there is no room."""
        room = max(0, KEPT_PER_SLOT * slots - len(self._waiting))
        self._waiting.extend(order_ids[:room])
        return order_ids[room:]

    def take_turn(self, *, others_wait: bool) -> bool:
        """Whether no other order may begin now: it is the turn of one of these, or one is worked on."""
        if self._turn_began is None and self._waiting:
            now = self._monotonic()
            if not others_wait or now >= self._next_turn:
                self._turn_began = now
        return self._turn_began is not None

    def begin(self) -> str:
        """The one whose turn it is; only when nothing is in hand."""
        self._alone = self._waiting.popleft()
        return self._alone

    def finish(self, order_id: str) -> None:
        """The work on an order is over, which may be one of these."""
        if order_id == self._alone and self._turn_began is not None:
            now = self._monotonic()
            self._next_turn = now + (now - self._turn_began)
            self._alone = self._turn_began = None

    def take_out(self) -> list[str]:
        """Take out those that wait."""
        waiting = list(self._waiting)
        self._waiting.clear()
        if self._alone is None:
            self._turn_began = None
        return waiting
