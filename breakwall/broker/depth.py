"""How many messages wait at the broker."""

from __future__ import annotations

import threading
from functools import cached_property

from breakwall.breaker import forking
from breakwall.broker.line import Line, client_app, new_line
from breakwall.settings import Settings


class QueueDepth:
    """Asks the broker, over one connection that it keeps. Thread-safe.

    RabbitMQ and Redis alike count the messages that no worker has taken.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        forking.remember(self)

    def __call__(self) -> int | None:
        """Messages that wait; None when the broker does not answer. Takes under a second, never raises."""
        forking.notice()
        with self._lock:
            try:
                return self._line.depth()
            except Exception:  # whatever went wrong, nobody knows how many wait
                return None

    def close(self) -> None:
        """Drop the connection. Safe to call twice; the next call opens a new one."""
        forking.notice()
        with self._lock:
            if "_line" in self.__dict__:
                self._line.close()

    def after_fork(self) -> None:
        """In a forked child: the connection is the parent's, and is left to it."""
        self._inherited = self.__dict__.pop("_line", None)
        self._lock = threading.Lock()

    @cached_property
    def _line(self) -> Line:
        return new_line(self._settings, client_app(self._settings))


def queue_depth(settings: Settings) -> int | None:
    """The same, once: connects, asks and hangs up."""
    ask = QueueDepth(settings)
    try:
        return ask()
    finally:
        ask.close()
