"""Samples the backlog into the history: one process of all, by a lease; another one takes over when it ends."""

import logging
import threading
import time
import uuid
from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy import Connection, select

from breakwall.breaker import CircuitState
from breakwall.monitor.backlog import Backlog, Monitor
from breakwall.monitor.broker_difference import count_published, difference
from breakwall.monitor.history import store
from breakwall.monitor.history.circuit_history import CircuitHistory, remove_before
from breakwall.monitor.history.open_time import OpenTime
from breakwall.monitor.history.sample import Sample
from breakwall.monitor.history.thin import KEPT, thin
from breakwall.monitor.history.traffic import Traffic, count_traffic
from breakwall.payments.fleet.leases import give_up_lease, is_held_by_another, take_lease

log = logging.getLogger("breakwall.backlog")

LEASE_NAME = "backlog_history"
INTERVAL = 10.0  # Seconds from one sample to the next.
# Seconds of the lease: a sample may be late. After a process has died, another one samples within these and `LOOK`.
LEASE = 20.0
LOOK = 5.0  # Seconds between two looks of the other processes, each of which only reads.
THIN_INTERVAL = 600.0
LONGEST_SPAN = 3600.0  # Seconds: when nobody has sampled for longer, the first sample covers only these.
BEHIND = 2.0  # Seconds by which arrivals and ends are counted later: a transaction may commit meanwhile.
STOP_TIMEOUT = 2.0  # Seconds that an ending process waits for a sample.


class Sampler:
    """A thread of its own in each worker and each API process. Whatever fails is tried again, and disturbs nothing.

    ``monitor`` is used, and not closed.
    """

    def __init__(self, monitor: Monitor, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monitor = monitor
        self._database, self._clock = monitor.database, monitor.clock
        self._monotonic = monotonic
        self._id = uuid.uuid4().hex
        self._open_time = OpenTime()
        self._circuit = CircuitHistory(self._database, self._has_lease)
        self._is_mine = False  # Whether this process took the last sample.
        self._next_sample = self._next_thinning = float("-inf")
        self._thinned_at: datetime | None = None
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="breakwall-history", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def ask_to_stop(self) -> None:
        """Begin to stop, without waiting."""
        self._stopped.set()

    def stop(self) -> None:
        """End within `STOP_TIMEOUT` seconds, and let another process sample at once. Only after `start`."""
        self.ask_to_stop()
        self._thread.join(STOP_TIMEOUT)

    def run_once(self) -> float:
        """Take a sample if one is due and no other process takes them; return the seconds until the next run.

        Raises as the database does.
        """
        now = self._monotonic()
        if self._is_mine:
            status = self._monitor.breaker.status()
            self._open_time.look(status, now)
            self._circuit.look(status)
        if now < self._next_sample:
            return min(1.0 if self._is_mine else LOOK, self._next_sample - now)
        self._next_sample = now + LOOK  # Also if it fails.
        if not self._is_mine:
            self._open_time = OpenTime()
            self._circuit.forget()
        self._is_mine = self._database.read(self._may_sample) and self._take_sample(now)
        if not self._is_mine:
            return LOOK
        self._next_sample = now + INTERVAL
        if now >= self._next_thinning:
            self._thin()
            self._next_thinning = now + THIN_INTERVAL
        return 1.0

    def _may_sample(self, connection: Connection) -> bool:
        return store.exists_here(connection) and not is_held_by_another(
            connection, self._clock, LEASE_NAME, self._id
        )

    def _take_sample(self, now: float) -> bool:
        """Whether it was stored: another process may have been faster."""
        if not self._is_mine:
            self._open_time.look(self._monitor.breaker.status(), now)
        last = self._database.read(lambda connection: store.newest_at(connection, self._clock))
        seen = self._monitor.snapshot()
        at, traffic, published = self._database.read(lambda connection: self._count(connection, last))
        span = _span(last, at)
        sample = _sample(seen, at, span, traffic, published, self._open_time.share(span))

        def write(connection: Connection) -> bool:
            if not self._has_lease(connection):
                return False
            # After a pause of this process, another one may have counted the same orders.
            if store.newest_at(connection, self._clock) != last:
                return False
            store.remove_future(connection, self._clock)
            store.add(connection, [sample])
            return True

        return self._database.write(write, name="sample_backlog")

    def _has_lease(self, connection: Connection) -> bool:
        return take_lease(connection, self._clock, LEASE_NAME, self._id, seconds=LEASE)

    def _count(self, connection: Connection, last: datetime | None) -> tuple[datetime, Traffic, int]:
        at: datetime = connection.execute(select(self._clock.after(0))).scalar_one()
        until = at - timedelta(seconds=BEHIND)
        since = until - timedelta(seconds=_span(last, at))
        return at, count_traffic(connection, since, until), count_published(connection, self._clock)

    def _thin(self) -> None:
        now: datetime = self._database.read(
            lambda found: found.execute(select(self._clock.after(0))).scalar_one()
        )
        thin(self._database, now, since=self._thinned_at)

        def remove_old(connection: Connection) -> None:
            store.remove_before(connection, self._clock, KEPT)
            remove_before(connection, self._clock, KEPT)

        self._database.write(remove_old, name="thin_history")
        self._thinned_at = now

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                pause = self.run_once()
            except Exception as error:  # an outage of the database is reported elsewhere
                log.debug("no sample of the backlog: %s", type(error).__name__)
                pause = LOOK
            self._stopped.wait(pause)
        self._give_up()

    def _give_up(self) -> None:
        if not self._is_mine:
            return
        try:
            self._database.write(
                lambda found: give_up_lease(found, self._clock, LEASE_NAME, self._id), name="give_up_lease"
            )
        except Exception as error:  # it expires by itself
            log.debug("the lease of the history stays: %s", type(error).__name__)


def _span(last: datetime | None, at: datetime) -> float:
    if last is None:
        return INTERVAL
    return min(LONGEST_SPAN, max(0.0, (at - last).total_seconds()))


def _sample(
    seen: Backlog, at: datetime, span: float, traffic: Traffic, published: int, open_share: float
) -> Sample:
    names = ("queued", "due", "in_flight", "review", "dead", "oldest_age_seconds", "oldest_due_age_seconds")
    comparable = seen.breaker.state is CircuitState.CLOSED and seen.breaker.override is None
    is_published = comparable and seen.paused is None and seen.workers > 0
    return Sample(
        **{name: getattr(seen, name) for name in (*names, "broker_messages", "limit", "in_hand", "workers")},
        at=at,
        span=span,
        exact=not seen.counted.is_partial,
        count_age=seen.age_seconds,
        arrivals=traffic.arrivals,
        paid=traffic.paid,
        declined=traffic.declined,
        other=traffic.other,
        broker_difference=difference(published, seen.broker_messages, seen.slots) if is_published else None,
        breaker=seen.breaker.state.value,
        override=None if seen.breaker.override is None else seen.breaker.override.mode.value,
        open_share=open_share,
        paused=seen.paused is not None,
    )
