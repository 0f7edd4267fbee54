"""Moves events from the database to their destinations, round by round."""

import logging
import random
import time
from collections.abc import Callable, Sequence

from sqlalchemy import Connection, select

from breakwall.log_throttle import LogThrottle
from breakwall.payments.db.clock import DATABASE_CLOCK, Clock
from breakwall.payments.db.database import Database
from breakwall.payments.db.schema import orders
from breakwall.payments.incidents import IncidentKind
from breakwall.payments.ledger.audit import report_incident
from breakwall.payments.outcomes import outbox
from breakwall.payments.outcomes.channel import ENDLESS, LEASE, Channel, FinishedDelivery
from breakwall.payments.outcomes.destination import Result
from breakwall.payments.outcomes.outage_watch import OutageWatch
from breakwall.payments.outcomes.schedule import OUTAGE, delay_after, delay_after_hang

log = logging.getLogger("breakwall.outcomes")

BATCH = 200  # Events of one round.

# Seconds between two rounds. While there is work, a round records and claims what came together in a fifth of a
# second: one transaction for 100 events at 500 a second.
BUSY, IDLE = 0.2, 0.5


class Delivering:
    """Each `run_once` is one round: one query, and one short transaction if there is work. For one thread.

    No connection is held during a call. What a round could not record is recorded by a later one.
    """

    def __init__(
        self,
        database: Database,
        channels: Sequence[Channel],
        *,
        clock: Clock = DATABASE_CLOCK,
        jitter: Callable[[], float] = random.random,
        monotonic: Callable[[], float] = time.monotonic,
        batch: int = BATCH,
    ) -> None:
        self._database, self._channels = database, list(channels)
        self._clock, self._jitter, self._batch = clock, jitter, batch
        self._names = [channel.name for channel in channels]
        self._unrecorded: list[FinishedDelivery] = []
        self._blocking: list[outbox.Claimed] = []  # The calls that took the last thread of their channel.
        self._throttle = LogThrottle(monotonic)
        self._watch = OutageWatch(self._channels, clock=monotonic)

    def run_once(self) -> float:
        """Record what has finished, take new events, claim what is due. Returns seconds until the next round.

        A destination that the database does not know is registered first: new at the start, after a restore, or when a
        person has forgotten it while it is in use.

        Raises `DatabaseUnavailableError`.
        """
        for channel in self._channels:
            self._collect(channel)
        pending = self._pending()
        if pending is None:
            return IDLE
        self._report_outages(pending)
        rooms = self._rooms(pending)
        if not (self._unrecorded or pending.new or rooms):
            return IDLE
        finished = list(self._unrecorded)
        claims, taken = self._database.write(
            lambda connection: self._exchange(connection, finished, pending, rooms), name="deliver_outcomes"
        )
        del self._unrecorded[: len(finished)]
        self._blocking.clear()
        self._start(claims)
        return BUSY if finished or taken or claims else IDLE

    def stop(self, timeout: float) -> None:
        """Give back what was not begun, wait at most ``timeout`` seconds for the calls, and record them.

        What does not end in time is due again when its claim expires. Raises `DatabaseUnavailableError`.
        """
        end = time.monotonic() + timeout
        for channel in self._channels:
            channel.ask_to_stop()
        for channel in self._channels:
            channel.stop(max(0.0, end - time.monotonic()))
        for channel in self._channels:
            self._unrecorded += channel.take_finished()
        if self._unrecorded:
            self._database.write(
                lambda connection: self._record(connection, self._unrecorded), name="deliver_outcomes"
            )
            self._unrecorded = []

    def close(self) -> None:
        for channel in self._channels:
            channel.close()

    def _collect(self, channel: Channel) -> None:
        channel.check()
        finished = channel.take_finished()
        self._unrecorded += finished
        hung = [one.claimed for one in finished if one.result is not None and one.result.hung]
        if hung and channel.is_blocked:
            self._blocking.append(hung[-1])

    def _report_outages(self, pending: outbox.Pending) -> None:
        gone = {channel.name for channel in self._channels if _is_gone(channel, pending)}
        for name in self._watch.suspects():
            if name not in gone and self._report_outage(name):
                self._watch.reported(name)

    def _report_outage(self, name: str) -> bool:
        """One incident for all that waits, as the circuit keeps each event from its last try. Whether it is one."""
        oldest = self._database.read(
            lambda connection: outbox.oldest_waiting(connection, self._clock, name, OUTAGE)
        )
        if oldest is None:
            return False
        order_id, since = oldest
        # All workers write the same text, so that it is one incident.
        detail = f"the {name} takes no outcomes: they wait since {since:%Y-%m-%d %H:%M:%S} UTC, and are tried again"
        self._database.write(
            lambda connection: self._report_order(connection, order_id, detail), name="report_outage"
        )
        return True

    def _pending(self) -> outbox.Pending | None:
        """None without the tables."""

        def work(connection: Connection) -> outbox.Pending | None:
            return (
                outbox.pending(connection, self._clock, self._names)
                if outbox.exists_here(connection)
                else None
            )

        found = self._database.read(work)
        if found is not None and not found.known.issuperset(self._names):
            self._register()
        return found

    def _register(self) -> None:
        names, clock = self._names, self._clock
        self._database.write(lambda connection: outbox.register(connection, clock, names), name="register")

    def _rooms(self, pending: outbox.Pending) -> dict[str, int]:
        """How many deliveries each destination takes now."""
        wanted = self._names if pending.new else pending.due
        rooms = {
            channel.name: channel.room()
            for channel in self._channels
            if channel.name in wanted and not _is_gone(channel, pending)
        }
        return {name: min(room, self._batch) for name, room in rooms.items() if room}

    def _exchange(
        self,
        connection: Connection,
        finished: list[FinishedDelivery],
        pending: outbox.Pending,
        rooms: dict[str, int],
    ) -> tuple[list[outbox.Claimed], int]:
        """What is to be delivered now, and how many events were taken."""
        self._record(connection, finished)
        for blocking in self._blocking:
            self._report_blocked(connection, blocking)
        taken = outbox.take_new(connection, self._clock, self._batch) if pending.new else 0
        claims = [
            claimed
            for name, room in rooms.items()
            for claimed in outbox.claim(connection, self._clock, name, room, lease=LEASE)
        ]
        for claimed in claims:
            if claimed.is_spent:
                self._give_up(connection, claimed, "its last calls ended their worker, or were not recorded")
        return [claimed for claimed in claims if not claimed.is_spent], taken

    def _start(self, claims: list[outbox.Claimed]) -> None:
        channels = {channel.name: channel for channel in self._channels}
        for claimed in claims:
            channels[claimed.destination].start(claimed)

    def _record(self, connection: Connection, finished: list[FinishedDelivery]) -> None:
        delivered = [one.claimed for one in finished if one.result is not None and one.result.delivered]
        outbox.record_delivered(connection, self._clock, delivered)
        for one in finished:
            if one.result is None:
                outbox.give_back(connection, self._clock, one.claimed, one.wait)
            elif not one.result.delivered:
                self._record_failure(connection, one.claimed, one.result)

    def _record_failure(self, connection: Connection, claimed: outbox.Claimed, result: Result) -> None:
        error = result.error or ""
        delay = delay_after(claimed.tries, self._jitter(), result.retry_after)
        if result.hung and claimed.destination in ENDLESS:
            delay = delay_after_hang(2 if claimed.last_error == error else 1, self._jitter())
        if result.gone:
            self._record_gone(connection, claimed)
        if delay is None:
            self._give_up(connection, claimed, error)
        elif outbox.record_failed(connection, self._clock, claimed, error, delay):
            self._log_failure(claimed.destination, error)

    def _log_failure(self, name: str, error: str) -> None:
        if number := self._throttle.admit(f"{name} {error}"):
            more = "" if number == 1 else f" (and {number - 1:,} more like it)"
            log.warning("the %s did not take an outcome: %s%s; it is tried again", name, error, more)

    def _give_up(self, connection: Connection, claimed: outbox.Claimed, error: str) -> None:
        if not outbox.record_given_up(connection, self._clock, claimed, error):
            return
        event = claimed.event
        tries = claimed.tries - claimed.is_spent
        detail = f"the {claimed.destination} did not take {event.type} in {tries} tries: {error}"
        self._report(connection, claimed, f"{detail}; `breakwall outcomes redeliver {event.id}` tries again")

    def _record_gone(self, connection: Connection, claimed: outbox.Claimed) -> None:
        endpoint = next(one.destination.endpoint for one in self._channels if one.name == claimed.destination)
        if endpoint is None:
            return
        if not outbox.mark_gone(connection, claimed.destination, endpoint):
            return
        self._report(
            connection,
            claimed,
            f"the {claimed.destination} said that it is gone (HTTP 410), so nothing is sent to it, and outcomes wait: "
            f"configure another one, or `breakwall outcomes enable {claimed.destination}`",
        )

    def _report_blocked(self, connection: Connection, claimed: outbox.Claimed) -> None:
        detail = (
            f"every thread of a worker's {claimed.destination} is in a call that does not return, so this worker "
            "delivers nothing there: correct it, and restart the worker"
        )
        self._report(connection, claimed, detail)

    def _report(self, connection: Connection, claimed: outbox.Claimed, detail: str) -> None:
        # The moment makes it another incident than an earlier one that a person has closed.
        at = claimed.until.strftime("%Y-%m-%d %H:%M:%S UTC")
        self._report_order(connection, claimed.event.order_id, f"{at}: {detail}")

    def _report_order(self, connection: Connection, order_id: str, detail: str) -> None:
        if connection.scalar(select(orders.c.id).where(orders.c.id == order_id)) is not None:
            report_incident(connection, self._clock, order_id, IncidentKind.UNDELIVERED, detail)
        log.error("order %s: %s", order_id, detail)


def _is_gone(channel: Channel, pending: outbox.Pending) -> bool:
    gone = pending.gone.get(channel.name)
    return gone is not None and gone == channel.destination.endpoint
