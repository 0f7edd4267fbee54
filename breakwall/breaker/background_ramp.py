"""How many background calls this process may have in hand while the fleet has no limit: few at first, then more.

A process that begins with a long backlog could overload the service with its first calls. Each step up waits until the
calls that began since the last one have shown what it did.
"""

import math

FIRST_WINDOW = 2  # Calls at once after a pause. Two: one stuck call does not stop the work.
STEP_SHARE = 8  # A step is this part of the window, and at least one call.
# Seconds without background calls. Then the service may have changed, and the window is small again.
QUIET_SECONDS = 10.0


class BackgroundRamp:
    """One breaker's window. Its owner's lock guards it; ``now`` is monotonic seconds."""

    def __init__(self) -> None:
        self.window = FIRST_WINDOW
        self._stepped_at = self._began_at = -math.inf
        self._well = 0  # Calls that began since the last step and were answered in time.
        self._was_full = False

    def began(self, in_hand: int, now: float) -> None:
        """A background call begins, with which so many are in hand."""
        self._began_at = now
        self._was_full = self._was_full or in_hand >= self.window

    def answered(self, began_at: float) -> None:
        """A background call was answered in time, and so were the calls before it, or they are known to be overdue."""
        self._well += began_at >= self._stepped_at

    def step(self, in_hand: int, now: float, *, is_well: bool) -> None:
        """A step, if it is time for one. ``is_well``: whether no overdue call waits to be explained."""
        if self._well >= self.window and self._was_full and is_well:
            self._set(self.window + max(1, self.window // STEP_SHARE), now)
        elif not in_hand and now - self._began_at >= QUIET_SECONDS and self.window > FIRST_WINDOW:
            self._set(FIRST_WINDOW, now)

    def follow(self, in_hand: int, now: float) -> None:
        """The fleet's limit decides. When it ends, the window is what is in hand."""
        self._set(max(FIRST_WINDOW, in_hand), now)

    def _set(self, window: int, now: float) -> None:
        self.window, self._stepped_at = window, now
        self._well, self._was_full = 0, False
