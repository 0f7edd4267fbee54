"""Sets messages aside that are none of ours: counted, told once a minute, kept where the database takes them."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress

from breakwall.broker.messages import StrangeMessage
from breakwall.host.exhaustion import SHORTAGES
from breakwall.payments.db.database import Database
from breakwall.payments.fleet.strange_messages import Strange, keep

log = logging.getLogger("breakwall.worker")

PAUSE = 60.0
"""Seconds between two lines about messages of the same kind."""

WAITING = 200
"""Messages that wait to be kept; those beyond are counted alone. Whoever sends more sends the same."""

AT_ONCE = 50
"""Messages of one transaction."""

GOODBYE = 2.0
"""Seconds that the end of the worker waits for those that are not kept yet."""


class StrangeBox:
    """Takes messages from the event loop without holding it up. Safe for threads.

    Args:
        database: where they are kept; where it takes none they are only told and counted.
        clock: seconds, monotonic.
    """

    def __init__(self, database: Callable[[], Database], clock: Callable[[], float] = time.monotonic) -> None:
        self._database = database
        self._clock = clock
        self._waiting: queue.Queue[Strange | None] = queue.Queue(WAITING)
        self._lock = threading.Lock()
        self._unsaid: Counter[str] = Counter()
        self._silent_until: dict[str, float] = {}
        self._thread: threading.Thread | None = None
        self.total = 0
        """How many there were since the start."""

    def put(self, message: StrangeMessage) -> None:
        """Count, tell and keep one. Never raises, never waits."""
        self._tell(
            message.reason,
            "set aside a message that is none of ours: %s%s; `breakwall queue strange` shows it",
        )
        with suppress(queue.Full):
            self._waiting.put_nowait(Strange(message.reason, message.headers, message.body))
        self._start()

    def close(self) -> None:
        """Keep what waits, for a moment. Safe to call twice."""
        thread, self._thread = self._thread, None
        if thread is not None:
            with suppress(queue.Full):
                self._waiting.put_nowait(None)
            thread.join(GOODBYE)

    def _tell(self, kind: str, sentence: str) -> None:
        now = self._clock()
        with self._lock:
            self.total += 1
            self._unsaid[kind] += 1
            if now < self._silent_until.get(kind, now):
                return
            number = self._unsaid.pop(kind)
            self._silent_until[kind] = now + PAUSE
        log.warning(sentence, kind, "" if number == 1 else f" (and {number - 1:,} more like it)")

    def _start(self) -> None:
        with self._lock:
            if self._thread is not None:
                return
            thread = threading.Thread(target=self._run, name="breakwall-strange", daemon=True)
            # With no thread to be had they wait for the next message, or go: they were told of.
            with suppress(*SHORTAGES):
                thread.start()
                self._thread = thread

    def _run(self) -> None:
        going_on = True
        while going_on:
            batch = [self._waiting.get()]
            with suppress(queue.Empty):
                while len(batch) < AT_ONCE:
                    batch.append(self._waiting.get_nowait())
            going_on = None not in batch
            self._keep([one for one in batch if one is not None])

    def _keep(self, batch: list[Strange]) -> None:
        if not batch:
            return
        try:
            keep(self._database(), batch)
        except Exception as error:  # the message is set aside either way
            kind = type(error).__name__
            now = self._clock()
            if now >= self._silent_until.get(kind, now):
                self._silent_until[kind] = now + PAUSE
                log.warning("messages that are none of ours could not be kept (%s)", kind)
