"""Counts a long backlog for everyone who asks, in a thread of its own: a million orders take up to a second."""

import logging
import threading
import time

from breakwall.monitor.counts import count_all, long_parts
from breakwall.monitor.stored_counts import forget, has_stored, store
from breakwall.payments.db.clock import DATABASE_CLOCK, Clock
from breakwall.payments.db.database import Database
from breakwall.worker.log.backlog_queries import is_oldest_worker

log = logging.getLogger("breakwall.backlog")

INTERVAL = 8.0  # Seconds from one count to the next, so that a count is at most ten seconds old.
LEAST_REST = (
    4.0  # The pause is at least so many times as long as the count: it takes a fifth of a core at most.
)
STOP_TIMEOUT = 2.0  # Seconds that an ending worker waits for a count.


class BacklogCounter:
    """Of all workers the oldest counts. It stores a count while many orders wait, are in review or are dead, and
    removes it afterwards.

    A count that fails is tried again; an outage of the database is reported elsewhere.
    """

    def __init__(self, database: Database, *, clock: Clock = DATABASE_CLOCK) -> None:
        self._database = database
        self._clock = clock
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="breakwall-counter", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def ask_to_stop(self) -> None:
        """Begin to stop, without waiting."""
        self._stopped.set()

    def stop(self) -> None:
        """End within `STOP_TIMEOUT` seconds. Only after `start`."""
        self.ask_to_stop()
        self._thread.join(STOP_TIMEOUT)

    def run_once(self) -> None:
        """Count, if the backlog is long and no older worker is alive. Raises as the database does."""
        if not self._database.read(lambda connection: is_oldest_worker(connection, self._clock)):
            return
        if parts := self._database.read(long_parts):
            # Not in the transaction that writes: on SQLite other writers would wait for the count.
            counted = self._database.read(lambda connection: count_all(connection, self._clock, parts))
            self._database.write(lambda connection: store(connection, counted), name="store_count")
        elif self._database.read(has_stored):
            self._database.write(forget, name="forget_count")

    def _run(self) -> None:
        while not self._stopped.is_set():
            began = time.monotonic()
            try:
                self.run_once()
            except Exception as error:  # also if this is an older database
                log.debug("no count of the backlog: %s", type(error).__name__)
            took = time.monotonic() - began
            self._stopped.wait(max(INTERVAL, LEAST_REST * took))
