"""Publishes orders' ids to the retry queue: in under a second, without an error, whatever the broker does."""

from __future__ import annotations

import contextlib
import itertools
import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from typing import Any

from breakwall.breaker import forking
from breakwall.broker.mismatch import mismatch
from breakwall.broker.publishing.backoff import Cooldown
from breakwall.broker.publishing.connection import MESSAGES_AT_ONCE, STEP, Line, client_app, new_line
from breakwall.broker.refusal import in_words
from breakwall.host.exhaustion import relieve
from breakwall.settings import Settings

log = logging.getLogger("breakwall.broker")

QUIET = 60.0
"""Seconds between two warnings of a process: a broker may come and go many times in one."""

LINES = 8
"""Connections at most, for any number of threads: each is busy for about a millisecond a message."""


class Publisher:
    """Sends messages to the queue that the retry workers drain; a message is an order's id and nothing else.

    A publish that fails loses nothing: the order is in the database and the dispatcher publishes it again.
    After a failure the broker is left alone for a moment, so that its outage costs an order microseconds.
    Thread-safe; after a fork the child opens connections of its own. Loads Celery at the first use.

    On Redis a publish over a warm connection is one ``LPUSH`` in one round trip; the server's
    ``INFO commandstats`` counts it.

    Args:
        settings: where the broker is.
        clock: seconds, monotonic.
    """

    def __init__(self, settings: Settings, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._clock = clock
        self._idle: list[Line] = []
        self._untold, self._silent_until = False, float("-inf")
        self._start_afresh()
        forking.remember(self)

    def publish(self, order_id: str) -> bool:
        """Whether the broker has the message. Takes under a second and never raises."""
        return self.publish_many([order_id]) == 1

    def publish_many(self, order_ids: Iterable[str]) -> int:
        """Publish in order and stop at the first failure; returns how many the broker has.

        Those after it, ``order_ids[returned:]``, may have arrived or not. Takes under a second from the
        moment at which the broker stops answering, and never raises.
        """
        sent = 0
        ids = iter(order_ids)
        while chunk := list(itertools.islice(ids, MESSAGES_AT_ONCE)):
            if not self._attempt(chunk):
                break
            sent += len(chunk)
        return sent

    @property
    def failing(self) -> bool:
        """Whether the broker has taken no message since one failed. Reads a flag; tries nothing."""
        return self._cooldown.failing

    def prepare(self) -> None:
        """Load Celery and the broker's client now rather than in the first publish; does not connect.

        That is 0.3 s of work, and from a cold disk can take longer than a publish may.
        """
        forking.notice()
        _ = self._app.amqp.queues
        with self._lock:
            if not self._idle:
                self._idle.append(new_line(self._settings, self._app))

    def close(self) -> None:
        """Drop the idle connections. Safe to call twice; a later publish opens new ones."""
        forking.notice()
        with self._lock:
            idle, self._idle = self._idle, []
        for line in idle:
            line.close()

    @cached_property
    def _app(self) -> Any:
        return client_app(self._settings)

    def _attempt(self, chunk: Sequence[str]) -> bool:
        forking.notice()
        if not self._cooldown.over():
            return False
        with self._line_slot() as free:
            # Whoever waited for a slot may have waited for a broker that turned out to hang.
            if not free or not self._cooldown.enter():
                return False
            try:
                self._send(chunk)
            except Exception as error:
                self._report_failure(error)
                return False
            self._cooldown.succeeded()
            return True

    def _send(self, chunk: Sequence[str]) -> None:
        with self._lock:
            line = self._idle.pop() if self._idle else None
        line = line or new_line(self._settings, self._app)
        try:
            line.send(chunk)
        finally:
            with self._lock:
                self._idle.append(line)

    @contextlib.contextmanager
    def _line_slot(self) -> Iterator[bool]:
        slots = self._slots
        free = slots.acquire(timeout=STEP)
        try:
            yield free
        finally:
            if free:
                slots.release()

    def _report_failure(self, error: Exception) -> None:
        relieve(error)
        self._untold = self._cooldown.failed() or self._untold
        if self._untold and self._clock() >= self._silent_until:
            self._untold, self._silent_until = False, self._clock() + QUIET
            log.warning("%s", _told(error))

    def _start_afresh(self) -> None:
        self._lock = threading.Lock()
        self._slots = threading.BoundedSemaphore(LINES)
        self._cooldown = Cooldown(clock=self._clock)
        self._idle = []

    def after_fork(self) -> None:
        """In a forked child. The parent goes on undisturbed."""
        # Forgotten, not closed: closing would say goodbye to the broker in the parent's name.
        self.__dict__.pop("_app", None)
        self._start_afresh()


def _told(error: Exception) -> str:
    problem = mismatch(error)
    if problem is not None:
        return f"{problem}; until then orders wait in the database"
    # The error's own text may hold the broker's address.
    return f"the broker takes no messages ({in_words(error)}); orders wait in the database until it does"
