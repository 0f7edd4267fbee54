"""Works on released orders while the drain is paused, in a thread of its own.

They do not travel through the broker, where they would wait behind all others. Each worker reads them from the
database; the claim decides which worker gets an order.
"""

import logging
import threading
from collections.abc import Callable

log = logging.getLogger("breakwall.worker")

INTERVAL = 1.0  # Seconds between two readings of the database, only while the drain is paused.


class ReleasedOrders:
    """Works on released orders one at a time, until it is stopped.

    ``next_due`` reads the id of the first one that is due, None without one, and raises if the database does not
    answer. It is read anew before each order: the pause may be another one by then.
    """

    def __init__(
        self,
        is_paused: Callable[[], bool],
        next_due: Callable[[], str | None],
        work_on: Callable[[str], object],
        *,
        interval: float = INTERVAL,
    ) -> None:
        self._is_paused = is_paused
        self._next_due = next_due
        self._work_on = work_on
        self._interval = interval
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="breakwall-released", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def ask_to_stop(self) -> None:
        """End after the order in hand; does not wait for it."""
        self._stopped.set()

    def join(self, timeout: float) -> None:
        """Wait until it has ended, at most ``timeout`` seconds."""
        self._thread.join(timeout)

    def run_once(self) -> int:
        """Work on the released orders that are due now; returns how many there were. Nothing without a pause."""
        worked_on: list[str] = []
        while not self._stopped.is_set() and self._is_paused():
            order_id = self._next_due()
            if order_id is None or order_id in worked_on:  # Still due: it could not be worked on.
                break
            self._work_on(order_id)
            worked_on.append(order_id)
        return len(worked_on)

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                self.run_once()
            except Exception as error:  # an outage of the database is reported elsewhere
                log.debug("no released order was worked on: %s", type(error).__name__)
            self._stopped.wait(self._interval)
