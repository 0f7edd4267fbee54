"""What operators have decided for the drain, as this process knows it: a thread reads it from the database."""

import logging
import threading
from collections.abc import Callable

from sqlalchemy import Connection

from breakwall.log_throttle import throttled
from breakwall.payments.db.clock import DATABASE_CLOCK, Clock
from breakwall.payments.db.database import Database
from breakwall.payments.fleet.drain_control import DrainState, Pause, effective_rate, read_state
from breakwall.payments.fleet.workers import live_workers

log = logging.getLogger("breakwall.worker")

INTERVAL = 1.0  # Seconds between two readings: a pause reaches every worker within about a second.

# Seconds that a starting worker waits for the first reading. Without it, its first orders would be deferred.
FIRST_READING = 2.0

# Until the first answer of the database the drain counts as paused: it may be.
UNREAD = DrainState(Pause("breakwall", "the orders database has not answered yet", None))


class DrainStateReader:
    """Knows the drain's state, about a second old. Whoever asks never waits and gets no error. Safe for threads.

    If the database does not answer, the last known state stays. ``max_rate`` is the setting RETRY__MAX_RATE. ``cap``
    gets, after each reading, the fleet's highest rate in orders a second and how many live workers share it.
    """

    def __init__(
        self,
        database: Database,
        cap: Callable[[float | None, int], object],
        *,
        max_rate: float | None = None,
        clock: Clock = DATABASE_CLOCK,
    ) -> None:
        self.state = UNREAD  # What operators have decided.
        self._database = database
        self._cap = cap
        self._max_rate = max_rate
        self._clock = clock
        self._warn = throttled(log.warning)
        self._stopped = threading.Event()
        self._tried = threading.Event()
        self._thread = threading.Thread(target=self._run, name="breakwall-control", daemon=True)

    def is_paused(self) -> bool:
        """Whether only released orders may be worked on."""
        return self.state.paused is not None

    def start(self) -> None:
        """Start to read, and wait for the first reading, at most `FIRST_READING` seconds."""
        self._thread.start()
        self._tried.wait(FIRST_READING)

    def ask_to_stop(self) -> None:
        """End after the present reading; does not wait for it."""
        self._stopped.set()

    def run_once(self) -> bool:
        """Read the state, and log a change. Returns whether the database answered; raises nothing."""
        before = self.state
        try:
            state, workers = self._database.read(self._select)
        except Exception as error:  # Whatever it is, the drain continues with what is known.
            log.debug("the drain's control could not be read: %s", type(error).__name__)
            if before is UNREAD:
                self._warn(f"no waiting order is sent before the orders database answers: {error}")
            return False
        # First: as soon as the drain is known to run, orders may be sent.
        self._cap(effective_rate(state, self._max_rate), workers)
        self.state = state
        _log_change(before, self.state)
        return True

    def _run(self) -> None:
        while not self._stopped.is_set():
            self.run_once()
            self._tried.set()
            self._stopped.wait(INTERVAL)

    def _select(self, connection: Connection) -> tuple[DrainState, int]:
        state = read_state(connection, self._clock)
        shared = effective_rate(state, self._max_rate) is not None
        workers = live_workers(connection, self._clock) if shared else None
        return state, max(1, len(workers or []))


def _log_change(before: DrainState, now: DrainState) -> None:
    if now.paused is not None and before.paused != now.paused:
        log.warning("drain paused by %s: %s", now.paused.actor, now.paused.reason)
    if now.paused is None and before.paused is not None and before is not UNREAD:
        log.warning("the drain continues: it is no longer paused")
    if now.rate != before.rate:
        limit = "no limit" if now.rate is None else f"{now.rate.per_second:,.12g} orders a second"
        by = "" if now.rate is None else f", set by {now.rate.actor}: {now.rate.reason}"
        log.warning("the drain's highest rate is now %s%s", limit, by)
