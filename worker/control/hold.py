"""Holds orders back while the drain is paused, and spaces them under a highest rate."""

from collections.abc import Callable

# Seconds for which an order is deferred that came while the drain is paused. Short: the dispatcher publishes nothing
# meanwhile, so it comes back only after the pause.
PAUSED_DEFERRAL = 1.0


class Hold:
    """Asked before each order, except a released one."""

    def __init__(self, is_paused: Callable[[], bool], wait_for_turn: Callable[[], float]) -> None:
        self._is_paused = is_paused
        self._wait_for_turn = wait_for_turn

    def __call__(self) -> float:
        """The seconds by which the order is deferred; 0.0: it may be worked on. May wait for its turn."""
        if self._is_paused():
            return PAUSED_DEFERRAL
        wait = self._wait_for_turn()
        return PAUSED_DEFERRAL if self._is_paused() else wait
