"""Publishes orders' ids to the retry queue, without raising, whatever the broker does."""

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
from breakwall.broker.connections.base import IDS_AT_ONCE, STEP_TIMEOUT, BrokerConnection
from breakwall.broker.connections.factory import client_app, new_connection
from breakwall.broker.errors import explain, explain_wrong_queue
from breakwall.broker.publish_thread import PublishThread
from breakwall.host.descriptors import free_descriptors
from breakwall.log_throttle import LogThrottle
from breakwall.settings import Settings

log = logging.getLogger("breakwall.broker")

FLUSH_TIMEOUT = 1.0  # Seconds: a publish takes less, whatever the broker does.

MAX_CONNECTIONS = 8  # For any number of threads: a message occupies a connection for about a millisecond.


class Publisher:
    """Sends orders' ids to the retry workers, `IDS_A_MESSAGE` in each message. Thread-safe.

    A failed publish loses nothing: the order is in the database and the dispatcher republishes it. After a failure
    there is a `Backoff`, so that an outage costs an order microseconds. After a fork the child opens its own
    connections. Loads Celery at the first use. On Redis, a publish over an open connection is one ``LPUSH``.
    """

    def __init__(self, settings: Settings, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._clock = clock
        # Outages are logged at most once a minute. One that starts within that minute is logged by a later failure.
        self._has_unlogged_failure, self._throttle = False, LogThrottle(clock)
        self._backoff, self._pool = Backoff(clock=clock), _new_pool()
        self._behind = PublishThread(self.publish_many)
        forking.remember(self)

    def publish_soon(self, order_ids: Iterable[str]) -> None:
        """Publish behind the caller. Never waits for the broker, and never raises.

        What the broker does not take, and what there is no room for, is left to the dispatcher.
        """
        forking.notice()
        self._behind.add(order_ids)

    def publish_many(self, order_ids: Iterable[str]) -> int:
        """Publish in order, stop at the first failure, and return how many ids the broker has.

        The later ones, ``order_ids[returned:]``, may have arrived or not. Never raises, and returns less than a second
        after the broker stops answering.
        """
        sent = 0
        ids = iter(order_ids)
        while (batch := list(itertools.islice(ids, IDS_AT_ONCE))) and self._attempt(batch):
            sent += len(batch)
        return sent

    @property
    def failing(self) -> bool:
        """Whether the last publish that was tried failed. Reads a flag; tries nothing."""
        return self._backoff.is_failing

    def prepare(self) -> None:
        """Load Celery and the broker's client now instead of in the first publish; does not connect.

        That takes 0.3 s, and from a cold disk more than a publish may take.
        """
        forking.notice()
        _ = self._app.amqp.queues
        with suppress(Empty):
            self._pool.put(self._pool.get_nowait() or new_connection(self._settings, self._app))

    def close(self) -> None:
        """Publish what waits, within about a second, and drop the idle connections.

        Safe to call twice; the next publish opens new ones.
        """
        forking.notice()
        self._behind.flush(FLUSH_TIMEOUT)
        idle, self._pool = self._pool, _new_pool()
        with suppress(Empty):
            while True:
                if connection := idle.get_nowait():
                    connection.close()

    @cached_property
    def _app(self) -> Any:
        return client_app(self._settings)

    def _attempt(self, batch: Sequence[str]) -> bool:
        forking.notice()
        pool = self._pool
        if not self._backoff.is_over():
            return False
        try:
            connection = pool.get(timeout=STEP_TIMEOUT)
        except Empty:
            return False
        try:
            # While this thread waited for a connection, another thread may have noticed that the broker hangs.
            if not self._backoff.try_enter():
                return False
            connection = connection or new_connection(self._settings, self._app)
            connection.send(batch)
        except Exception as error:
            self._record_failure(error)
            return False
        finally:
            pool.put(connection)
        self._backoff.record_success()
        return True

    def _record_failure(self, error: Exception) -> None:
        free_descriptors(error)
        self._has_unlogged_failure = self._backoff.record_failure() or self._has_unlogged_failure
        if self._has_unlogged_failure and self._throttle.admit():
            self._has_unlogged_failure = False
            log.warning("%s", _explain(error))

    def after_fork(self) -> None:
        """In a forked child."""
        # Not closed: closing would end the parent's connections at the broker.
        self.__dict__.pop("_app", None)
        self._backoff, self._pool = Backoff(clock=self._clock), _new_pool()
        # The parent publishes what waits.
        self._behind = PublishThread(self.publish_many)


def _new_pool() -> LifoQueue[BrokerConnection | None]:
    """The connections that are not in use, the last used first; None for one that was never made."""
    pool: LifoQueue[BrokerConnection | None] = LifoQueue()
    for _ in range(MAX_CONNECTIONS):
        pool.put(None)
    return pool


def _explain(error: Exception) -> str:
    problem = explain_wrong_queue(error)
    if problem is not None:
        return f"{problem}; until then orders wait in the database"
    return f"the broker takes no messages ({explain(error)}); orders wait in the database until it does"
