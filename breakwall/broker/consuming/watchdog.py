"""Notices that a worker's consumer is forgotten by its broker, although both think that they are connected.

RabbitMQ forgets one without a word when its quorum queue is deleted and declared again at once, as happens under
load. Nothing at the worker's side shows it, but that messages wait, slots are free, and nothing comes.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Any, Protocol

from celery import bootsteps

log = logging.getLogger("breakwall.broker")

INTERVAL = 1.0
"""Seconds between two looks at when the last message came: no more than a comparison."""

PATIENCE = 4.0
"""Seconds without a message before the broker is asked whether any wait. It sends one in milliseconds."""

LOOKS = 2
"""Looks in a row that have to find messages waiting: one may find them just as they are sent."""


class Consumer(Protocol):
    """What is watched."""

    @property
    def idle_slots(self) -> int: ...

    @property
    def last_message_at(self) -> float: ...

    @property
    def consumes(self) -> bool: ...

    def give_up(self, reason: str) -> None: ...


class Watch:
    """One look, `run_once`, and what it has seen before.

    Args:
        depth: messages that wait at the broker; None when it does not answer.
        clock: seconds, monotonic.
    """

    def __init__(self, depth: Callable[[], int | None], clock: Callable[[], float] = time.monotonic) -> None:
        self._depth = depth
        self._clock = clock
        self._looks = 0
        self._asked_at = float("-inf")

    def run_once(self, consumer: Consumer) -> None:
        """Have the consumer connect anew where messages wait and none comes."""
        if not self._is_hungry(consumer):
            self._looks = 0
            return
        if self._clock() - self._asked_at < PATIENCE / LOOKS:
            return
        self._asked_at = self._clock()
        self._looks = self._looks + 1 if self._depth() else 0
        # Asking may have taken long enough for one to come.
        if self._looks >= LOOKS and self._is_hungry(consumer):
            self._looks = 0
            consumer.give_up("messages wait and none comes")

    def _is_hungry(self, consumer: Consumer) -> bool:
        quiet = self._clock() - consumer.last_message_at
        return consumer.consumes and consumer.idle_slots > 0 and quiet >= PATIENCE


class WatchStep(bootsteps.StartStopStep):
    """Runs a `Watch` over a worker's consumer, in a thread of the worker, for as long as that lives."""

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def __init__(self, consumer: Any, **options: Any) -> None:
        self._thread: threading.Thread | None = None
        self._stopped = threading.Event()
        super().__init__(consumer, **options)

    def start(self, consumer: Any) -> None:
        """Called at every connection; the first starts the thread."""
        if self._thread is None:
            watch = Watch(consumer.app.breakwall.depth)
            self._thread = threading.Thread(
                target=self._run, args=(watch, consumer), name="breakwall-consumer-watch", daemon=True
            )
            self._thread.start()

    def shutdown(self, consumer: Any) -> None:
        self._stopped.set()

    def _run(self, watch: Watch, consumer: Any) -> None:
        while not self._stopped.wait(INTERVAL):
            try:
                watch.run_once(consumer)
            except Exception as error:  # it watches on
                log.debug("the consumer's watch failed: %s", type(error).__name__)
