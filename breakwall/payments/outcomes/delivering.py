"""Moves events from the database to their destinations, round by round."""

import random
import time
from collections.abc import Callable, Iterable, Sequence

from sqlalchemy import Connection, Engine

from breakwall.payments.db.clock import DATABASE_CLOCK, Clock
from breakwall.payments.db.database import Database
from breakwall.payments.outcomes.channel import LEASE, Channel, FinishedDelivery
from breakwall.payments.outcomes.delivery_recorder import DeliveryRecorder
from breakwall.payments.outcomes.incident_reports import report_blocked, report_outage
from breakwall.payments.outcomes.outage_watch import OutageWatch
from breakwall.payments.outcomes.outbox import waiting
from breakwall.payments.outcomes.outbox.claiming import Claimed, claim
from breakwall.payments.outcomes.outbox.taking import take_new
from breakwall.payments.outcomes.outbox.waiting import Pending
from breakwall.payments.outcomes.schedule import OUTAGE

BATCH = 400  # Events of one round.

# Seconds between two rounds. A round costs a few milliseconds of processor time, however few events it has. So while
# there is work, a round records and claims what came together meanwhile: 200 events at 500 a second.
BUSY, IDLE = 0.4, 0.5


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
        self._clock, self._batch = clock, batch
        self._names = [channel.name for channel in channels]
        self._unrecorded: list[FinishedDelivery] = []
        self._blocking: list[Claimed] = []  # The calls that took the last thread of their channel.
        endpoints = {channel.name: channel.destination.endpoint for channel in channels}
        self._recorder = DeliveryRecorder(clock, endpoints, jitter=jitter, monotonic=monotonic)
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
        self.ask_to_stop()
        for channel in self._channels:
            channel.stop(max(0.0, end - time.monotonic()))
        for channel in self._channels:
            self._unrecorded += channel.take_finished()
        if self._unrecorded:
            self._database.write(self._record_last, name="deliver_outcomes")
            self._unrecorded = []

    def _record_last(self, connection: Connection) -> None:
        self._recorder.record(connection, self._unrecorded)
        self._recorder.add_up(connection)

    def ask_to_stop(self) -> None:
        """Begin no more calls. Does not wait; safe beside `run_once`."""
        for channel in self._channels:
            channel.ask_to_stop()

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

    def _report_outages(self, pending: Pending) -> None:
        gone = {channel.name for channel in self._channels if _is_gone(channel, pending)}
        for name in self._watch.suspects():
            if name not in gone and self._report_outage(name):
                self._watch.reported(name)

    def _report_outage(self, name: str) -> bool:
        """One incident for all that waits, as the circuit keeps each event from its last try. Whether it is one."""
        oldest = self._database.read(
            lambda connection: waiting.oldest_waiting(connection, self._clock, name, OUTAGE)
        )
        if oldest is None:
            return False
        order_id, since = oldest
        self._database.write(
            lambda connection: report_outage(connection, self._clock, name, order_id, since),
            name="report_outage",
        )
        return True

    def _pending(self) -> Pending:
        found = self._database.read(lambda connection: waiting.look(connection, self._clock, self._names))
        if not found.known.issuperset(self._names):
            self._register()
        return found

    def _register(self) -> None:
        names, clock = self._names, self._clock
        self._database.write(lambda connection: waiting.register(connection, clock, names), name="register")

    def _rooms(self, pending: Pending) -> dict[str, int]:
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
        pending: Pending,
        rooms: dict[str, int],
    ) -> tuple[list[Claimed], int]:
        """What is to be delivered now, and how many events were taken."""
        self._recorder.record(connection, finished)
        for blocking in self._blocking:
            report_blocked(connection, self._clock, blocking)
        taken = take_new(connection, self._clock, self._batch) if pending.new else 0
        claims = [
            claimed
            for channel in self._channels
            if (room := rooms.get(channel.name))
            for claimed in claim(
                connection, self._clock, channel.name, room, lease=LEASE, is_idle=channel.is_idle
            )
        ]
        for claimed in claims:
            if claimed.is_spent:
                self._recorder.give_up_spent(connection, claimed)
        self._recorder.add_up(connection)
        return [claimed for claimed in claims if not claimed.is_spent], taken

    def _start(self, claims: list[Claimed]) -> None:
        for channel in self._channels:
            channel.start([claimed for claimed in claims if claimed.destination == channel.name])


def register_ways(engine: Engine, names: Iterable[str], clock: Clock = DATABASE_CLOCK) -> None:
    """What ends from now on is delivered to these destinations."""
    with engine.begin() as connection:
        waiting.register(connection, clock, names)


def _is_gone(channel: Channel, pending: Pending) -> bool:
    gone = pending.gone.get(channel.name)
    return gone is not None and gone == channel.destination.endpoint
