"""Records the strange messages that a worker sets aside: logs each kind once a minute, and stores them."""

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

# Messages that may wait to be stored. More are not stored, only logged: many at once are mostly the same.
QUEUE_SIZE = 200
BATCH = 50  # Messages stored in one transaction.
CLOSE_TIMEOUT = 2.0  # Seconds that an ending worker waits for messages that are not stored yet.


class StrangeMessageRecorder:
    """Takes messages from the event loop without delaying it. Safe for threads.

    If the database fails, the messages are only logged.
    """

    def __init__(self, database: Callable[[], Database], clock: Callable[[], float] = time.monotonic) -> None:
        self._database = database
        self._throttle = LogThrottle(clock)
        self._waiting: queue.Queue[StrangeMessage | None] = queue.Queue(QUEUE_SIZE)
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def record(self, message: StrangeMessage) -> None:
        """Log and store one. Never raises, never waits."""
        if number := self._throttle.admit(message.reason):
            more = "" if number == 1 else f" (and {number - 1:,} more like it)"
            log.warning(
                "set aside a strange message: %s%s; `breakwall queue strange` shows it",
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
            # If no thread can be started now, the next message tries again. Each of them is logged already.
            with suppress(*EXHAUSTION_ERRORS):
                thread.start()
                self._thread = thread

    def _run(self) -> None:
        closed = False
        while not closed:
            batch = [self._waiting.get()]
            with suppress(queue.Empty):
                while len(batch) < BATCH:
                    batch.append(self._waiting.get_nowait())
            closed = None in batch
            self._store([message for message in batch if message is not None])

    def _store(self, batch: list[StrangeMessage]) -> None:
        if not batch:
            return
        try:
            store_messages(self._database(), batch)
        except Exception as error:  # the messages are set aside nevertheless
            kind = type(error).__name__
            if self._throttle.admit(kind):
                log.warning("strange messages could not be stored (%s)", kind)
