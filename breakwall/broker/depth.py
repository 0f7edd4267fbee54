"""How many messages wait at the broker."""

from __future__ import annotations

import threading
from functools import cached_property

from breakwall.broker.config import QUEUE
from breakwall.broker.line import Line, client_app, new_line
from breakwall.settings import Settings


class QueueDepth:
    """Asks the broker, over one connection that it keeps. Thread-safe.

    RabbitMQ and Redis alike count the messages that no worker has taken.

    Args:
        queue: another one than that of the orders.
    """

    def __init__(self, settings: Settings, queue: str = QUEUE) -> None:
        self._settings = settings
        self._queue = queue
        self._lock = threading.Lock()

    def __call__(self) -> int | None:
        """Messages that wait; None when the broker does not answer. Takes under a second, never raises."""
        with self._lock:
            try:
                return self._line.depth(self._queue)
            except Exception:  # whatever went wrong, nobody knows how many wait
                return None

    def close(self) -> None:
        """Drop the connection. Safe to call twice; the next call opens a new one."""
        with self._lock:
            if "_line" in self.__dict__:
                self._line.close()

    @cached_property
    def _line(self) -> Line:
        return new_line(self._settings, client_app(self._settings))


def queue_depth(settings: Settings, queue: str = QUEUE) -> int | None:
    """The same, once: connects, asks and hangs up."""
    ask = QueueDepth(settings, queue)
    try:
        return ask()
    finally:
        ask.close()
