"""Notices that the broker has forgotten a worker's consumer although the connection is open.

RabbitMQ does so under load if its quorum queue is deleted and at once declared again. The worker sees only that
messages wait, there is room for them, and none comes.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from celery import bootsteps

if TYPE_CHECKING:
    from breakwall.broker.consuming.consumer import RetryConsumer

log = logging.getLogger("breakwall.broker")

INTERVAL = 1.0  # Seconds between two checks of the last message's time. A check is a comparison.
QUIET = 4.0  # Seconds without a message until the broker is asked for waiting ones. It sends a message in milliseconds.
ANSWERS = 2  # Times in a row that messages wait: one answer may count those that are just being sent.


class Watchdog:
    """Has a consumer connect again if messages wait and none comes.

    ``depth`` returns how many messages wait at the broker, or None if it does not answer.
    """

    def __init__(self, depth: Callable[[], int | None], clock: Callable[[], float] = time.monotonic) -> None:
        self._depth = depth
        self._clock = clock
        self._waiting = 0  # How many answers in a row counted waiting messages.
        self._asked_at = float("-inf")

    def run_once(self, consumer: RetryConsumer) -> None:
        if not self._is_hungry(consumer):
            self._waiting = 0
            return
        if self._clock() - self._asked_at < QUIET / ANSWERS:
            return
        self._asked_at = self._clock()
        self._waiting = self._waiting + 1 if self._depth() else 0
        # A message may have come while the broker was asked.
        if self._waiting >= ANSWERS and self._is_hungry(consumer):
            self._waiting = 0
            consumer.give_up("messages wait and none comes")

    def _is_hungry(self, consumer: RetryConsumer) -> bool:
        quiet = self._clock() - consumer.last_message_at
        return consumer.expects_messages and quiet >= QUIET


class WatchdogStep(bootsteps.StartStopStep):
    """Runs a `Watchdog` for a worker's consumer, in a thread, until the worker ends."""

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def __init__(self, consumer: Any, **options: Any) -> None:
        self._thread: threading.Thread | None = None
        self._stopped = threading.Event()
        super().__init__(consumer, **options)

    def start(self, consumer: Any) -> None:
        """Called at every connection; the first starts the thread."""
        if self._thread is None:
            watchdog = Watchdog(consumer.app.breakwall.depth)
            self._thread = threading.Thread(
                target=self._run, args=(watchdog, consumer), name="breakwall-consumer-watchdog", daemon=True
            )
            self._thread.start()

    def shutdown(self, consumer: Any) -> None:
        self._stopped.set()

    def _run(self, watchdog: Watchdog, consumer: Any) -> None:
        while not self._stopped.wait(INTERVAL):
            try:
                watchdog.run_once(consumer)
            except Exception as error:  # the next run may succeed
                log.debug("the consumer's watchdog failed: %s", type(error).__name__)
