"""A worker's heartbeat: its row in the database says that it is alive, and what it lacks."""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable

from sqlalchemy import Connection

from breakwall import __version__
from breakwall.broker import READS
from breakwall.host.exhaustion import lack_of
from breakwall.payments.db.clock import Clock, DatabaseClock
from breakwall.payments.db.database import Database
from breakwall.payments.fleet.workers import BEAT, Identity, is_noted, note_alive, note_stopped

log = logging.getLogger("breakwall.worker")

SOON = 2.0
"""Seconds to the next try after one that failed: when the database is back, nobody is long taken for dead."""

FAREWELL = 5.0
"""Seconds that a worker which ends gives its row's removal; without it, the row goes silent."""


class Heartbeat:
    """Beats in a thread of its own, so that nothing that hangs in the worker makes it look dead. Safe for threads.

    A database that does not answer, or has no such table yet, disturbs nobody: the next beat tries again.

    Args:
        database: where the row is.
        clock: the database's.
        monotonic: what idle times are measured by, in seconds.
        short: told what this process lacks, where a sign of life could not be written for want of it.
    """

    def __init__(
        self,
        database: Database,
        *,
        clock: Clock | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        short: Callable[[str], None] = lambda lack: None,
    ) -> None:
        self._database = database
        self._clock = clock or DatabaseClock()
        self._monotonic = monotonic
        self._short = short
        self._who: Identity | None = None
        self._lacks: str | None = None
        self._busy: float | None = None
        self._stopped = False
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, name: str, slots: int) -> None:
        """Begin to beat; does not wait for the first one.

        Args:
            name: the worker's node name.
            slots: orders that it works on at once.
        """
        self.introduce(name, slots)
        self._thread = threading.Thread(target=self._run, name="breakwall-heartbeat", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Take the row away and end; waits for it at most `FAREWELL` seconds. Also without a start."""
        self._stopped = True
        self._wake.set()
        if self._thread is not None:
            self._thread.join(FAREWELL)

    def lacks(self, what: str | None) -> None:
        """Say what the worker has run out of, in a sentence, or that it has everything again (None).

        Told with the next beat, which comes at once when this is news. Waits for nobody and raises nothing.
        """
        news, self._lacks = what != self._lacks, what
        if news:
            self._wake.set()

    def busy(self) -> None:
        """Note that an order was worked on just now, or that the circuit held the worker back."""
        self._busy = self._monotonic()

    def introduce(self, name: str, slots: int) -> None:
        """Be the worker of that name from now on, with a row of its own."""
        self._who = Identity(
            id=uuid.uuid4().hex,
            name=name,
            host=socket.gethostname(),
            pid=os.getpid(),
            slots=slots,
            version=__version__,
            reads=READS,
        )

    def beat(self) -> bool:
        """Write one sign of life; whether that went well. Raises nothing."""
        idle = None if self._busy is None else max(0.0, self._monotonic() - self._busy)
        return self._try(lambda connection, who: self._note(connection, who, idle))

    def _note(self, connection: Connection, who: Identity, idle: float | None) -> None:
        if is_noted(connection):
            note_alive(connection, self._clock, who, lacks=self._lacks, idle=idle)

    def _run(self) -> None:
        while not self._stopped:
            self._wake.wait(BEAT if self.beat() else SOON)
            self._wake.clear()
        self._try(lambda connection, who: note_stopped(connection, who.id) if is_noted(connection) else None)

    def _try(self, work: Callable[[Connection, Identity], None]) -> bool:
        who = self._who
        if who is None:
            return False
        try:
            self._database.write(lambda connection: work(connection, who), name="heartbeat")
        except (
            Exception
        ) as error:  # a heartbeat is no reason for anything to end; who needs the database says so
            log.debug("no heartbeat: %s", type(error).__name__)
            if (lack := lack_of(error)) is not None:
                self._short(lack)  # of a worker that has nothing to do, nobody else would say it
            return False
        return True
