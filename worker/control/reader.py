"""What operators have decided for the drain, as this process knows it: read from the database once a second."""

import logging
import threading
import time
from collections.abc import Callable

from sqlalchemy import Connection

from breakwall.log_throttle import throttled
from breakwall.payments.db.clock import DATABASE_CLOCK, Clock
from breakwall.payments.db.database import Database
from breakwall.payments.fleet.drain_control import DrainState, Pause, effective_rate, read_state
from breakwall.payments.fleet.workers import live_workers

log = logging.getLogger("breakwall.worker")

INTERVAL = 1.0  # Seconds between two readings: a pause reaches every worker within about a second.

# Until the first answer of the database the drain counts as paused: it may be.
UNREAD = DrainState(Pause("breakwall", "the orders database has not answered yet", None))


class DrainStateReader:
    """The drain's state, at most about a second old. Never raises, and is safe for threads.

    If the database does not answer, the last known state stays. One thread reads; the others meanwhile get the state
    that is known; before the first answer they wait for it. ``max_rate`` is the setting RETRY__MAX_RATE, ``monotonic``
    a clock for durations, in seconds.
    """

    def __init__(
        self,
        database: Database,
        *,
        max_rate: float | None = None,
        clock: Clock = DATABASE_CLOCK,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._max_rate = max_rate
        self._clock = clock
        self._monotonic = monotonic
        self._state = UNREAD
        self._workers = 1
        self._next = float("-inf")
        self._reading = threading.Lock()
        self._warn = throttled(log.warning)

    @property
    def state(self) -> DrainState:
        """What operators have decided."""
        self._refresh()
        return self._state

    @property
    def rate(self) -> float | None:
        """The fleet's highest rate, in orders a second; None without one."""
        return effective_rate(self.state, self._max_rate)

    @property
    def workers(self) -> int:
        """How many live workers share the rate, at least 1."""
        self._refresh()
        return self._workers

    def is_paused(self) -> bool:
        """Whether only released orders may be worked on."""
        return self.state.paused is not None

    def _refresh(self) -> None:
        if self._monotonic() < self._next:
            return
        if not self._reading.acquire(blocking=self._state is UNREAD):
            return
        try:
            if self._monotonic() >= self._next:
                self._read()
                self._next = self._monotonic() + INTERVAL
        finally:
            self._reading.release()

    def _read(self) -> None:
        before = self._state
        try:
            self._state, self._workers = self._database.read(self._select)
        except Exception as error:  # Whatever it is, the drain continues with what is known.
            log.debug("the drain's control could not be read: %s", type(error).__name__)
            if before is UNREAD:
                self._warn(f"no waiting order is sent before the orders database answers: {error}")
            return
        _log_change(before, self._state)

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
