"""Delivers outcomes in a thread of its own, so that no payment waits for the shop."""

import logging
import threading
import time
from collections.abc import Callable

from breakwall.log_throttle import throttled
from breakwall.payments.db.database import DatabaseUnavailableError
from breakwall.payments.outcomes.delivering import Delivering

log = logging.getLogger("breakwall.worker")

STOP_TIMEOUT = (
    5.0  # Seconds that an ending worker waits for deliveries. What does not end in time is delivered again.
)
AFTER_FAILURE = 2.0  # Seconds until the next round after one that failed.


class OutcomeLoop:
    """Runs rounds of a `Delivering` until it is stopped."""

    def __init__(self, delivering: Delivering, *, report: Callable[[str], None] | None = None) -> None:
        self._delivering, self._report = delivering, report or throttled(log.warning)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="breakwall-outcomes", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def ask_to_stop(self) -> None:
        """End the loop after the present round, and begin no more calls; does not wait."""
        self._stopped.set()
        self._delivering.ask_to_stop()

    def stop(self, timeout: float = STOP_TIMEOUT) -> None:
        """Claim nothing more, and wait for the calls in hand and their record, about ``timeout`` seconds at most."""
        end = time.monotonic() + timeout
        self._stopped.set()
        if self._thread.ident is not None:  # it may never have been started
            self._thread.join(timeout)
        if self._thread.is_alive():
            return  # the database hangs; each claim expires
        try:
            self._delivering.stop(max(0.0, end - time.monotonic()))
        except Exception as error:  # each claim expires, and is delivered again
            self._report(f"the last deliveries of outcomes were not recorded ({type(error).__name__})")
        self._delivering.close()

    def _run(self) -> None:
        while not self._stopped.is_set():
            self._stopped.wait(self._run_once())

    def _run_once(self) -> float:
        try:
            return self._delivering.run_once()
        except DatabaseUnavailableError as error:
            self._report(str(error))
        except Exception as error:
            self._report(f"the delivery of outcomes failed and continues: {type(error).__name__}")
        return AFTER_FAILURE
