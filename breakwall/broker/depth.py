"""The number of messages that wait at the broker."""

import logging
import threading
from functools import cached_property

from breakwall.breaker import forking
from breakwall.broker.config import QUEUE
from breakwall.broker.connections.base import BrokerConnection
from breakwall.broker.connections.factory import client_app, new_connection
from breakwall.broker.errors import explain_wrong_queue
from breakwall.host.descriptors import free_descriptors
from breakwall.settings import Settings

log = logging.getLogger("breakwall.broker")


class QueueDepth:
    """Asks the broker, over one connection that it keeps. Thread-safe.

    RabbitMQ and Redis count the messages that no worker has taken. If something else has the queue's name, nothing is
    published and no publisher fails, so this logs one warning.
    """

    def __init__(self, settings: Settings, queue: str = QUEUE) -> None:
        self._settings = settings
        self._queue = queue
        self._lock = threading.Lock()
        self._has_warned = False
        forking.remember(self)

    def __call__(self) -> int | None:
        """Messages that wait; None if the broker does not answer. Takes less than a second, never raises."""
        forking.notice()
        with self._lock:
            try:
                depth = self._connection.depth(self._queue)
            except Exception as error:
                self._warn_once(explain_wrong_queue(error))
                free_descriptors(error)
                return None
            self._has_warned = False
            return depth

    def _warn_once(self, problem: str | None) -> None:
        if problem is not None and not self._has_warned:
            self._has_warned = True
            log.warning("%s; until then orders wait in the database", problem)

    def close(self) -> None:
        """Drop the connection. Safe to call twice; the next use opens a new one."""
        forking.notice()
        with self._lock:
            if "_connection" in self.__dict__:
                self._connection.close()

    def after_fork(self) -> None:
        """In a forked child: keep the parent's connection open and unused, because it is the parent's."""
        self._inherited = self.__dict__.pop("_connection", None)
        self._lock = threading.Lock()

    @cached_property
    def _connection(self) -> BrokerConnection:
        return new_connection(self._settings, client_app(self._settings))


def queue_depth(settings: Settings, queue: str = QUEUE) -> int | None:
    """The same, once: connect, ask, close."""
    ask = QueueDepth(settings, queue)
    try:
        return ask()
    finally:
        ask.close()
