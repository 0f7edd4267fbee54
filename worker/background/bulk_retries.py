"""Works on bulk retries, in a thread of its own: of all workers one, and another if that ends."""

import logging
import threading

from breakwall.payments.db.database import Database
from breakwall.payments.operator.bulk_retry.runner import MAX_WAIT, BulkRetryRunner

log = logging.getLogger("breakwall.worker")

STOP_TIMEOUT = 5.0  # Seconds that an ending worker waits for the batch in hand.


class BulkRetryLoop:
    """Runs a `BulkRetryRunner` until it is stopped. Its pauses leave time and database to the orders in hand.

    An error is tried again; an outage of the database is reported elsewhere.
    """

    def __init__(self, database: Database, *, looks_up: bool, gateway: str | None = None) -> None:
        self._runner = BulkRetryRunner(database, looks_up=looks_up, gateway=gateway)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="breakwall-bulk-retries", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def ask_to_stop(self) -> None:
        """Begin to stop, without waiting."""
        self._stopped.set()

    def stop(self) -> None:
        """End within `STOP_TIMEOUT` seconds, and let another worker go on at once. Only after `start`."""
        self.ask_to_stop()
        self._thread.join(STOP_TIMEOUT)

    def _run(self) -> None:
        while not self._stopped.is_set():
            self._stopped.wait(self._run_once())
        self._runner.give_up()

    def _run_once(self) -> float:
        try:
            return self._runner.run_once()
        except Exception as error:
            log.debug("no bulk retry: %s", type(error).__name__)
            return MAX_WAIT
