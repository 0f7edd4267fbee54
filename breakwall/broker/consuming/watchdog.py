"""Notices that the broker has forgotten a worker's consumer although the connection is open.

RabbitMQ does so under load if its quorum queue is deleted and at once declared again. The worker sees only that
messages wait, there is room for them, and none comes.
"""

import logging
import threading
import time
from collections.abc import Callable
from typing import Any, Protocol

from celery import bootsteps

log = logging.getLogger("breakwall.broker")

INTERVAL = 1.0  # Seconds between two checks of the last message's time. A check is a comparison.
QUIET = 4.0  # Seconds without a message until the broker is asked for waiting ones. It sends a message in milliseconds.
ANSWERS = 2  # Times in a row that messages wait: one answer may count those that are just being sent.


class Watched(Protocol):
    """A consumer, as its watchdog sees it."""

    last_message_at: float  # On the monotonic clock.

    @property
    def expects_messages(self) -> bool:
        """Whether it is connected, consumes the queue, takes another message, and the broker may send one."""

    def give_up(self, reason: str) -> None:
        """Connect again. Thread-safe."""


class Watchdog:
    """Has a consumer connect again if messages wait and none comes.

    ``depth`` returns how many messages wait at the broker, or None if it does not answer.
    """

    def __init__(self, depth: Callable[[], int | None], clock: Callable[[], float] = time.monotonic) -> None:
        self._depth = depth
        self._clock = clock
        self._waiting = 0  # How many answers in a row counted waiting messages.
        self._asked_at = float("-inf")

    def run_once(self, consumer: Watched) -> None:
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

    def _is_hungry(self, consumer: Watched) -> bool:
        quiet = self._clock() - consumer.last_message_at
        return consumer.expects_messages and quiet >= QUIET


class WatchdogThread:
    """Runs a consumer's `Watchdog` until it is stopped. Daemonic, and its end is not waited for."""

    def __init__(self, watchdog: Watchdog, consumer: Watched) -> None:
        self._watchdog = watchdog
        self._consumer = consumer
        self._stopped = threading.Event()

    def start(self) -> None:
        threading.Thread(target=self._run, name="breakwall-consumer-watchdog", daemon=True).start()

    def stop(self) -> None:
        self._stopped.set()

    def _run(self) -> None:
        while not self._stopped.wait(INTERVAL):
            try:
                self._watchdog.run_once(self._consumer)
            except Exception as error:  # the next run may succeed
                log.debug("the consumer's watchdog failed: %s", type(error).__name__)


class WatchdogStep(bootsteps.StartStopStep):
    """Runs a worker's `WatchdogThread` until the worker ends."""

    requires = ("celery.worker.consumer.tasks:Tasks",)
    thread: WatchdogThread | None = None

    def start(self, consumer: Any) -> None:
        """Called at every connection; the first starts the thread."""
        if self.thread is None:
            self.thread = WatchdogThread(Watchdog(consumer.app.breakwall.depth), consumer)
            self.thread.start()

    def shutdown(self, consumer: Any) -> None:
        if self.thread is not None:
            self.thread.stop()
