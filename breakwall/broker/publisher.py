"""Publishes orders' ids to the retry queue: in under a second, without an error, whatever the broker does."""

import itertools
import logging
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import cached_property
from queue import Empty, LifoQueue
from typing import Any

from breakwall.breaker import forking
from breakwall.broker.backoff import Backoff
from breakwall.broker.connections.base import MESSAGES_AT_ONCE, STEP_TIMEOUT, BrokerConnection
from breakwall.broker.connections.factory import client_app, new_connection
from breakwall.broker.errors import explain, explain_wrong_queue
from breakwall.host.descriptors import free_descriptors
from breakwall.log_throttle import LogThrottle
from breakwall.settings import Settings

log = logging.getLogger("breakwall.broker")

MAX_CONNECTIONS = 8  # For any number of threads: a connection is busy for about a millisecond a message.


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
        # A broker may come and go many times in a minute. An outage that begins in silence is told after it.
        self._has_news, self._throttle = False, LogThrottle(clock)
        self._backoff, self._pool = Backoff(clock=clock), _new_pool()
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
        return self._backoff.is_failing

    def prepare(self) -> None:
        """Load Celery and the broker's client now rather than in the first publish; does not connect.

        That is 0.3 s of work, and from a cold disk can take longer than a publish may.
        """
        forking.notice()
        _ = self._app.amqp.queues
        with suppress(Empty):
            self._pool.put(self._pool.get_nowait() or new_connection(self._settings, self._app))

    def close(self) -> None:
        """Drop the idle connections. Safe to call twice; a later publish opens new ones."""
        forking.notice()
        idle, self._pool = self._pool, _new_pool()
        with suppress(Empty):
            while True:
                if connection := idle.get_nowait():
                    connection.close()

    @cached_property
    def _app(self) -> Any:
        return client_app(self._settings)

    def _attempt(self, chunk: Sequence[str]) -> bool:
        forking.notice()
        pool = self._pool
        if not self._backoff.is_over():
            return False
        try:
            connection = pool.get(timeout=STEP_TIMEOUT)
        except Empty:
            return False
        try:
            # A thread that waited for a connection may have waited for a broker that turned out to hang.
            if not self._backoff.try_enter():
                return False
            connection = connection or new_connection(self._settings, self._app)
            connection.send(chunk)
        except Exception as error:
            self._record_failure(error)
            return False
        finally:
            pool.put(connection)
        self._backoff.record_success()
        return True

    def _record_failure(self, error: Exception) -> None:
        free_descriptors(error)
        self._has_news = self._backoff.record_failure() or self._has_news
        if self._has_news and self._throttle.admit():
            self._has_news = False
            log.warning("%s", _explain(error))

    def after_fork(self) -> None:
        """In a forked child. The parent goes on undisturbed."""
        # Forgotten, not closed: closing would say goodbye to the broker in the parent's name.
        self.__dict__.pop("_app", None)
        self._backoff, self._pool = Backoff(clock=self._clock), _new_pool()


def _new_pool() -> LifoQueue[BrokerConnection | None]:
    """The connections that are not in use: the last one used first, and None for one that was never made."""
    pool: LifoQueue[BrokerConnection | None] = LifoQueue()
    for _ in range(MAX_CONNECTIONS):
        pool.put(None)
    return pool


def _explain(error: Exception) -> str:
    problem = explain_wrong_queue(error)
    if problem is not None:
        return f"{problem}; until then orders wait in the database"
    return f"the broker takes no messages ({explain(error)}); orders wait in the database until it does"
