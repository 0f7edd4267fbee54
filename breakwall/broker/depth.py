"""How many messages wait at the broker."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable
from functools import cached_property

from breakwall.breaker import forking
from breakwall.broker.config import QUEUE
from breakwall.broker.mismatch import WrongQueueError, mismatch
from breakwall.broker.publishing.connection import Line, client_app, new_line
from breakwall.broker.refusal import BrokerRefusesError
from breakwall.host.exhaustion import relieve
from breakwall.settings import Settings

log = logging.getLogger("breakwall.broker")


class QueueDepth:
    """Asks the broker, over one connection that it keeps. Thread-safe.

    RabbitMQ and Redis alike count the messages that no worker has taken. Warns once where something else is
    in the queue's place: nothing is published then, so that nobody else would.

    Args:
        queue: another one than that of the orders.
    """

    def __init__(self, settings: Settings, queue: str = QUEUE) -> None:
        self._settings = settings
        self._queue = queue
        self._lock = threading.Lock()
        self._told = False
        forking.remember(self)

    def __call__(self) -> int | None:
        """Messages that wait; None when the broker does not answer. Takes under a second, never raises."""
        forking.notice()
        with self._lock:
            try:
                depth = self._line.depth(self._queue)
            except Exception as error:  # whatever went wrong, nobody knows how many wait
                self._tell(mismatch(error))
                relieve(error)
                return None
            self._told = False
            return depth

    def _tell(self, problem: str | None) -> None:
        if problem is not None and not self._told:
            self._told = True
            log.warning("%s; until then orders wait in the database", problem)

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


def check_queue(settings: Settings) -> None:
    """Look whether the broker has something else in our queue's place; one that does not answer tells nothing.

    Takes under two seconds; makes nothing.

    Raises:
        WrongQueueError: it has.
    """
    _look(settings, Line.check)


def check_writing(settings: Settings) -> None:
    """Look whether the broker would take messages; one that does not answer tells nothing.

    Takes under two seconds; writes nothing.

    Raises:
        BrokerRefusesError: it would not.
    """
    _look(settings, Line.try_writing)


def causes_of_death(settings: Settings) -> Counter[str]:
    """How the oldest of RabbitMQ's dead letters came there, in its words; empty where that is not known.

    They are looked at and stay. Takes under two seconds.
    """
    causes: Counter[str] = Counter()
    _look(settings, lambda line: causes.update(line.causes_of_death()))
    return causes


def _look(settings: Settings, look: Callable[[Line], None]) -> None:
    line = new_line(settings, client_app(settings))
    try:
        look(line)
    except (BrokerRefusesError, WrongQueueError):
        raise
    except Exception as error:  # whatever else it is: who uses the broker goes on trying, and tells
        log.debug("the queue could not be looked at (%s)", type(error).__name__)
    finally:
        line.close()


def queue_depth(settings: Settings, queue: str = QUEUE) -> int | None:
    """The same, once: connects, asks and hangs up."""
    ask = QueueDepth(settings, queue)
    try:
        return ask()
    finally:
        ask.close()
