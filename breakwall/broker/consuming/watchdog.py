"""Notices that the broker has forgotten a worker's consumer, although both sides believe that they are connected.

RabbitMQ forgets one when its quorum queue is deleted and declared again at once, as happens under load. The worker
can see it only by this: messages wait, slots are free, and nothing comes.
"""

import logging
import threading
import time
from collections.abc import Callable
from typing import Any, Protocol

from celery import bootsteps

log = logging.getLogger("breakwall.broker")

INTERVAL = 1.0  # Seconds between two looks at when the last message came: a look is a comparison.

# Seconds without a message before the broker is asked whether any wait. It sends one in milliseconds.
QUIET = 4.0

LOOKS = 2  # Looks in a row that have to find messages waiting: one may find them just as they are sent.


class WatchedConsumer(Protocol):
    @property
    def idle_slots(self) -> int: ...

    @property
    def last_message_at(self) -> float: ...

    @property
    def consumes(self) -> bool: ...

    def give_up(self, reason: str) -> None: ...


class Watchdog:
    """Has a consumer connect anew where messages wait and none comes.

    Args:
        depth: messages that wait at the broker; None when it does not answer.
        clock: seconds, monotonic.
    """

    def __init__(self, depth: Callable[[], int | None], clock: Callable[[], float] = time.monotonic) -> None:
        self._depth = depth
        self._clock = clock
        self._looks = 0
        self._asked_at = float("-inf")

    def run_once(self, consumer: WatchedConsumer) -> None:
        """One look."""
        if not self._is_hungry(consumer):
            self._looks = 0
            return
        if self._clock() - self._asked_at < QUIET / LOOKS:
            return
        self._asked_at = self._clock()
        self._looks = self._looks + 1 if self._depth() else 0
        # Asking may have taken long enough for one to come.
        if self._looks >= LOOKS and self._is_hungry(consumer):
            self._looks = 0
            consumer.give_up("messages wait and none comes")

    def _is_hungry(self, consumer: WatchedConsumer) -> bool:
        quiet = self._clock() - consumer.last_message_at
        return consumer.consumes and consumer.idle_slots > 0 and quiet >= QUIET


class WatchdogStep(bootsteps.StartStopStep):
    """Runs a `Watchdog` over a worker's consumer, in a thread, for as long as the worker lives."""

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
            except Exception as error:  # the next look may succeed
                log.debug("the consumer's watchdog failed: %s", type(error).__name__)
