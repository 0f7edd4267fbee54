"""Records foreign messages that workers set aside: counts them, logs each kind once a minute, stores them."""

import logging
import queue
import threading
import time
from collections.abc import Callable
from contextlib import suppress

from breakwall.broker.messages.strange import StrangeMessage
from breakwall.host.exhaustion import EXHAUSTION_ERRORS
from breakwall.log_throttle import LogThrottle
from breakwall.payments.db.database import Database
from breakwall.payments.fleet.strange_messages import store_messages

log = logging.getLogger("breakwall.worker")

# Messages that may wait to be stored. Those beyond are only counted: many at once are mostly the same.
QUEUE_SIZE = 200

BATCH = 50  # Messages stored in one transaction.

CLOSE_TIMEOUT = 2.0  # Seconds that the worker's end waits for those that are not stored yet.


class StrangeMessageRecorder:
    """Takes messages from the event loop without delaying it. Safe for threads.

    Args:
        database: where they are stored. If it fails, they are only logged and counted.
        clock: seconds, monotonic.
    """

    def __init__(self, database: Callable[[], Database], clock: Callable[[], float] = time.monotonic) -> None:
        self._database = database
        self._throttle = LogThrottle(clock)
        self._waiting: queue.Queue[StrangeMessage | None] = queue.Queue(QUEUE_SIZE)
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self.total = 0
        """Messages since the start."""

    def record(self, message: StrangeMessage) -> None:
        """Count, log and store one. Never raises, never waits."""
        with self._lock:
            self.total += 1
        if number := self._throttle.admit(message.reason):
            more = "" if number == 1 else f" (and {number - 1:,} more like it)"
            log.warning(
                "set aside a message that is none of ours: %s%s; `breakwall queue strange` shows it",
                *(message.reason, more),
            )
        with suppress(queue.Full):
            self._waiting.put_nowait(message)
        self._start()

    def close(self) -> None:
        """Store the messages that wait, within `CLOSE_TIMEOUT`. Safe to call twice."""
        thread, self._thread = self._thread, None
        if thread is not None:
            with suppress(queue.Full):
                self._waiting.put_nowait(None)
            thread.join(CLOSE_TIMEOUT)

    def _start(self) -> None:
        with self._lock:
            if self._thread is not None:
                return
            thread = threading.Thread(target=self._run, name="breakwall-strange", daemon=True)
            # If no thread can be started now, the next message tries again. All of them are logged already.
            with suppress(*EXHAUSTION_ERRORS):
                thread.start()
                self._thread = thread

    def _run(self) -> None:
        going_on = True
        while going_on:
            batch = [self._waiting.get()]
            with suppress(queue.Empty):
                while len(batch) < BATCH:
                    batch.append(self._waiting.get_nowait())
            going_on = None not in batch
            self._store([message for message in batch if message is not None])

    def _store(self, batch: list[StrangeMessage]) -> None:
        if not batch:
            return
        try:
            store_messages(self._database(), batch)
        except Exception as error:  # the message is set aside either way
            kind = type(error).__name__
            if self._throttle.admit(kind):
                log.warning("messages that are none of ours could not be kept (%s)", kind)
