"""Holds orders back while the drain is paused."""

from collections.abc import Callable

# Seconds for which an order is deferred that came while the drain is paused. Short: the dispatcher publishes nothing
# meanwhile, so it comes back only after the pause.
PAUSED_DEFERRAL = 1.0


class Hold:
    """Asked before orders begin, except released ones. Never waits."""

    def __init__(self, is_paused: Callable[[], bool]) -> None:
        self._is_paused = is_paused

    def __call__(self) -> float:
        """The seconds by which orders are deferred because of a pause; 0.0: they may begin."""
        return PAUSED_DEFERRAL if self._is_paused() else 0.0
